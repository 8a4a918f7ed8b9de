//! Reads the files that the rules are about.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::source::Source;
use crate::place;

/// Endings of files that are read.
const READ: [&str; 5] = ["rs", "md", "yml", "yaml", "json"];
/// Directories of other people's files.
const FOREIGN: [&str; 2] = ["node_modules", "target"];

/// Every file of ours below the root, in a stable order.
pub fn all(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type()?.is_dir() {
            let foreign =
                FOREIGN.contains(&name.as_str()) || name.starts_with('.') || path == place::target();
            if !foreign {
                collect(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|ending| READ.iter().any(|known| ending == *known)) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
    Ok(())
}
