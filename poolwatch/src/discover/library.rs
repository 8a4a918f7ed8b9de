//! Where a process's pool lends connections, if its library is one that is known here.
//!
//! A process comes in, the functions of its program go out. Programs are large: who asks is answered later, by a
//! thread of its own, which remembers what it found in each program.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use super::{
    Lookup,
    symbols::{Function, go_functions},
};

/// Functions that lend a connection: the receiver is the pool, the first result the connection or nil.
/// <https://github.com/golang/go/blob/go1.26.0/src/database/sql/sql.go>,
/// <https://github.com/jackc/puddle/blob/v2.2.2/pool.go>
pub const LENDERS: [&str; 2] = ["database/sql.(*DB).conn", "github.com/jackc/puddle/v2.(*Pool[...]).Acquire"];
/// Programs that are remembered; with one more, all are forgotten.
const PROGRAMS: usize = 1024;

/// A program: device, inode, size, and change in seconds.
pub type ProgramId = (u64, u64, u64, i64);

/// What was found.
pub struct Found {
    /// The process that was asked about.
    pub pid: u32,
    /// Its program.
    pub program: ProgramId,
    /// Functions that lend; none when no library of it is known.
    pub lenders: Arc<Vec<Function>>,
}

/// Looks for functions.
pub fn lookup() -> Lookup<Found> {
    let mut programs = HashMap::new();
    Lookup::start(move |pid| look(pid, &mut programs))
}

fn look(pid: u32, programs: &mut HashMap<ProgramId, Arc<Vec<Function>>>) -> Option<Found> {
    let file = File::open(format!("/proc/{pid}/exe")).ok()?;
    let program = identity(&file.metadata().ok()?);
    if programs.len() >= PROGRAMS {
        programs.clear();
    }
    let lenders = programs.entry(program).or_insert_with(|| Arc::new(find(pid, &file)));
    Some(Found { pid, program, lenders: Arc::clone(lenders) })
}

/// Go's own convention for registers is needed: older programs are left to other evidence.
fn find(pid: u32, file: &File) -> Vec<Function> {
    match go_functions(file, &LENDERS) {
        Ok(mut functions) => {
            functions.retain(|function| function.goroutine_in_register);
            functions
        }
        Err(reason) => {
            tracing::debug!(pid, %reason, "no functions that lend connections");
            Vec::new()
        }
    }
}

/// The program that a process runs now.
pub fn program(pid: u32) -> Option<ProgramId> {
    std::fs::metadata(format!("/proc/{pid}/exe")).ok().as_ref().map(identity)
}

pub(super) fn identity(file: &Metadata) -> ProgramId {
    (file.dev(), file.ino(), file.size(), file.ctime())
}
