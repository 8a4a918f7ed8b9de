//! Which TLS libraries a process has mapped, and where their functions are that take and hand over plaintext.
//!
//! A process comes in, files and places in them go out. Libraries bear any name and may be part of the program itself, so
//! whatever is mapped to be executed is asked for the functions by their own names. That is answered later, by a thread of its
//! own, which remembers what it found in each file. Programs in Rust have rustls in them, and its names only while they are not
//! stripped.

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
    symbols::{Door, Unfound, doors, go_functions, rust_functions},
};

/// A function that takes or hands over plaintext, and the probes that are set at it.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Its name, in Rust the part of it that all versions have in common.
    pub function: &'static str,
    /// At its entry.
    pub entered: Option<&'static str>,
    /// Where its result stands, and the same by the address that it returns to.
    pub done: Option<[&'static str; 2]>,
}

const C: Option<[&str; 2]> = Some(["plain_done", "plain_returned"]);
const RUST: Option<[&str; 2]> = Some(["plain_rust_done", "plain_rust_returned"]);
const SHOWN: Option<[&str; 2]> = Some(["plain_rust_shown", "plain_rust_shown_returned"]);
/// Go's stacks move: nothing is caught by the address that it returns to.
const IN_GO: Option<[&str; 2]> = Some(["plain_go_done", ""]);

/// Functions of OpenSSL, and of all that look like it, of GnuTLS, of Go's own library, and of rustls.
pub const WAYS: [Way; 15] = [
    Way { function: "SSL_read", entered: Some("plain_read"), done: C },
    Way { function: "SSL_read_ex", entered: Some("plain_read_ex"), done: C },
    Way { function: "SSL_write", entered: Some("plain_write"), done: C },
    Way { function: "SSL_write_ex", entered: Some("plain_write_ex"), done: C },
    Way { function: "SSL_free", entered: Some("plain_freed"), done: None },
    Way { function: "gnutls_record_recv", entered: Some("plain_read"), done: C },
    Way { function: "gnutls_record_send", entered: Some("plain_write"), done: C },
    Way { function: "gnutls_deinit", entered: Some("plain_freed"), done: None },
    Way { function: GO[0], entered: Some("plain_go_read"), done: IN_GO },
    Way { function: GO[1], entered: Some("plain_go_write"), done: IN_GO },
    Way { function: RUSTLS[0], entered: Some("plain_rust_write"), done: RUST },
    Way { function: RUSTLS[1], entered: Some("plain_rust_gather"), done: RUST },
    Way { function: RUSTLS[2], entered: Some("plain_rust_read"), done: RUST },
    Way { function: RUSTLS[3], entered: None, done: SHOWN },
    Way { function: RUSTLS[4], entered: Some("plain_rust_consume"), done: None },
];
/// Functions without which a library is of no use here: all of one of these.
const NEEDED: [&[&str]; 4] = [
    &["SSL_read", "SSL_write"],
    &["gnutls_record_recv", "gnutls_record_send"],
    &[RUSTLS[0], RUSTLS[2]],
    &[RUSTLS[0], RUSTLS[3], RUSTLS[4]],
];
/// Source: <https://github.com/golang/go/blob/go1.26.0/src/crypto/tls/conn.go>.
const GO: [&str; 2] = ["crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write"];
/// What each of them defers last, and with how many others it is called before most returns. Before Go 1.21 it bears
/// another name, and each return is probed.
const DEFERRED: [(&str, usize); 2] =
    [("crypto/tls.(*Conn).Read.deferwrap1", 1), ("crypto/tls.(*Conn).Write.deferwrap2", 2)];
/// What writes is one for all that a program may call: a `Writer` hands on to it. It reads by `Reader::read`, which copies, or by
/// the two others; `fill_buf` is the first of them.
/// Source: <https://github.com/rustls/rustls/blob/v/0.23.46/rustls/src/conn.rs>.
const RUSTLS: [&str; 5] = [
    "PlaintextSink::write",
    "PlaintextSink::write_vectored",
    "Reader as std::io::Read::read",
    "Reader::into_first_chunk",
    "Reader as std::io::BufRead::consume",
];
/// Where they stand; older versions have no deeper one.
const MODULE: &str = "rustls::conn::";
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
    let found = in_c(file).map(|found| if found.is_empty() { in_go(file) } else { found });
    let found =
        found.and_then(|found| Ok([found, complete(rust_functions(file, MODULE, &RUSTLS)?)].concat()));
    found.unwrap_or_else(|reason| {
        tracing::debug!(path = %path.display(), %reason, "no functions of a TLS library");
        Vec::new()
    })
}

fn in_c(file: &File) -> Result<Vec<Door>, Unfound> {
    let names: Vec<&str> = WAYS.iter().map(|way| way.function).collect();
    doors(file, &names).map(complete)
}

/// What was found, unless it is no more than a part of a library.
fn complete(found: Vec<Door>) -> Vec<Door> {
    let has = |name: &&str| found.iter().any(|door| door.name == *name);
    if NEEDED.iter().any(|needed| needed.iter().all(has)) { found } else { Vec::new() }
}

/// Go's own convention for registers is needed: older programs are left to turns.
fn in_go(file: &File) -> Vec<Door> {
    let wanted = [GO[0], GO[1], DEFERRED[0].0, DEFERRED[1].0];
    let found = go_functions(file, &wanted).unwrap_or_default();
    let named =
        |name: &str| found.iter().find(|function| function.name == name && function.goroutine_in_register);
    let door = |(name, (last, calls)): (&str, (&str, usize))| {
        let function = named(name)?;
        let last = found.iter().find(|function| function.name == last);
        let exits = function.left_by(last, calls);
        Some(Door { name: name.to_owned(), entry: function.passed, exits, caught: None })
    };
    GO.into_iter().zip(DEFERRED).map(door).collect::<Option<_>>().unwrap_or_default()
}
