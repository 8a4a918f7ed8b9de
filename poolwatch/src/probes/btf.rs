//! The kernel's type information: bytes in, offsets of fields out.
//!
//! Only structs and unions are looked into; of every other kind just the length is known. Total: what
//! is cut or not BTF has no fields.
//! Source: <https://www.kernel.org/doc/html/v6.12/bpf/btf.html>.

/// Levels of unnamed structs and unions that are looked into.
const DEPTH: u32 = 8;
/// What every BTF begins with, in the machine's own byte order.
const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_type` and of `struct btf_member`.
const HEAD: usize = 12;

/// Numbers of the kinds, `BTF_KIND_…` of include/uapi/linux/btf.h.
mod kind {
    pub const INT: u32 = 1;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const DECL_TAG: u32 = 17;
    pub const ENUM64: u32 = 19;
}

/// One kernel's types.
pub struct Types {
    bytes: Vec<u8>,
    strings: Vec<u8>,
    /// Where each type begins; the first has the number 1.
    starts: Vec<usize>,
}

/// A struct or union as it lies in the bytes.
#[derive(Clone, Copy)]
struct Body {
    start: usize,
    members: usize,
    /// Offsets hold the width of bit fields too.
    bit_fields: bool,
}

impl Types {
    /// Reads the bytes; `None` when they are no BTF.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if u16::from_ne_bytes(*bytes.first_chunk()?) != MAGIC {
            return None;
        }
        let [header, type_at, type_length, string_at, string_length] =
            [4, 8, 12, 16, 20].map(|at| word(bytes, at).and_then(|word| usize::try_from(word).ok()));
        let (header, type_at, string_at) = (header?, type_at?, string_at?);
        let part = |at: usize, length: usize| bytes.get(header.checked_add(at)?..)?.get(..length);
        let types = part(type_at, type_length?)?.to_vec();
        let strings = part(string_at, string_length?)?.to_vec();
        let starts = starts(&types);
        Some(Self { bytes: types, strings, starts })
    }

    /// Something has this name: a type, a field, or a value of an enumeration.
    pub fn names(&self, name: &str) -> bool {
        self.strings.split(|byte| *byte == 0).any(|known| known == name.as_bytes())
    }

    /// Byte offset of a struct's field, looked for in its unnamed members too.
    pub fn offset(&self, structure: &str, field: &str) -> Option<u32> {
        let named =
            |start: &&usize| self.body(**start).is_some() && self.name(**start) == Some(structure.as_bytes());
        let bits =
            self.starts.iter().filter(named).find_map(|start| self.find(self.body(*start)?, field, DEPTH))?;
        Some(bits / 8)
    }

    fn find(&self, body: Body, field: &str, depth: u32) -> Option<u32> {
        for index in 0..body.members {
            let member = body.start + HEAD + index * HEAD;
            let offset = word(&self.bytes, member + 8)?;
            let offset = if body.bit_fields { offset & 0x00ff_ffff } else { offset };
            let name = self.name(member)?;
            if name == field.as_bytes() {
                return Some(offset);
            }
            if !name.is_empty() || depth == 0 {
                continue;
            }
            let number = usize::try_from(word(&self.bytes, member + 4)?).ok()?;
            let inner = number.checked_sub(1).and_then(|index| self.body(*self.starts.get(index)?));
            if let Some(bits) = inner.and_then(|inner| self.find(inner, field, depth - 1)) {
                return Some(offset + bits);
            }
        }
        None
    }

    /// The struct or union that begins here.
    fn body(&self, start: usize) -> Option<Body> {
        let info = word(&self.bytes, start + 4)?;
        let members = usize::from(u16::try_from(info & 0xffff).ok()?);
        matches!(kind_of(info), kind::STRUCT | kind::UNION).then_some(Body {
            start,
            members,
            bit_fields: info >> 31 == 1,
        })
    }

    /// The name of the type or member that begins here.
    fn name(&self, start: usize) -> Option<&[u8]> {
        let at = usize::try_from(word(&self.bytes, start)?).ok()?;
        self.strings.get(at..)?.split(|byte| *byte == 0).next()
    }
}

const fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Where the types begin, up to the first that is cut or of a kind that is not known.
fn starts(types: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(length) = length(types, at) {
        starts.push(at);
        at += length;
    }
    starts
}

fn length(types: &[u8], at: usize) -> Option<usize> {
    let info = word(types, at + 4)?;
    let count = usize::try_from(info & 0xffff).ok()?;
    let rest = match kind_of(info) {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
        kind::ENUM | kind::FUNC_PROTO => 8 * count,
        // Pointers, typedefs, qualifiers, forward declarations, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    };
    (at + HEAD + rest <= types.len()).then_some(HEAD + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct outer { int a; struct { int b; }; }`, then `struct bits { int c : 3; }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0outer\0a\0b\0bits\0c\0";
        let words: [u32; 28] = [
            1,
            kind::INT << 24,
            4,
            32, // 1: int
            0,
            kind::STRUCT << 24 | 1,
            4,
            13,
            1,
            0, // 2: unnamed { b }
            5,
            kind::STRUCT << 24 | 2,
            8,
            11,
            1,
            0,
            0,
            2,
            32, // 3: outer { a, unnamed }
            15,
            1 << 31 | kind::STRUCT << 24 | 1,
            4,
            20,
            1,
            3 << 24 | 8, // 4: bits { c : 3 }
            0,
            2 << 24,
            1, // 5: a pointer
        ];
        let types: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let lengths = [24, 0, types.len(), types.len(), strings.len()];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(lengths.iter().flat_map(|length| u32::try_from(*length).unwrap().to_ne_bytes()));
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn fields_are_found_in_unnamed_members_and_beside_bit_fields() {
        let types = Types::read(&sample()).unwrap();
        assert_eq!(types.offset("outer", "a"), Some(0));
        assert_eq!(types.offset("outer", "b"), Some(4));
        assert_eq!(types.offset("bits", "c"), Some(1));
        assert_eq!(types.offset("outer", "c"), None);
        assert_eq!(types.offset("missing", "a"), None);
        assert!(types.names("outer") && !types.names("oute"));
    }

    #[test]
    fn cut_or_foreign_bytes_have_no_fields() {
        let sample = sample();
        for length in 0..sample.len() {
            let cut = sample.get(..length).unwrap();
            assert_eq!(Types::read(cut).and_then(|types| types.offset("outer", "b")), None, "{length} bytes");
        }
        assert!(Types::read(b"\x7fELF and more").is_none());
    }
}
