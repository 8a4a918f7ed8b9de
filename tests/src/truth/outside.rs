//! What poolwatch says of a rig: samples of the live agent while it records, then a replay of what it recorded.
//!
//! In comes a process number; out come samples with the moment that each speaks of, and the figures of the whole
//! recording. A value that the agent does not give stays `None`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch::{
    infer::{Core, fact::Fact},
    recording,
};
use tempfile::TempDir;

use super::books::quantile;
use crate::{
    agent::{Agent, command},
    clock::{self, Deadline},
    place,
    pools::Pool,
    process::{self, TERMINATE},
};

/// Ten answers a second.
pub const STEP: Duration = Duration::from_millis(100);

/// An agent that records one process.
pub struct Watch {
    agent: Agent,
    pid: u32,
    directory: TempDir,
}

/// One answer of the live agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The moment that it speaks of, nanoseconds of `CLOCK_MONOTONIC`.
    pub at: i128,
    /// The pools of the process.
    pub pools: Vec<PoolSample>,
}

impl Sample {
    /// The one pool; `None` when there is none, or several.
    pub fn pool(&self) -> Option<&PoolSample> {
        match self.pools.as_slice() {
            [pool] => Some(pool),
            _ => None,
        }
    }
}

/// How a pool stood.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSample {
    /// Where it leads, where that is known.
    pub database: Option<String>,
    /// Used connections.
    pub used: u32,
    /// Its limit, where known.
    pub max: Option<u32>,
    /// Where the limit is from.
    pub max_source: Option<String>,
    /// Waiting borrowers, where there is evidence: how many, by which method, how far to trust it.
    pub pending: Option<(f64, String, f64)>,
    /// Method and confidence of the waits.
    pub waits: Option<(String, f64)>,
}

/// What the page says when the load is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// The integral of the waiting count, in seconds.
    pub pending_seconds: Option<f64>,
    /// Leases whose wait is known.
    pub waits: Option<f64>,
    /// Borrowers that gave up.
    pub timeouts: Option<f64>,
    /// Events that the agent knows it missed.
    pub lost: f64,
}

/// Figures of the whole recording, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// Leases whose wait is known.
    pub count: f64,
    /// Mean.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Method.
    pub evidence: String,
    /// From 0 to 1.
    pub confidence: f64,
}

impl Whole {
    /// Of these waits in seconds, by what was said of them last; `None` without either.
    pub fn of(mut waits: Vec<f64>, said: Option<(String, f64)>) -> Option<Self> {
        waits.sort_by(f64::total_cmp);
        let (evidence, confidence) = said?;
        let count = waits.len() as f64;
        Some(Self {
            count,
            mean: waits.iter().sum::<f64>() / count,
            p95: quantile(&waits, 0.95)?,
            p99: quantile(&waits, 0.99),
            evidence,
            confidence,
        })
    }
}

impl Watch {
    /// Starts to record the process, and waits until the agent is ready. `more` are further options.
    pub fn start(pid: u32, more: &[&str]) -> Result<Self> {
        let directory = place::scratch()?;
        let file = directory.path().join("run.rec");
        let pid_text = pid.to_string();
        let mut arguments =
            vec!["record", "-o", file.to_str().context("a path in UTF-8")?, "--pid", &pid_text];
        arguments.extend(more);
        let agent = Agent::start(arguments)?;
        Ok(Self { agent, pid, directory })
    }

    /// Samples until told to stop.
    pub fn watch(&self, stop: impl Fn() -> bool) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let mut due = Deadline::after(STEP);
        while !stop() {
            samples.push(self.sample()?);
            clock::pause(due.left());
            due = Deadline::after(STEP);
        }
        Ok(samples)
    }

    /// One sample.
    pub fn sample(&self) -> Result<Sample> {
        let pools = self.agent.pools()?;
        let of_process = pools.pools.iter().filter(|pool| pool.process.pid == self.pid);
        Ok(Sample { at: pools.at()? - clock::offset(), pools: of_process.map(PoolSample::from).collect() })
    }

    /// The agent, to ask it more.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What the page says now.
    pub fn totals(&self) -> Result<Totals> {
        let page = self.agent.metrics()?;
        let name = "poolwatch_pool_pending_request_seconds_total";
        let one = |name: &str| page.matching(name, &[]).map(|sample| sample.value).reduce(|a, b| a + b);
        Ok(Totals {
            pending_seconds: one(name),
            waits: one("db_client_connection_wait_time_seconds_count"),
            timeouts: one("db_client_connection_timeouts_total"),
            lost: page.sum("poolwatch_events_lost_total", &[]),
        })
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Result<Recording> {
        let code = self.agent.stop(TERMINATE)?;
        ensure!(code == 0, "the agent ended with {code}:\n{}", self.agent.errors());
        Ok(Recording { file: self.directory.path().join("run.rec"), _directory: self.directory })
    }
}

