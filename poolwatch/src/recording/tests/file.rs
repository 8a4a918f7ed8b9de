//! Recordings as files.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use super::{every_kind, header};
use crate::recording::{ReadError, WriteError, Writer, open};

/// A path that nobody uses yet; what is there afterwards is removed.
struct Free(PathBuf);

impl Free {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("poolwatch-{}-{name}.rec", std::process::id())))
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_recording_is_its_owners_alone_and_comes_back() {
    let path = Free::new("whole");
    let mut writer = Writer::create(&path.0, &header()).unwrap();
    for event in every_kind() {
        writer.write(&event).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(std::fs::metadata(&path.0).unwrap().permissions().mode() & 0o777, 0o600);
    let (read_header, events) = open(&path.0).unwrap();
    assert_eq!(read_header, header());
    assert_eq!(events.map(Result::unwrap).collect::<Vec<_>>(), every_kind());
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let (path, link) = (Free::new("existing"), Free::new("link"));
    std::fs::write(&path.0, "precious").unwrap();
    symlink("/nowhere/at/all", &link.0).unwrap();
    for path in [&path.0, &link.0] {
        let error = Writer::create(path, &header()).err().unwrap();
        assert!(matches!(error, WriteError::Exists), "{error:?}");
        assert!(error.to_string().contains("not overwritten"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path.0).unwrap(), "precious");
}

#[test]
fn a_file_that_is_not_there_is_named_as_such() {
    let path = Free::new("missing");
    assert!(matches!(open(&path.0), Err(ReadError::Io(_))));
    assert!(matches!(Writer::create(&path.0.join("below"), &header()), Err(WriteError::Io(_))));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert!(matches!(Writer::new(full, &header()), Err(WriteError::Io(_))));
}
