//! The executable file: where its table of Go functions is, where Go's code begins, what code an address has.
//!
//! A file comes in as `object` reads it, section by section. Addresses of memory are turned into offsets of the
//! file by its program headers, as the kernel's uprobes want them.

use std::ffi::CStr;

use iced_x86::Register;
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, ReadRef, SymbolKind,
    elf::{R_AARCH64_RELATIVE, R_X86_64_RELATIVE},
    read::elf::{ElfFile64, ElfSymbol64, ProgramHeader, Sym},
};

use super::{
    CODE_BYTES, Door, Function, TABLE_BYTES, Unfound,
    deferred::{Deferred, deferred, untouched},
    exits::{Exit, If, Left, exits},
    pclntab::{Symbol, Table},
    returns::{self, Processor},
    rust,
    sites::{RESULT, RESULT_OF_RUST, passed_to_go, sites},
};

/// The section's names, without and with relocation.
const TABLES: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// The section with the symbols' names.
const NAMES: &str = ".strtab";
/// Sections in which Go's description of the program stands, by version and way of linking.
const MODULE_SECTIONS: [&str; 5] =
    [".go.module", ".noptrdata", ".data.rel.ro", ".data", ".data.rel.ro.go.module"];
/// Where in that description the start of Go's code stands: after the table's address, six slices of three
/// words, and three addresses. <https://github.com/golang/go/blob/go1.26.0/src/runtime/symtab.go>, `moduledata`
const TEXT_IN_MODULE: u64 = 22 * 8;

/// A program.
pub(super) struct Program<'data, R: ReadRef<'data>> {
    file: ElfFile64<'data, Endianness, R>,
    processor: Processor,
}