impl From<&Pool> for PoolSample {
    fn from(pool: &Pool) -> Self {
        Self {
            database: pool.server.database.clone(),
            used: pool.connections.used,
            max: pool.max.as_ref().map(|max| max.value),
            max_source: pool.max.as_ref().map(|max| max.source.clone()),
            pending: pool.pending.as_ref().map(|p| (p.value, p.evidence.clone(), p.confidence)),
            waits: pool.wait_seconds.as_ref().map(|waits| (waits.evidence.clone(), waits.confidence)),
        }
    }
}

/// A finished recording; removed when dropped.
pub struct Recording {
    /// The file.
    pub file: PathBuf,
    _directory: TempDir,
}

impl Recording {
    /// The same inference in this process: every wait that it tells of, and what it says of them at its end.
    pub fn told(&self, pid: u32) -> Result<Option<Whole>> {
        let (header, events) = recording::open(&self.file)?;
        let (mut core, mut facts, mut waits) = (Core::new(header.settings), Vec::new(), Vec::new());
        let mut now = 0;
        for event in events {
            let event = event?;
            now = event.at().unwrap_or(now);
            core.apply(&event, &mut facts);
            waits.extend(facts.drain(..).filter_map(|fact| match fact {
                Fact::Waited { took, .. } => Some(took as f64 / 1e9),
                _ => None,
            }));
        }
        let snapshot = core.snapshot(now);
        let pool = snapshot.pools.iter().find(|pool| pool.process.id.pid == pid);
        let said = pool.and_then(|pool| pool.waits).map(|said| (said.evidence.to_owned(), said.confidence));
        Ok(Whole::of(waits, said))
    }

    /// What the replay's summary says of the waits of the process's pool; `None` when it says nothing.
    pub fn whole(&self, pid: u32) -> Result<Option<Whole>> {
        let mut replay = command()?;
        replay.arg("replay").arg(&self.file).arg("--summary");
        let answer = process::run("poolwatch replay", &mut replay, Duration::from_mins(2))?;
        let summary = answer.success("poolwatch replay")?;
        whole(&summary, pid).with_context(|| format!("the summary:\n{summary}"))
    }
}

/// The line `  waits: …` that follows the line of the process's pool.
fn whole(summary: &str, pid: u32) -> Result<Option<Whole>> {
    let owner = format!("(pid {pid})");
    let mut lines = summary.lines().skip_while(|line| !line.contains(&owner)).skip(1);
    let told = lines.find_map(|line| line.trim_start().strip_prefix("waits: "));
    told.map(figures).transpose()
}

/// `1963 known, mean 0.005123 s, p95 0.031 s, p99 0.055 s, evidence causal, confidence 0.91`
fn figures(text: &str) -> Result<Whole> {
    let fields: Vec<Vec<&str>> =
        text.split([',', ';']).map(|field| field.split_whitespace().collect()).collect();
    let value = |name: &str| {
        fields.iter().find_map(|field| match field.as_slice() {
            [first, value, ..] if *first == name => Some(*value),
            _ => None,
        })
    };
    let number = |name: &str| -> Result<f64> {
        value(name).with_context(|| format!("no {name}: {text}"))?.parse().with_context(|| text.to_owned())
    };
    let count = fields.first().and_then(|field| field.first()).context("how many")?;
    Ok(Whole {
        count: count.parse().with_context(|| text.to_owned())?,
        mean: number("mean")?,
        p95: number("p95")?,
        p99: value("p99").and_then(|p99| p99.parse().ok()),
        evidence: value("evidence").context("no evidence")?.to_owned(),
        confidence: number("confidence")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_one_process() {
        let summary = "9 events in 1.0 s\n\
            a@b of x (pid 7): 1 used\n  waits: 3 known, mean 1 s, p95 2 s, evidence none, confidence 1\n\
            a@b of y (pid 8): 1 used\n  \
            waits: 12 known, mean 0.005 s, p95 0.030 s, p99 0.5 s, evidence causal, confidence 0.91\n";
        let found = whole(summary, 8).unwrap().unwrap();
        assert!((found.count - 12.0).abs() < 1e-9 && (found.p95 - 0.03).abs() < 1e-9);
        assert_eq!((found.evidence.as_str(), found.p99), ("causal", Some(0.5)));
        assert_eq!(whole(summary, 9).unwrap(), None);
        assert_eq!(whole("a (pid 9): 1 used\n", 9).unwrap(), None);
    }
}
