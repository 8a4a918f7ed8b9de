//! A row of the coverage table, kept as a file until all tests have run.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use poolwatch_tests::{place, postgres::Way};
use serde::Serialize;

/// What a row is expected to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Each request, error and connection is counted.
    Exact,
    /// Nothing is counted, since it belongs to no pool.
    NoPool,
    /// Some bytes are not shown: that is counted as such, and no wrong number comes of it.
    Unread,
    /// The rest of the connection is not shown: its process is told to be blind for this reason.
    Blind(&'static str),
}

/// One row of the test's own list.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What the table calls it.
    pub item: &'static str,
    /// What the raw client calls it.
    pub case: &'static str,
    /// Ways to the server.
    pub ways: &'static [Way],
    /// Role whose members the server asks for a password in its way.
    pub group: Option<&'static str>,
    /// What it should come to.
    pub expected: Expected,
    /// Tiers of probes that can.
    pub tiers: &'static [&'static str],
    /// What to say beside it.
    pub note: &'static str,
}

/// Both tiers of probes.
pub const TIERS: [&str; 2] = ["sock", "syscall"];
/// Both kinds of socket.
pub const BOTH: &[Way] = &[Way::Tcp4, Way::Unix];
/// Where only TCP can do it.
pub const TCP: &[Way] = &[Way::Tcp4];

/// Where only UNIX sockets do it.
pub const UNIX: &[Way] = &[Way::Unix];

impl Row {
    /// A row that is exact over both kinds of socket.
    pub const fn exact(item: &'static str, case: &'static str) -> Self {
        Self { item, case, ways: BOTH, group: None, expected: Expected::Exact, tiers: &TIERS, note: "" }
    }

    /// Over these ways alone.
    pub const fn over(self, ways: &'static [Way]) -> Self {
        Self { ways, ..self }
    }

    /// In these tiers alone.
    pub const fn tiers(self, tiers: &'static [&'static str]) -> Self {
        Self { tiers, ..self }
    }

    /// With a login of this kind.
    pub const fn login(self, group: &'static str) -> Self {
        Self { group: Some(group), ..self }
    }

    /// With this to say.
    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// With another expectation.
    pub const fn expect(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

/// A row as `cargo xtask coverage` reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Heading of the table.
    pub section: &'static str,
    /// The item.
    pub row: String,
    /// Kind of socket.
    pub way: &'static str,
    /// Tier of probes.
    pub tier: &'static str,
    /// What the server counted.
    pub server: String,
    /// What poolwatch counted.
    pub poolwatch: String,
    /// `exact`, `detected, not counted`, or what is wrong.
    pub verdict: String,
    /// More about it.
    pub note: String,
}

impl Line {
    /// Keeps it.
    pub fn keep(&self) -> Result<()> {
        let directory: PathBuf = place::target()?.join("coverage");
        fs::create_dir_all(&directory)?;
        let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String =
            format!("framing {} {} {}", self.row, self.way, self.tier).chars().map(letters).collect();
        let path = directory.join(format!("{name}.json"));
        fs::write(&path, serde_json::to_string_pretty(self)?).with_context(|| path.display().to_string())
    }
}