impl<'data, R: ReadRef<'data>> Program<'data, R> {
    /// Reads the headers.
    pub(super) fn read(data: R) -> Result<Self, Unfound> {
        let file = ElfFile64::<Endianness, R>::parse(data).map_err(|_| Unfound::NotElf)?;
        let processor = match file.architecture() {
            object::Architecture::X86_64 => Processor::X86,
            object::Architecture::Aarch64 => Processor::Arm,
            _ => return Err(Unfound::NotElf),
        };
        if !file.is_little_endian() {
            return Err(Unfound::NotElf);
        }
        Ok(Self { file, processor })
    }

    /// The bytes of the table.
    pub(super) fn table(&self) -> Result<&'data [u8], Unfound> {
        let section = TABLES.iter().find_map(|name| self.file.section_by_name(name)).ok_or(Unfound::NotGo)?;
        if section.size() > TABLE_BYTES {
            return Err(Unfound::TooLarge);
        }
        section.data().map_err(|_| Unfound::Damaged)
    }

    /// Where Go's code begins: by its symbol, by the table, or by Go's own description of the program. The
    /// section `.text` begins earlier where C is linked in.
    pub(super) fn text_start(&self, table: &Table<'_>) -> Result<u64, Unfound> {
        let symbol = self.file.symbols().find(|symbol| symbol.name() == Ok("runtime.text"));
        let known = symbol.map(|symbol| symbol.address()).or_else(|| table.text_start());
        known.or_else(|| self.text_in_module()).ok_or(Unfound::TextStart)
    }

    fn text_in_module(&self) -> Option<u64> {
        let table = TABLES.iter().find_map(|name| self.file.section_by_name(name))?.address();
        let module = self.relocated(|addend| addend == table).or_else(|| self.holds(table))?;
        let place = module.checked_add(TEXT_IN_MODULE)?;
        self.relocation_at(place).or_else(|| self.word_at(place)).filter(|text| *text > 0)
    }

    /// The address of a word that will have a wanted value once the program is loaded.
    fn relocated(&self, wanted: impl Fn(u64) -> bool) -> Option<u64> {
        self.relocations().find(|(_, value)| wanted(*value)).map(|(place, _)| place)
    }

    fn relocation_at(&self, wanted: u64) -> Option<u64> {
        self.relocations().find(|(place, _)| *place == wanted).map(|(_, value)| value)
    }

    /// Words that the loader fills with an address of the program itself: where, and which.
    fn relocations(&self) -> impl Iterator<Item = (u64, u64)> {
        let relative = match self.processor {
            Processor::X86 => R_X86_64_RELATIVE,
            Processor::Arm => R_AARCH64_RELATIVE,
        };
        let all = self.file.dynamic_relocations().into_iter().flatten();
        all.filter_map(move |(place, relocation)| {
            let object::RelocationFlags::Elf { r_type } = relocation.flags() else { return None };
            (r_type == relative).then_some((place, relocation.addend().cast_unsigned()))
        })
    }

    /// The address of the first aligned word with this value in the sections where a module may stand.
    fn holds(&self, value: u64) -> Option<u64> {
        MODULE_SECTIONS.iter().filter_map(|name| self.file.section_by_name(name)).find_map(|section| {
            let data = section.data().ok()?;
            let nth = data.as_chunks().0.iter().position(|word| u64::from_le_bytes(*word) == value)?;
            section.address().checked_add(nth as u64 * 8)
        })
    }

    fn word_at(&self, address: u64) -> Option<u64> {
        let mut sections = self.file.sections();
        let data = sections.find_map(|section| section.data_range(address, 8).ok().flatten())?;
        Some(u64::from_le_bytes(*data.first_chunk()?))
    }

    /// A function with its places in the file.
    pub(super) fn function(&self, symbol: Symbol, text: u64) -> Result<Function, Unfound> {
        let start = symbol.start.checked_add(text).ok_or(Unfound::Damaged)?;
        let size = symbol.end.checked_sub(symbol.start).ok_or(Unfound::Damaged)?;
        if size > CODE_BYTES {
            return Err(Unfound::TooLarge);
        }
        let (entry, code) = self.code(start, size).ok_or(Unfound::Damaged)?;
        let returns = returns::returns(self.processor, code).ok_or(Unfound::Damaged)?;
        if returns.is_empty() {
            return Err(Unfound::Damaged);
        }
        Ok(Function {
            name: symbol.name,
            entry,
            passed: entry + passed_to_go(self.processor, code),
            exits: exits(self.processor, code, &returns)
                .into_iter()
                .map(|exit| Exit { at: entry + exit.at, ..exit })
                .collect(),
            deferred: deferred(self.processor, code, &returns)
                .into_iter()
                .map(|end| Deferred { at: entry + end.at, ..end })
                .collect(),
            untouched: untouched(self.processor, code).map(|at| entry + at),
            returns: returns.into_iter().map(|at| entry + at).collect(),
            goroutine_in_register: returns::goroutine_in_register(self.processor, code),
        })
    }

    /// Functions of C that stand here under one of these names: among those that others may use, or else among all.
    pub(super) fn doors(&self, wanted: &[&str]) -> Vec<Door> {
        let name = |symbol: &str| wanted.iter().find(|wanted| symbol == **wanted).copied();
        let exported = self
            .file
            .dynamic_symbols()
            .filter(is_function)
            .filter_map(|symbol| self.door(name(symbol.name().ok()?)?, &symbol, RESULT));
        let exported: Vec<Door> = exported.collect();
        if exported.is_empty() { self.named(name, RESULT) } else { exported }
    }

    /// Functions of Rust below this module whose name ends in one of these. Where the processor does not say what a call returns
    /// in the registers that are looked at, there are none.
    pub(super) fn rust_doors(&self, module: &str, wanted: &[&str]) -> Vec<Door> {
        if self.processor != Processor::X86 {
            return Vec::new();
        }
        self.named(|symbol| rust::named(symbol, module, wanted), RESULT_OF_RUST)
    }

    /// Functions that `name` knows by their symbol, and how it calls them. The symbols' names are read at once: there may be
    /// hundreds of thousands.
    fn named<'w>(&self, name: impl Fn(&str) -> Option<&'w str>, result: &[Register]) -> Vec<Door> {
        let names = self.file.section_by_name(NAMES).filter(|names| names.size() <= TABLE_BYTES);
        let Some(names) = names.and_then(|names| names.data().ok()) else { return Vec::new() };
        let of = |symbol: &ElfSymbol64<'data, '_, Endianness, R>| {
            let at = symbol.elf_symbol().st_name(self.file.endian());
            let text = CStr::from_bytes_until_nul(names.get(usize::try_from(at).ok()?..)?).ok()?;
            name(text.to_str().ok()?)
        };
        let functions = self.file.symbols().filter(is_function);
        functions.filter_map(|symbol| self.door(of(&symbol)?, &symbol, result)).collect()
    }

    fn door(&self, name: &str, symbol: &impl ObjectSymbol<'data>, result: &[Register]) -> Option<Door> {
        let size = symbol.size();
        let (entry, code) = self.code(symbol.address(), size).filter(|_| size <= CODE_BYTES)?;
        let sites = sites(self.processor, code, result);
        Some(Door {
            name: name.to_owned(),
            entry: entry + sites.entry,
            caught: sites.returns.is_empty().then_some(entry),
            exits: sites
                .returns
                .iter()
                .map(|at| Exit { at: entry + at, when: If::Always, with: Left::Register })
                .collect(),
        })
    }

    /// Offset in the file of an address, and the code that stands there.
    fn code(&self, address: u64, size: u64) -> Option<(u64, &'data [u8])> {
        let endian = self.file.endian();
        self.file.elf_program_headers().iter().find_map(|segment| {
            let executable = segment.p_flags(endian) & object::elf::PF_X != 0;
            let within = address.checked_sub(segment.p_vaddr(endian)).filter(|_| executable)?;
            let fits = within.checked_add(size)? <= segment.p_filesz(endian);
            let offset = segment.p_offset(endian).checked_add(within).filter(|_| fits)?;
            Some((offset, segment.data_range(endian, self.file.data(), address, size).ok()??))
        })
    }
}

fn is_function<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    symbol.is_definition() && symbol.kind() == SymbolKind::Text
}
