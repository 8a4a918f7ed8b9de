//! The rules of the house that neither compiler nor clippy knows.
//!
//! In come the workspace's files, out come findings with file and line; one finding fails the check.
//! Each rule is a file with its own small fixtures. Nothing is ever rewritten.

mod coverage;
mod files;
mod metrics;
mod reserved;
mod shape;
mod source;
mod walls;

use anyhow::{Result, bail};

use self::source::Source;
use crate::place;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

/// Checks every rule; an error when one is broken.
pub fn tidy() -> Result<()> {
    println!("+ cargo xtask tidy");
    let files = files::all(&place::root())?;
    let sources: Vec<&Source> = files.iter().filter(|file| file.is_rust()).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for source in &sources {
        findings.extend(shape::check(source));
        findings.extend(walls::check(source));
        findings.extend(reserved::check(source));
    }
    findings.extend(metrics::check(&files));
    findings.extend(coverage::check(&files));
    for Finding { path, line, what } in &findings {
        println!("{path}:{line}: {what}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {} files of Rust", findings.len(), sources.len());
    }
    println!("  {} files of Rust are tidy", sources.len());
    Ok(())
}
