//! Renders facts and snapshots for people and programs outside: metrics, health, JSON, log lines.
//!
//! [`Exporter`] is owned by the agent's one task: [`Fact`]s go into its counters, and for each [`Question`]
//! a [`Picture`] comes out, which whoever asked renders as an [`Answer`] while the task goes on. [`door`] is the
//! only part that touches the network. Nothing here decides how a pool does; whatever a number means was settled
//! in `infer`.

pub mod access;
pub mod answer;
mod details;
pub mod door;
mod gauges;
mod health;
pub mod histogram;
mod honesty;
mod labels;
pub mod log;
pub mod metrics;
mod own;
mod page;
mod picture;
mod pools;
mod queries;
mod routes;
mod series;
mod summary;
mod table;
mod tables;

use std::sync::Arc;

use self::tables::Tables;
pub use self::{
    answer::{Answer, Filter, Order, Question},
    picture::Picture,
};
use crate::{
    clock::Clock,
    event::Time,
    infer::{fact::Fact, snapshot::Snapshot},
};

/// How to render.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// Constant labels of every series; none of them may be one of [`metrics::own_labels`].
    pub labels: Vec<(String, String)>,
    /// Label `db_user` on every series of a database or pool.
    pub label_user: bool,
    /// Show `process_*` of the agent itself: a replay has no such process.
    pub own_process: bool,
    /// Turns the snapshot's time into the time of day.
    pub clock: Clock,
}

/// Counts facts, and hands out how things stand.
#[derive(Debug)]
pub struct Exporter {
    settings: Arc<ExportSettings>,
    tables: Tables,
}

impl Exporter {
    /// Has counted nothing yet.
    pub fn new(settings: ExportSettings) -> Self {
        let tables = Tables::new(settings.label_user);
        Self { settings: Arc::new(settings), tables }
    }

    /// Counts what ended. `now` is monotonic nanoseconds, as in events.
    pub fn observe(&mut self, facts: &[Fact], now: Time) {
        self.tables.observe(facts, now);
    }

    /// All that the answer to a question is rendered from.
    pub fn picture(&mut self, question: Question, snapshot: Snapshot) -> Picture {
        if question == Question::Metrics {
            for pool in &snapshot.pools {
                self.tables.keep(&pool.labels, snapshot.at);
            }
        }
        let counted = self.tables.counted(&question, snapshot.at);
        Picture { question, settings: Arc::clone(&self.settings), snapshot, counted }
    }
}

#[cfg(test)]
mod tests;
