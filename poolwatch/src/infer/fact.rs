//! What ended: each fact is one observation for a histogram, one step of a counter or one log line.

use std::sync::Arc;

use crate::event::{Outcome, Query, SqlState, Time};

/// The labels of everything that is counted per service (contract §3): no process in them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels {
    /// Service that the process belongs to.
    pub service: String,
    /// Kubernetes namespace, where known.
    pub namespace: Option<String>,
    /// Server's address, socket directory or alias.
    pub server_address: String,
    /// Server's port.
    pub server_port: u16,
    /// Database; empty = not identified.
    pub database: String,
    /// User; empty = not identified.
    pub user: String,
    /// Pool's name (contract §1), `user@address:port/database`.
    pub pool: String,
}

/// Why a connection could not be made or was lost (contract: `poolwatch_connection_errors_total`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionError {
    /// `connect()` timed out or was given up.
    Timeout,
    /// Nobody listens.
    Refused,
    /// RST.
    Reset,
    /// 57P01, 57P02, or end of file without Terminate.
    Closed,
    /// 57P03
    Unavailable,
    /// 53300
    TooManyConnections,
    /// Class 28.
    Auth,
    /// Any other.
    Other,
}

impl ConnectionError {
    /// The value of the label `error_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Unavailable => "unavailable",
            Self::TooManyConnections => "too_many_connections",
            Self::Auth => "auth",
            Self::Other => "other",
        }
    }
}

/// A pool's health (contract §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Nothing to say against it.
    Normal,
    /// Look at it.
    Warning,
    /// Act.
    Critical,
}

/// Something ended. Durations are in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// These labels were seen: their counters begin at 0.
    Seen(Arc<Labels>),
    /// A connection was made.
    Opened {
        /// Whose.
        labels: Arc<Labels>,
    },
    /// A connection became usable.
    Created {
        /// Whose.
        labels: Arc<Labels>,
        /// `connect()` → first `ReadyForQuery`.
        took: Time,
    },
    /// A connection ended.
    Closed {
        /// Whose.
        labels: Arc<Labels>,
    },
    /// A connection failed, or could not be made.
    ConnectionError {
        /// Whose.
        labels: Arc<Labels>,
        /// Why.
        error: ConnectionError,
    },
    /// A statement ended: told before the request that it was part of.
    Statement {
        /// Whose.
        labels: Arc<Labels>,
        /// What it is one of; `None` when its text is not known.
        query: Option<Arc<Query>>,
        /// How long it took; `None` when the start was not seen.
        took: Option<Time>,
        /// Rows that it returned or affected.
        rows: u64,
        /// How it ended.
        outcome: Outcome,
        /// How many times its suspended portal was continued.
        resumed: u32,
        /// Longer than the threshold.
        slow: bool,
        /// Its error.
        sqlstate: Option<SqlState>,
    },
    /// A request was answered.
    Request {
        /// Whose.
        labels: Arc<Labels>,
        /// Process that sent it.
        pid: u32,
        /// The query of its longest statement, where that is known.
        query: Option<Arc<Query>>,
        /// First byte sent → `ReadyForQuery`; `None` when the start was not seen: counted nowhere but in `requests`.
        took: Option<Time>,
        /// First byte sent → first byte of the answer.
        first_byte: Option<Time>,
        /// A known operation, `_OTHER`, or empty.
        operation: &'static str,
        /// Rows received, where none can be missing.
        rows: Option<u32>,
        /// First error.
        error: Option<SqlState>,
        /// Longer than the threshold.
        slow: bool,
    },
    /// A lease ended.
    Lease {
        /// Whose.
        labels: Arc<Labels>,
        /// How long the connection was used.
        took: Time,
    },
    /// A borrower's wait ended, or its length became known; 0 when it did not wait.
    Waited {
        /// Whose.
        labels: Arc<Labels>,
        /// Process of the pool.
        pid: u32,
        /// How long.
        took: Time,
    },
    /// A borrower gave up waiting.
    TimedOut {
        /// Whose.
        labels: Arc<Labels>,
    },
    /// Time integrals of one pool since its last such fact: each in nanoseconds of one
    /// pool, connection or request.
    Elapsed {
        /// Whose.
        labels: Arc<Labels>,
        /// The pool existed.
        lifetime: Time,
        /// Σ over connections: used.
        used: Time,
        /// Σ over requests: waiting.
        pending: Time,
        /// Used reached max.
        saturated: Time,
    },
    /// A pool's status changed: one log line.
    StatusChanged {
        /// Whose.
        labels: Arc<Labels>,
        /// Process of the pool.
        pid: u32,
        /// Before.
        from: Status,
        /// Now.
        to: Status,
        /// Why, in words.
        reason: String,
    },
    /// A process was seen to end: one log line.
    ProcessEnded {
        /// Process.
        pid: u32,
        /// Its name.
        name: String,
        /// Connections that it still had.
        connections: usize,
    },
}
