//! The kernel's type information through libbpf's own reader: names in, types, offsets and sizes out.
//!
//! The agent reads BTF with another library; what both agree on is not one library's mistake.

use std::ffi::{CStr, CString};

use anyhow::{Context as _, Result, ensure};
use libbpf_sys as sys;

/// Levels of unnamed structs and unions that are looked into.
const DEPTH: u32 = 8;

/// A kernel's types.
pub struct Btf(*mut sys::btf);

/// One type: its number, and what it is.
#[derive(Clone, Copy)]
struct Type<'b> {
    btf: &'b Btf,
    raw: &'b sys::btf_type,
}

/// Where a field lies and how large it is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the beginning of the structure.
    pub offset: u32,
    /// Of the field.
    pub size: i64,
}

impl Btf {
    /// The running kernel's.
    pub fn of_kernel() -> Result<Self> {
        // SAFETY: takes nothing; gives a pointer of ours or null with errno.
        let btf = unsafe { sys::btf__load_vmlinux_btf() };
        ensure!(!btf.is_null(), "libbpf: {}", std::io::Error::last_os_error());
        Ok(Self(btf))
    }

    fn find(&self, name: &str, kind: u32) -> Result<u32> {
        let c_name = CString::new(name)?;
        // SAFETY: a live BTF and a C string that outlives the call.
        let id = unsafe { sys::btf__find_by_name_kind(self.0, c_name.as_ptr(), kind) };
        u32::try_from(id).ok().filter(|id| *id != 0).with_context(|| format!("no type {name} of kind {kind}"))
    }

    fn get(&self, id: u32) -> Result<Type<'_>> {
        // SAFETY: a live BTF; the answer is null or lives as long as it.
        let raw = unsafe { sys::btf__type_by_id(self.0, id).as_ref() };
        Ok(Type { btf: self, raw: raw.with_context(|| format!("no type {id}"))? })
    }

    fn name(&self, offset: u32) -> String {
        // SAFETY: a live BTF; the answer is null or a C string that lives as long as it.
        let name = unsafe { sys::btf__name_by_offset(self.0, offset) };
        if name.is_null() {
            return String::new();
        }
        // SAFETY: not null, see above.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }

    fn size(&self, id: u32) -> i64 {
        // SAFETY: a live BTF; a type without size gives a negative number.
        unsafe { sys::btf__resolve_size(self.0, id) }
    }

    /// Where a field lies; unnamed members are looked into.
    pub fn field(&self, structure: &str, field: &str) -> Result<Field> {
        let id = self.find(structure, sys::BTF_KIND_STRUCT)?;
        self.get(id)?.field(field, DEPTH)?.with_context(|| format!("no field {structure}.{field}"))
    }

    /// Arguments of a tracepoint as C writes them, without the first, which is the program's own.
    pub fn tracepoint(&self, name: &str) -> Result<Vec<String>> {
        let alias = self.get(self.find(&format!("btf_trace_{name}"), sys::BTF_KIND_TYPEDEF)?)?;
        let pointer = self.get(alias.target())?;
        let prototype = self.get(pointer.target())?;
        ensure!(prototype.kind() == sys::BTF_KIND_FUNC_PROTO, "{name} is no function");
        prototype.parameters().iter().skip(1).map(|argument| self.written(*argument)).collect()
    }

    /// A type as C writes it.
    fn written(&self, id: u32) -> Result<String> {
        if id == 0 {
            return Ok("void".to_owned());
        }
        let this = self.get(id)?;
        let name = self.name(this.raw.name_off);
        Ok(match this.kind() {
            sys::BTF_KIND_PTR => format!("{} *", self.written(this.target())?),
            sys::BTF_KIND_CONST => format!("const {}", self.written(this.target())?),
            sys::BTF_KIND_STRUCT => format!("struct {name}"),
            _ => name,
        })
    }
}

impl Drop for Btf {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody borrows from it any more.
        unsafe { sys::btf__free(self.0) };
    }
}

impl<'b> Type<'b> {
    fn kind(self) -> u32 {
        (self.raw.info >> 24) & 0x1f
    }

    fn count(self) -> usize {
        (self.raw.info & 0xffff) as usize
    }

    /// The type that a pointer, an alias or a qualifier leads to.
    fn target(self) -> u32 {
        // SAFETY: both readings of the union are plain numbers.
        unsafe { self.raw.__bindgen_anon_1.type_ }
    }

    /// The records that follow a type of a kind that has them.
    fn records<T>(self) -> &'b [T] {
        let first = std::ptr::from_ref(self.raw).wrapping_add(1).cast::<T>();
        // SAFETY: the format puts `count` records of the kind's own type right behind the type, and libbpf
        // has checked at loading that they are there; they live as long as the BTF.
        unsafe { std::slice::from_raw_parts(first, self.count()) }
    }

    fn parameters(self) -> Vec<u32> {
        self.records::<sys::btf_param>().iter().map(|parameter| parameter.type_).collect()
    }

    fn members(self) -> &'b [sys::btf_member] {
        match self.kind() {
            sys::BTF_KIND_STRUCT | sys::BTF_KIND_UNION => self.records(),
            _ => &[],
        }
    }

    fn field(self, wanted: &str, depth: u32) -> Result<Option<Field>> {
        // With this flag the upper byte is the size of a bit field.
        let mask = if self.raw.info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
        for member in self.members() {
            let offset = (member.offset & mask) / 8;
            let name = self.btf.name(member.name_off);
            if name == wanted {
                return Ok(Some(Field { offset, size: self.btf.size(member.type_) }));
            }
            if name.is_empty()
                && depth > 0
                && let Some(inner) = self.btf.get(member.type_)?.field(wanted, depth - 1)?
            {
                return Ok(Some(Field { offset: offset + inner.offset, ..inner }));
            }
        }
        Ok(None)
    }
}
