//! Files by the paths that a process itself would use: below its own root and working directory.
//!
//! A process and a path come in, the head of a regular file goes out. A link cannot lead out of the process's
//! root, and nothing is opened that could block or that is not a file: the path is somebody else's text.

use std::{fs::File, io::Read};

use procfs::process::Process;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::PROCESS_BYTES;

/// The head of a file; `None` when it is not there, not a file, or may not be read.
pub(super) fn read(process: &Process, path: &str) -> Option<String> {
    // A relative path is taken only downwards: what lies above the working directory is not known here.
    let (base, resolve) =
        if path.starts_with('/') { ("root", ResolveFlags::IN_ROOT) } else { ("cwd", ResolveFlags::BENEATH) };
    let base = process.open_relative(base).ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(&base, path, flags, Mode::empty(), resolve).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(PROCESS_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;
    use crate::discover::{process, tests::Directory};

    fn own() -> Process {
        process::open(std::process::id()).unwrap()
    }

    #[test]
    fn files_are_found_by_absolute_and_by_linked_paths() {
        let directory = Directory::new();
        fs::write(directory.0.join("a.ini"), "text").unwrap();
        symlink("a.ini", directory.0.join("linked.ini")).unwrap();
        for name in ["a.ini", "linked.ini"] {
            let path = directory.0.join(name);
            assert_eq!(read(&own(), path.to_str().unwrap()).as_deref(), Some("text"), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let directory = Directory::new();
        let pipe = directory.0.join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [
            pipe.to_str().unwrap(),
            directory.0.to_str().unwrap(),
            "/dev/zero",
            "/nowhere",
            "/proc/self/root",
        ] {
            assert_eq!(read(&own(), path), None, "{path}");
        }
        assert_eq!(read(&own(), "../etc/hostname"), None);
    }
}
