//! A file as it is shipped, with nothing replaced but what a test must.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::place;

/// The text of one.
#[derive(Clone, Debug)]
pub struct Shipped {
    path: PathBuf,
    text: String,
}

/// Where a file or folder of the project is.
pub fn file(path: &str) -> PathBuf {
    place::here().parent().unwrap_or_else(|| place::here()).join(path)
}

impl Shipped {
    /// The file of this path below the project's root.
    pub fn read(path: &str) -> Result<Self> {
        let path = file(path);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, text })
    }

    /// Replaces something that must be there: an example that has changed is not taken for what it was.
    pub fn with(mut self, theirs: &str, ours: &str) -> Result<Self> {
        ensure!(self.text.contains(theirs), "{} has no {theirs:?}", self.path.display());
        self.text = self.text.replace(theirs, ours);
        Ok(self)
    }

    /// As it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it.
    pub fn leave(&self, file: &Path) -> Result<()> {
        fs::write(file, &self.text).with_context(|| file.display().to_string())
    }
}
