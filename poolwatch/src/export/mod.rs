//! Renders facts and snapshots for people and programs outside: metrics, health, JSON, log lines.
//!
//! [`Exporter`] is owned by the agent's one task: [`Fact`]s go into its counters, [`Question`]s come
//! out as finished [`Answer`]s. [`door`] is the only part that touches the network. Nothing here
//! decides how a pool does; whatever a number means was settled in `infer`.

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
mod pools;
mod queries;
mod routes;
mod series;
mod summary;
mod table;
mod tables;

pub use self::answer::{Answer, Filter, Order, Question};
use self::{page::Page, tables::Tables};
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

/// Counts facts and answers questions.
#[derive(Debug)]
pub struct Exporter {
    settings: ExportSettings,
    tables: Tables,
}

impl Exporter {
    /// Has counted nothing yet.
    pub fn new(settings: ExportSettings) -> Self {
        let tables = Tables::new(settings.label_user);
        Self { settings, tables }
    }

    /// Counts what ended. `now` is monotonic nanoseconds, as in events.
    pub fn observe(&mut self, facts: &[Fact], now: Time) {
        for fact in facts {
            self.tables.observe(fact, now);
        }
    }

    /// The answer to one question. Depends on what was observed and on the snapshot alone, but for
    /// `process_*`.
    pub fn answer(&mut self, question: &Question, snapshot: &Snapshot) -> Answer {
        let of_day = self.settings.clock.time_of_day(snapshot.at);
        match question {
            Question::Metrics => self.page(snapshot),
            Question::Alive => health::alive(),
            Question::Ready => health::ready(snapshot),
            Question::Health(filter) => health::pool(snapshot, filter, &self.settings.labels, of_day),
            Question::Details => details::details(snapshot, &self.tables, of_day),
            Question::Pools => pools::all(snapshot),
            Question::Pool(id) => pools::one(snapshot, id),
            Question::Queries(order, limit) => {
                let (queries, label_user) = (self.tables.queries(), self.settings.label_user);
                queries::answer(queries, (*order, *limit), label_user, snapshot.at, of_day)
            }
        }
    }

    fn page(&mut self, snapshot: &Snapshot) -> Answer {
        for pool in &snapshot.pools {
            self.tables.keep(&pool.labels, snapshot.at);
        }
        let mut page = Page::default();
        gauges::render(snapshot, self.settings.label_user, &mut page);
        self.tables.render(snapshot.at, &mut page);
        honesty::render(snapshot, self.tables.losses(), &mut page);
        if self.settings.own_process {
            own::render(&mut page);
        }
        match page.render(&self.settings.labels) {
            Ok(text) => Answer::page(text),
            Err(error) => Answer::text(500, format!("cannot write the page: {error}\n")),
        }
    }
}

#[cfg(test)]
mod tests;
