//! Rows for the table of what is counted: each test leaves its own in `target/coverage`, as JSON.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::place;

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Part of the table.
    pub section: &'static str,
    /// Who or what.
    pub row: String,
    /// What the server counted.
    pub server: u64,
    /// What poolwatch counted.
    pub poolwatch: u64,
    /// `exact`, or `detected, not counted`.
    pub verdict: &'static str,
    /// What else is to be said.
    pub note: String,
}

impl Row {
    /// Leaves it for whoever makes the table.
    pub fn leave(&self, name: &str) -> Result<()> {
        let directory = place::target()?.join("coverage");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let file = directory.join(format!("{}-{name}.json", self.section));
        fs::write(&file, serde_json::to_string(self)?).with_context(|| file.display().to_string())
    }
}
