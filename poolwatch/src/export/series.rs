//! Counters and histograms of one database and of one pool, as one service uses them.
//!
//! Facts come in, samples go out to the page. A series begins at 0 with the first fact of any kind,
//! so that `rate()` sees the first step too; those that rest on evidence of waiting begin when there
//! is some, because a 0 would claim that nobody waited.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    histogram::Histogram,
    labels::{LabelSet, Series},
    metrics,
    page::Page,
    summary::Summary,
};
use crate::{
    event::{SqlState, Time},
    infer::{
        fact::{ConnectionError, Fact},
        limits,
    },
};

/// The operations that begin at 0 with their database; others when they are first seen.
const COMMON: [&str; 4] = ["DELETE", "INSERT", "SELECT", "UPDATE"];

/// The query that stands for all without series of their own.
const OTHER: &str = "other";

const CONNECTION_ERRORS: [ConnectionError; 8] = [
    ConnectionError::Timeout,
    ConnectionError::Refused,
    ConnectionError::Reset,
    ConnectionError::Closed,
    ConnectionError::Unavailable,
    ConnectionError::TooManyConnections,
    ConnectionError::Auth,
    ConnectionError::Other,
];

/// The value of `error_type` of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ErrorType {
    None,
    State(SqlState),
    Other,
}

impl ErrorType {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::State(state) => Cow::Owned(state.as_str().to_owned()),
            Self::Other => Cow::Borrowed("_OTHER"),
        }
    }
}

/// The SQLSTATEs that have become labels: at most [`limits::SQLSTATES`], for all series together.
#[derive(Debug, Default)]
pub struct SqlStates {
    known: BTreeSet<SqlState>,
}

impl SqlStates {
    fn of(&mut self, error: Option<SqlState>) -> ErrorType {
        let Some(state) = error else { return ErrorType::None };
        if self.known.len() < limits::SQLSTATES {
            self.known.insert(state);
        }
        if self.known.contains(&state) { ErrorType::State(state) } else { ErrorType::Other }
    }
}

/// What is counted per service and database.
#[derive(Clone, Debug)]
pub struct DatabaseSeries {
    operations: BTreeMap<(&'static str, ErrorType), Histogram>,
    first_byte: Histogram,
    other_statements: Summary,
    slow: u64,
    errors: BTreeMap<ConnectionError, u64>,
    opened: u64,
    closed: u64,
}

impl Default for DatabaseSeries {
    fn default() -> Self {
        Self {
            operations: COMMON.map(|name| ((name, ErrorType::None), Histogram::default())).into(),
            first_byte: Histogram::default(),
            other_statements: Summary::default(),
            slow: 0,
            errors: CONNECTION_ERRORS.map(|error| (error, 0)).into(),
            opened: 0,
            closed: 0,
        }
    }
}

impl DatabaseSeries {
    /// Counts what the fact says of a database.
    pub fn observe(&mut self, fact: &Fact, states: &mut SqlStates) {
        match fact {
            Fact::Opened { .. } => self.opened += 1,
            Fact::Closed { .. } => self.closed += 1,
            Fact::ConnectionError { error, .. } => *self.errors.entry(*error).or_default() += 1,
            Fact::Request { took, first_byte, operation, error, slow, .. } => {
                self.slow += u64::from(*slow);
                if let Some(first_byte) = first_byte {
                    self.first_byte.observe(*first_byte);
                }
                if let Some(took) = took {
                    self.operations.entry((operation, states.of(*error))).or_default().observe(*took);
                }
            }
            _ => {}
        }
    }

    /// Counts a statement of a query that has no series of its own.
    pub fn outside(&mut self, took: Option<Time>) {
        if let Some(took) = took {
            self.other_statements.observe(took);
        }
    }

    /// Gives the samples to the page.
    pub fn render(&self, labels: &Arc<LabelSet>, page: &mut Page) {
        for ((operation, error), durations) in &self.operations {
            let series =
                Series::from(labels).with("db_operation_name", *operation).with("error_type", error.text());
            page.durations(&metrics::OPERATION_DURATION, series, durations);
        }
        for (error, count) in &self.errors {
            let series = Series::from(labels).with("error_type", error.as_str());
            page.number(&metrics::CONNECTION_ERRORS, series, *count as f64);
        }
        let other = Series::from(labels).with("db_query_summary", OTHER).with("fingerprint", OTHER);
        page.summary(&metrics::QUERY_DURATION, other, &self.other_statements);
        page.durations(&metrics::FIRST_BYTE, labels, &self.first_byte);
        page.number(&metrics::SLOW_QUERIES, labels, self.slow as f64);
        page.number(&metrics::OPENED, labels, self.opened as f64);
        page.number(&metrics::CLOSED, labels, self.closed as f64);
    }
}

/// What is counted per service and pool name. Sums of time are wider than a [`Time`]: a thousand
/// connections fill 64 bits in seven months.
#[derive(Clone, Debug, Default)]
pub struct PoolSeries {
    create: Histogram,
    used: Histogram,
    waited: Histogram,
    timeouts: u64,
    /// Some evidence of waiting has been there.
    waits_known: bool,
    lifetime: u128,
    used_time: u128,
    pending_time: u128,
    saturated_time: u128,
}

impl PoolSeries {
    /// Counts what the fact says of a pool.
    pub fn observe(&mut self, fact: &Fact) {
        match fact {
            Fact::Created { took, .. } => self.create.observe(*took),
            Fact::Lease { took, .. } => {
                self.used.observe(*took);
            }
            Fact::Waited { took, .. } => {
                self.waited.observe(*took);
                self.waits_known = true;
            }
            Fact::TimedOut { .. } => {
                self.timeouts += 1;
                self.waits_known = true;
            }
            Fact::Elapsed { lifetime, used, pending, saturated, .. } => {
                add(&mut self.lifetime, *lifetime);
                add(&mut self.used_time, *used);
                add(&mut self.pending_time, *pending);
                add(&mut self.saturated_time, *saturated);
                self.waits_known |= *pending > 0;
            }
            _ => {}
        }
    }

    /// Gives the samples to the page.
    pub fn render(&self, labels: &Arc<LabelSet>, page: &mut Page) {
        page.durations(&metrics::CREATE_TIME, labels, &self.create);
        page.durations(&metrics::USE_TIME, labels, &self.used);
        page.number(&metrics::LIFETIME, labels, seconds(self.lifetime));
        page.number(&metrics::USED_SECONDS, labels, seconds(self.used_time));
        page.number(&metrics::SATURATED_SECONDS, labels, seconds(self.saturated_time));
        if self.waits_known {
            page.durations(&metrics::WAIT_TIME, labels, &self.waited);
            page.number(&metrics::TIMEOUTS, labels, self.timeouts as f64);
            page.number(&metrics::PENDING_SECONDS, labels, seconds(self.pending_time));
        }
    }
}

fn add(sum: &mut u128, time: Time) {
    *sum = sum.saturating_add(u128::from(time));
}

fn seconds(nanoseconds: u128) -> f64 {
    nanoseconds as f64 / 1e9
}
