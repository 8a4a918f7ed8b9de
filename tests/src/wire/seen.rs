//! What the agent saw of a run: its recording and its page of queries in, statements and requests by its own
//! count out.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use poolwatch::{
    event::{Event, Outcome, RequestKind, SocketId},
    recording,
};

use serde_json::Value;

use super::books::Calls;

/// One request, as its client could have measured it.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// First byte sent, nanoseconds of `CLOCK_MONOTONIC`.
    pub started: i128,
    /// `ReadyForQuery` read.
    pub ended: i128,
}

/// `/api/v1/queries`.
#[derive(Debug, Default)]
pub struct Queries {
    /// Statements that completed, by fingerprint.
    pub completed: Calls,
    /// Those without one.
    pub others: u64,
    /// Statements that failed, of all.
    pub failed: u64,
    /// Executes that continued a portal, of all.
    pub resumed: u64,
}

impl Queries {
    /// Reads the page.
    pub fn read(page: &Value) -> Result<Self> {
        let mut read = Self::default();
        let part =
            |of: &'_ Value, name: &str| of.get(name).cloned().with_context(|| format!("{name} of {of}"));
        for query in part(page, "queries")?.as_array().context("a list of queries")? {
            let name = part(query, "fingerprint")?;
            let name = name.as_str().context("a fingerprint is text")?;
            let completed = read.add(&part(query, "statements")?)?;
            if completed > 0 {
                *read.completed.entry(name.to_owned()).or_default() += completed;
            }
        }
        read.others = read.add(&part(&part(page, "other")?, "statements")?)?;
        Ok(read)
    }

    /// Adds what ended otherwise; what completed is returned.
    fn add(&mut self, statements: &Value) -> Result<u64> {
        let number = |name: &str| {
            let number = statements.get(name).and_then(Value::as_u64);
            number.with_context(|| format!("{name} of {statements}"))
        };
        self.failed += number("failed")?;
        self.resumed += number("resumed")?;
        number("completed")
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Statements that completed, by fingerprint.
    pub completed: Calls,
    /// Statements that completed, of unknown text: the empty ones.
    pub unknown: u64,
    /// Statements that failed.
    pub failed: u64,
    /// Executes that continued a portal.
    pub resumed: u64,
    /// Answered requests, without startups.
    pub requests: u64,
    /// Records lost, by place.
    pub lost: BTreeMap<String, u64>,
    /// Records that could not be read, by reason.
    pub unparsed: BTreeMap<String, u64>,
    /// Summaries by fingerprint.
    pub summaries: BTreeMap<String, String>,
    /// Connections.
    pub connections: u64,
    /// Requests whose start was seen, in the order of their ends.
    pub timed: Vec<Timed>,
}

impl Seen {
    /// Reads a recording of one program's connections to one database, or to any.
    pub fn read(file: &Path, database: Option<&str>) -> Result<Self> {
        let (_, events) = recording::open(file).with_context(|| file.display().to_string())?;
        let mut seen = Self::default();
        let mut sockets: BTreeMap<SocketId, bool> = BTreeMap::new();
        for event in events {
            let event = event?;
            match &event {
                Event::Startup { socket, database: named, .. } => {
                    let ours = database.is_none_or(|wanted| named == wanted);
                    seen.connections += u64::from(ours && sockets.insert(*socket, ours) != Some(ours));
                }
                Event::Open { socket, .. } if database.is_none() => {
                    seen.connections += 1;
                    sockets.insert(*socket, true);
                }
                _ => {}
            }
            seen.apply(event, |socket| sockets.get(&socket).copied().unwrap_or(false));
        }
        Ok(seen)
    }

    /// All that completed, the empty ones left out.
    pub fn calls(&self) -> u64 {
        self.completed.values().sum()
    }

    fn apply(&mut self, event: Event, ours: impl Fn(SocketId) -> bool) {
        match event {
            Event::Query(query) => {
                self.summaries.insert(query.id.to_string(), query.summary);
            }
            Event::Statement(statement) if ours(statement.socket) => {
                self.resumed += u64::from(statement.resumed);
                match (statement.outcome, statement.query) {
                    (Outcome::Continued, _) => {}
                    (Outcome::Failed, _) => self.failed += 1,
                    (Outcome::Completed, None) => self.unknown += 1,
                    (Outcome::Completed, Some(id)) => {
                        *self.completed.entry(id.to_string()).or_default() += 1;
                    }
                }
            }
            Event::Request(request) if ours(request.socket) && request.kind != RequestKind::Startup => {
                self.requests += u64::from(request.merged);
                self.timed.extend(
                    request.started.map(|started| Timed {
                        started: i128::from(started),
                        ended: i128::from(request.ended),
                    }),
                );
            }
            Event::Books { lost, unparsed, .. } => {
                self.lost = lost.into_iter().filter(|(_, number)| *number > 0).collect();
                self.unparsed = unparsed.into_iter().filter(|(_, number)| *number > 0).collect();
            }
            _ => {}
        }
    }
}
