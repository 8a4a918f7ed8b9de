//! Which TLS libraries a process has mapped, and where their functions are that take and hand over plaintext.
//!
//! A process comes in, files and places in them go out. Libraries bear any name and may be part of the program itself, so
//! whatever is mapped to be executed is asked for the functions by their own names. That is answered later, by a thread of its
//! own, which remembers what it found in each file.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use procfs::process::{MMPermissions, MMapPath, MemoryMap};

use super::{
    Lookup,
    library::{ProgramId, identity},
    process,
    symbols::{Door, Function, doors, go_functions},
};

/// Functions of OpenSSL, and of all that look like it, and of Go's own library, with the probes at their entry and end.
pub const DOORS: [(&str, &str, &str); 7] = [
    ("SSL_read", "plain_read", "plain_done"),
    ("SSL_read_ex", "plain_read_ex", "plain_done"),
    ("SSL_write", "plain_write", "plain_done"),
    ("SSL_write_ex", "plain_write_ex", "plain_done"),
    ("SSL_free", "plain_freed", "plain_done"),
    (GO[0], "plain_go_read", "plain_go_done"),
    (GO[1], "plain_go_write", "plain_go_done"),
];
/// Functions without which a library is of no use here.
const NEEDED: [&str; 2] = ["SSL_read", "SSL_write"];
/// Source: <https://github.com/golang/go/blob/go1.26.0/src/crypto/tls/conn.go>.
const GO: [&str; 2] = ["crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write"];
/// Files that are remembered; with one more, all are forgotten.
const FILES: usize = 4096;
/// Mapped files that are looked at in one process.
const MAPPED: usize = 1024;
/// Libraries of one process.
const LIBRARIES: usize = 4;

/// A library, or a program that has one in it.
#[derive(Clone, Debug)]
pub struct Library {
    /// The file as the process sees it.
    pub file: PathBuf,
    /// Its functions.
    pub doors: Arc<Vec<Door>>,
    /// It is Go's own.
    pub go: bool,
}

/// What was found.
pub struct Found {
    /// The process that was asked about.
    pub pid: u32,
    /// Its program.
    pub program: ProgramId,
    /// Libraries; none when no function of theirs is known.
    pub libraries: Vec<Library>,
}

/// Looks for libraries.
pub fn lookup() -> Lookup<Found> {
    let mut files = HashMap::new();
    Lookup::start(move |pid| look(pid, &mut files))
}

fn look(pid: u32, files: &mut HashMap<ProgramId, Arc<Vec<Door>>>) -> Option<Found> {
    let process = process::open(pid).ok()?;
    let program = super::library::program(pid)?;
    let mut seen = BTreeSet::new();
    let mut libraries = Vec::new();
    let executed = |map: &MemoryMap| map.perms.contains(MMPermissions::EXECUTE) && map.inode != 0;
    for map in process.maps().ok()?.into_iter().filter(executed) {
        if seen.len() >= MAPPED || libraries.len() >= LIBRARIES {
            break;
        }
        if !seen.insert((map.dev, map.inode)) {
            continue;
        }
        let Some((path, file)) = open(pid, &map) else { continue };
        let Ok(metadata) = file.metadata() else { continue };
        if files.len() >= FILES {
            files.clear();
        }
        let doors = files.entry(identity(&metadata)).or_insert_with(|| Arc::new(find(&path, &file)));
        if !doors.is_empty() {
            let go = doors.iter().any(|door| GO.contains(&door.name.as_str()));
            libraries.push(Library { file: path, doors: Arc::clone(doors), go });
        }
    }
    Some(Found { pid, program, libraries })
}

/// The file behind a mapping: by the mapping itself, which leads to deleted and replaced ones, too, or else by its name below
/// the process's own root.
fn open(pid: u32, map: &MemoryMap) -> Option<(PathBuf, File)> {
    let MMapPath::Path(name) = &map.pathname else { return None };
    let (start, end) = map.address;
    let mapped = PathBuf::from(format!("/proc/{pid}/map_files/{start:x}-{end:x}"));
    let named = Path::new("/proc").join(pid.to_string()).join("root").join(name.strip_prefix("/").ok()?);
    [mapped, named].into_iter().find_map(|path| {
        let file = File::open(&path).ok()?;
        file.metadata().ok()?.is_file().then_some((path, file))
    })
}

fn find(path: &Path, file: &File) -> Vec<Door> {
    let names: Vec<&str> = DOORS.iter().map(|(name, ..)| *name).collect();
    match doors(file, &names) {
        Ok(doors) if NEEDED.iter().all(|needed| doors.iter().any(|door| door.name == *needed)) => doors,
        Ok(_) => in_go(file),
        Err(reason) => {
            tracing::debug!(path = %path.display(), %reason, "no functions of a TLS library");
            Vec::new()
        }
    }
}

/// Go's own convention for registers is needed: older programs are left to turns.
fn in_go(file: &File) -> Vec<Door> {
    let found = go_functions(file, &GO).unwrap_or_default();
    let known = found.len() == GO.len() && found.iter().all(|function| function.goroutine_in_register);
    let door = |function: Function| Door {
        name: function.name,
        entry: function.passed,
        returns: function.returns,
        caught: None,
    };
    if known { found.into_iter().map(door).collect() } else { Vec::new() }
}
