//! One row of `docs/accuracy.md`: what was true, what poolwatch said. Each run leaves its own in `target/accuracy`,
//! as JSON, for whoever makes the table.

use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::place;

/// One run. Waits are in seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    /// Server and pool.
    pub rig: String,
    /// What was asked for.
    pub mix: String,
    /// How hard.
    pub level: String,
    /// Mean length of a query in milliseconds.
    pub ms: f64,
    /// The pool's limit.
    pub pool: u32,
    /// Of the random numbers.
    pub seed: u64,
    /// The pool's connections were encrypted, and only their turns were looked at.
    #[serde(default)]
    pub turns: bool,
    /// What a borrower costs on top of what it asks for, in milliseconds.
    pub overhead: f64,
    /// By the rig's own books.
    pub truth: Measured,
    /// By poolwatch.
    pub seen: Estimate,
    /// Targets that are missed, in words.
    pub missed: Vec<String>,
}

/// What was true.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Length of the load.
    pub seconds: f64,
    /// Borrowers that had a connection.
    pub count: usize,
    /// Borrowers that gave up.
    pub timeouts: usize,
    /// Mean wait.
    pub mean: f64,
    /// Its 95th percentile.
    pub p95: f64,
    /// Its 99th percentile.
    pub p99: f64,
    /// Mean of the waiting count over time.
    pub pending: f64,
    /// Most that waited.
    pub pending_most: usize,
    /// Mean of the used count over time.
    pub used: f64,
}

/// What poolwatch said; `None` where it said nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Estimate {
    /// How many samples were taken.
    pub samples: usize,
    /// Leases whose wait is known.
    pub count: Option<f64>,
    /// Mean wait.
    pub mean: Option<f64>,
    /// Its 95th percentile.
    pub p95: Option<f64>,
    /// Its 99th percentile.
    pub p99: Option<f64>,
    /// Borrowers that gave up.
    pub timeouts: Option<f64>,
    /// The integral of the waiting count over the borrowers that were served: the mean wait once more.
    pub integral: Option<f64>,
    /// Mean of the sampled waiting counts.
    pub pending: Option<f64>,
    /// Mean absolute error of the waiting count.
    pub pending_error: Option<f64>,
    /// Mean of the sampled used counts.
    pub used: Option<f64>,
    /// Mean absolute error of the used count.
    pub used_error: Option<f64>,
    /// Of the samples at which nobody waited, the share that says so.
    pub zero_share: Option<f64>,
    /// The pool's limit.
    pub max: Option<u32>,
    /// Where that is from.
    pub max_source: Option<String>,
    /// Method of the waits.
    pub evidence: String,
    /// Method of the count.
    pub pending_evidence: String,
    /// Of the waits.
    pub confidence: Option<f64>,
    /// Of the count, the median over samples.
    pub pending_confidence: Option<f64>,
    /// Events that the agent knows it missed.
    pub lost: f64,
}

impl Row {
    /// Leaves it, under this name, for whoever makes the table.
    pub fn leave(&self, name: &str) -> Result<()> {
        let directory = place::target()?.join("accuracy");
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let file = directory.join(format!("{name}.json"));
        fs::write(&file, serde_json::to_string(self)?).with_context(|| file.display().to_string())
    }

    /// A run of this name has left its row.
    pub fn is_left(name: &str) -> bool {
        place::target().is_ok_and(|target| target.join(format!("accuracy/{name}.json")).exists())
    }

    /// All rows that runs have left.
    pub fn all() -> Result<Vec<Self>> {
        let directory = place::target()?.join("accuracy");
        let mut rows = Vec::new();
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let file = entry?.path();
            let text = fs::read_to_string(&file)?;
            rows.push(serde_json::from_str(&text).with_context(|| file.display().to_string())?);
        }
        Ok(rows)
    }

    /// Whose pool, and how it was looked at if not at what is said.
    pub fn who(&self) -> String {
        if self.turns { format!("{}, TLS", self.rig) } else { self.rig.clone() }
    }

    /// One line for whoever watches.
    pub fn line(&self) -> String {
        let Self { mix, level, ms, pool, truth, seen, .. } = self;
        let rig = self.who();
        let ms_of = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |s| format!("{:.2}", s * 1e3));
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        format!(
            "{rig:<16} {mix} {level:<7} {ms:>2} ms pool {pool:>2}: {:>5} leases, used {:.2}; wait mean {:.2} ({}) p95 {:.2} ({}) ms; \
             waiting {:.2} ({}, MAE {}), used MAE {}; max {:?}; {} {} / {} {}; lost {}",
            truth.count,
            truth.used,
            truth.mean * 1e3,
            ms_of(seen.mean),
            truth.p95 * 1e3,
            ms_of(seen.p95),
            truth.pending,
            number(seen.pending),
            number(seen.pending_error),
            number(seen.used_error),
            seen.max,
            seen.evidence,
            number(seen.confidence),
            seen.pending_evidence,
            number(seen.pending_confidence),
            seen.lost
        )
    }
}
