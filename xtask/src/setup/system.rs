//! What the build and the tests need of the system: libclang, headers for libbpf, a PostgreSQL of their
//! own, PgBouncer.
//!
//! The tests start private servers from PostgreSQL's programs; a cluster or service that exists, or
//! that Debian's package creates, is left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Item, State, packages};
use crate::{command, place};

/// The row for the parser of SQL, whose C code the build makes Rust declarations for: libclang, and the
/// headers that are its own.
pub fn libclang_item() -> Item {
    let state = match libclang() {
        Some(directory) => State::Found(directory.display().to_string()),
        None if packages::offered("libclang1-22") => {
            // Of the LLVM that the probes' linker is built on: nothing else of it is needed.
            State::Packages(vec!["libclang1-22".into(), "libclang-common-22-dev".into()])
        }
        None if packages::usable() => State::Packages(vec!["libclang-dev".into()]),
        None => State::Absent("install libclang, or name its directory in LIBCLANG_PATH".into()),
    };
    Item { name: "libclang", state, optional: false }
}

/// Where the library is: `LIBCLANG_PATH`, else below `/usr/lib`, where the build looks by itself.
fn libclang() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LIBCLANG_PATH") {
        return Some(PathBuf::from(named));
    }
    let versions =
        entries(Path::new("/usr/lib")).filter(|entry| named(entry, "llvm-")).map(|d| d.join("lib"));
    let others = ["/usr/lib64", "/usr/lib"].into_iter().map(PathBuf::from);
    versions.chain(others).find(|directory| {
        let library = entries(directory).any(|file| named(&file, "libclang.so") || named(&file, "libclang-"));
        let headers =
            entries(&directory.join("clang")).any(|version| version.join("include/stddef.h").is_file());
        library && headers
    })
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn named(path: &Path, beginning: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(beginning) && !name.starts_with("libclang-cpp"))
}

/// The rows for the demonstration: a server.
pub fn server_item() -> Item {
    let state = match postgres_bin() {
        Some(directory) => State::Found(directory.display().to_string()),
        None => State::Packages(vec!["postgresql".into(), "postgresql-contrib".into()]),
    };
    Item { name: "PostgreSQL with pgbench", state, optional: false }
}

/// The directory of PostgreSQL's programs, the newest where there are several.
pub fn postgres_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, directory)| complete(directory))
        .collect();
    found.sort();
    let asked = || command::answer(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
    found.pop().map(|(_, directory)| directory).or_else(|| asked().filter(|d| complete(d)))
}

fn complete(directory: &Path) -> bool {
    ["postgres", "initdb", "pgbench"].iter().all(|program| directory.join(program).is_file())
}

/// The rows for the tests alone.
pub fn test_items() -> Vec<Item> {
    vec![headers_item(), pgbouncer_item(), vagrant_item()]
}

/// libbpf is built from source by the tests: it needs libelf, zlib, make and pkg-config.
fn headers_item() -> Item {
    let wanted = [
        ("make", place::executable("make").is_some()),
        ("pkg-config", place::executable("pkg-config").is_some()),
        ("libelf-dev", Path::new("/usr/include/libelf.h").is_file()),
        ("zlib1g-dev", Path::new("/usr/include/zlib.h").is_file()),
    ];
    let missing: Vec<String> = wanted.iter().filter(|(_, there)| !there).map(|(p, _)| (*p).into()).collect();
    let state = if missing.is_empty() {
        State::Found("make, pkg-config, libelf.h, zlib.h".into())
    } else {
        State::Packages(missing)
    };
    Item { name: "what libbpf is built with", state, optional: false }
}

/// What `vagrant/` is read with; no machine is started.
fn vagrant_item() -> Item {
    let state = match place::executable("vagrant") {
        Some(file) => State::Found(file.display().to_string()),
        None if packages::offered("vagrant") => State::Packages(vec!["vagrant".into()]),
        None => State::Absent("no package of it: its machines are not looked at".into()),
    };
    Item { name: "Vagrant", state, optional: true }
}

/// Debian's package of PgBouncer would start a service on this machine: it is unpacked, with the two libraries that
/// few machines have.
fn pgbouncer_item() -> Item {
    let home = place::tools().join("pgbouncer");
    let state = match home.join("usr/sbin/pgbouncer") {
        file if file.is_file() => State::Found(file.display().to_string()),
        _ if packages::usable() => State::Steps(vec![unpack_pgbouncer(&home)]),
        _ => State::Absent("no apt: what wants PgBouncer is skipped".into()),
    };
    Item { name: "PgBouncer", state, optional: true }
}

fn unpack_pgbouncer(home: &Path) -> Command {
    let mut unpack = Command::new("sh");
    unpack.arg("-ec").current_dir(place::root()).arg(format!(
        "mkdir -p '{0}' && cd '{0}' && libraries=$(apt-cache depends pgbouncer | \
         sed -n -E 's/.*Depends: (libevent|libc-?ares)/\\1/p') && apt-get download -q pgbouncer $libraries && \
         for package in *.deb; do dpkg-deb --extract \"$package\" .; done",
        home.display()
    ));
    unpack
}
