//! Functions of programs and libraries by their names: where each is entered, and where it returns.
//!
//! An executable file comes in, offsets into it go out, for probes to be set on. Go keeps the names of its
//! functions even in a stripped program (`.gopclntab`), because its own stack traces need them. A probe on a
//! return address, as for C, would break Go: its stacks move. So each return instruction is looked for.
//! What is not a Go program, is damaged, or uses a form that is not known here is told as such, never guessed.

mod deferred;
mod elf;
mod exits;
mod pclntab;
mod returns;
mod rust;
mod sites;

use std::{fmt, fs::File};

use object::{ReadCache, ReadRef};

pub use self::{
    deferred::Deferred,
    exits::{Exit, If, Left},
};
use self::{elf::Program, pclntab::Table};

/// The largest table of functions that is read; a larger one is told as [`Unfound::TooLarge`].
pub const TABLE_BYTES: u64 = 256 << 20;
/// The most functions that are looked through.
pub const FUNCTIONS: u64 = 4_000_000;
/// The longest code of one function that is decoded.
pub const CODE_BYTES: u64 = 64 << 10;

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name as it was wanted: `[...]` in it stands for any types.
    pub name: String,
    /// Offset of its first instruction in the file.
    pub entry: u64,
    /// Offset of an instruction little behind it, where its arguments are still in their registers.
    pub passed: u64,
    /// Offsets of its return instructions in the file.
    pub returns: Vec<u64>,
    /// Where it is seen to be left by each of them, and with what as its first result; offsets in the file.
    pub exits: Vec<Exit>,
    /// Its returns behind what it deferred; offsets in the file.
    pub deferred: Vec<Deferred>,
    /// Offset in the file of an instruction that the kernel imitates, where its stack is as its caller left it.
    pub untouched: Option<u64>,
    /// Its code finds its goroutine in the register that Go's own convention gives it since 1.17.
    pub goroutine_in_register: bool,
}

/// A function of C, and where probes are set at it; offsets in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its name.
    pub name: String,
    /// Where all calls pass with their arguments in registers: at its first instruction, or little behind it.
    pub entry: u64,
    /// Where it is left, and where its result is then.
    pub exits: Vec<Exit>,
    /// Its first instruction, where there are no such places: to be caught by the address that it returns to.
    pub caught: Option<u64>,
}

/// Why functions were not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfound {
    /// Not an ELF file of a 64-bit x86 or ARM processor, or one that is cut.
    NotElf,
    /// It has no table of Go functions.
    NotGo,
    /// The table has a form that is not known here: Go before 1.16, or after what is known.
    Version,
    /// The table contradicts itself or the file.
    Damaged,
    /// The table is larger than the bounds allow.
    TooLarge,
    /// Where the code of Go begins in memory could not be found.
    TextStart,
}

impl fmt::Display for Unfound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotElf => "not an ELF file of x86-64 or ARM64",
            Self::NotGo => "no table of Go functions",
            Self::Version => "a table of Go functions of an unknown version",
            Self::Damaged => "a damaged table of Go functions",
            Self::TooLarge => "too large a table of Go functions",
            Self::TextStart => "the start of Go's code is not known",
        })
    }
}

impl std::error::Error for Unfound {}

/// Those of `wanted` that the program in `file` has; of one that is made for several types, each. Reads only the parts that it needs.
pub fn go_functions(file: &File, wanted: &[&str]) -> Result<Vec<Function>, Unfound> {
    let cache = ReadCache::new(file);
    go_functions_in(&cache, wanted)
}

/// Those functions of C of `wanted` that the program or library in `file` has itself. Reads only the parts that it needs.
pub fn doors(file: &File, wanted: &[&str]) -> Result<Vec<Door>, Unfound> {
    let cache = ReadCache::new(file);
    Ok(Program::read(&cache)?.doors(wanted))
}

/// Those functions of Rust that stand below this module and whose name ends in one of `wanted`, each under that one; of one that
/// was made for several types, all. None in a stripped file. Reads only the parts that it needs.
pub fn rust_functions(file: &File, module: &str, wanted: &[&str]) -> Result<Vec<Door>, Unfound> {
    let cache = ReadCache::new(file);
    Ok(Program::read(&cache)?.rust_doors(module, wanted))
}

/// Those of `wanted` that a program has.
pub fn go_functions_in<'data, R: ReadRef<'data>>(data: R, wanted: &[&str]) -> Result<Vec<Function>, Unfound> {
    let program = Program::read(data)?;
    let table = Table::read(program.table()?)?;
    let found = table.find(wanted)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let text = if table.is_relative() { program.text_start(&table)? } else { 0 };
    found.into_iter().map(|symbol| program.function(symbol, text)).collect()
}
