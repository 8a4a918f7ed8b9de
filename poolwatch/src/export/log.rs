//! Facts that are log lines: a pool's status changed, a process ended, a request was slow.
//!
//! At most one line per pool, process name, or query of a pool in ten seconds (`topics.rs`), judged by `now`
//! alone, each with the number of those it stands for. Slow requests are kept apart, so that they never silence a pool's status.
//! No line holds a literal of SQL: of a query it has the summary and the fingerprint.

mod topics;

use std::{fmt::Write, sync::Arc};

use self::topics::Topics;
use crate::{
    event::{Query, QueryId, Time},
    infer::{
        fact::{Fact, Labels, Status},
        limits,
    },
};

/// Slow queries that are spoken of at once, and so the lines about them in ten seconds; of further ones
/// nothing is said but their number.
const SLOW_TOPICS: usize = 100;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// For the record.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody should act.
    Error,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How loud.
    pub loudness: Loudness,
    /// What happened.
    pub text: String,
    /// Lines about the same thing that were left out before this one.
    pub suppressed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum About {
    Pool(Arc<Labels>, u32),
    Process(String),
    Slow(Arc<Labels>, u32, Option<QueryId>),
}

/// Decides which facts become lines, and when.
#[derive(Debug)]
pub struct LogLines {
    standing: Topics<About>,
    slow: Topics<About>,
}

impl Default for LogLines {
    fn default() -> Self {
        Self { standing: Topics::new(limits::POOLS), slow: Topics::new(SLOW_TOPICS) }
    }
}

impl LogLines {
    /// The lines to write now. To be called with no facts as well while time passes.
    pub fn observe(&mut self, facts: &[Fact], now: Time) -> Vec<Line> {
        for topics in [&mut self.standing, &mut self.slow] {
            topics.pass(now);
        }
        for fact in facts {
            let Some((about, line)) = line_of(fact) else { continue };
            let topics = if matches!(about, About::Slow(..)) { &mut self.slow } else { &mut self.standing };
            topics.hear(about, line, now);
        }
        if self.standing.is_silent() && self.slow.is_silent() {
            return Vec::new();
        }
        let mut lines = self.standing.lines();
        lines.extend(self.slow.lines());
        lines
    }
}

impl Line {
    /// Writes the line to the log.
    pub fn write(&self) {
        let suppressed = self.suppressed;
        match self.loudness {
            Loudness::Info => tracing::info!(suppressed, "{}", self.text),
            Loudness::Warn => tracing::warn!(suppressed, "{}", self.text),
            Loudness::Error => tracing::error!(suppressed, "{}", self.text),
        }
    }
}

fn line_of(fact: &Fact) -> Option<(About, Line)> {
    match fact {
        Fact::StatusChanged { labels, pid, from, to, reason } => {
            let text = format!(
                "pool {} of {} (pid {pid}) is {} (was {}): {reason}",
                labels.pool,
                labels.service,
                word(*to),
                word(*from),
            );
            let loudness = match to {
                Status::Normal => Loudness::Info,
                Status::Warning => Loudness::Warn,
                Status::Critical => Loudness::Error,
            };
            Some((About::Pool(Arc::clone(labels), *pid), Line { loudness, text, suppressed: 0 }))
        }
        Fact::ProcessEnded { pid, name, connections } => {
            let text = format!("process {name} (pid {pid}) ended with {connections} connections open");
            Some((About::Process(name.clone()), Line { loudness: Loudness::Info, text, suppressed: 0 }))
        }
        Fact::Request { labels, pid, query, took: Some(took), rows, slow: true, .. } => {
            let about = About::Slow(Arc::clone(labels), *pid, query.as_ref().map(|query| query.id));
            let text = slow_request(labels, *pid, query.as_deref(), *took, *rows);
            Some((about, Line { loudness: Loudness::Warn, text, suppressed: 0 }))
        }
        _ => None,
    }
}

fn slow_request(labels: &Labels, pid: u32, query: Option<&Query>, took: Time, rows: Option<u32>) -> String {
    let Labels { service, pool, .. } = labels;
    let mut text = format!("slow request of {service} (pid {pid}) in {pool}: {:.1} ms", took as f64 / 1e6);
    // Writing to a string cannot fail. A quoted name may hold a line's end.
    let _ = match rows {
        Some(rows) => write!(text, ", {rows} rows"),
        None => Ok(()),
    };
    let _ = match query {
        Some(Query { id, summary, .. }) => write!(text, ", {} (fingerprint {id})", summary.escape_debug()),
        None => write!(text, ", its query is not known"),
    };
    text
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Normal => "normal",
        Status::Warning => "warning",
        Status::Critical => "critical",
    }
}

#[cfg(test)]
mod tests;
