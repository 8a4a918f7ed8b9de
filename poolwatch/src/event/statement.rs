//! One executed statement, and the query that it is one of. Nothing here holds a literal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{SocketId, SqlState, Time};

/// Names a query: statements that differ in literals alone share it.
/// It is the fingerprint of `libpg_query`: <https://github.com/pganalyze/libpg_query/wiki/Fingerprinting>.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueryId(pub u64);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is said of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Query {
    /// Which one.
    pub id: QueryId,
    /// Operations and their targets, at most 255 bytes, as in
    /// <https://opentelemetry.io/docs/specs/semconv/db/database-spans/#generating-a-summary-of-the-query>.
    pub summary: String,
    /// First word of the command tag that it ends with: `SELECT`, `CREATE`.
    pub operation: String,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// By `CommandComplete` or `EmptyQueryResponse`, or with the end of its suspended portal.
    Completed,
    /// By `ErrorResponse`, or its suspended portal went with a rollback.
    Failed,
    /// Not at all: its portal was executed once more after it had ended, which is no statement of its own.
    Continued,
}

/// One statement that ended; told before the [`Request`](super::Request) that it was part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The connection.
    pub socket: SocketId,
    /// The process that sent it: another than the one that connected, where sockets are inherited.
    pub pid: u32,
    /// Which query; `None` when its text is not known.
    pub query: Option<QueryId>,
    /// When it ended.
    pub ended: Time,
    /// How long it took, without the time in which its portal was suspended: from its request's first
    /// byte or the end of the statement before. `None` when the start was not seen.
    pub took: Option<Time>,
    /// Rows that it returned or affected, by its command tag.
    pub rows: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// How many times `Execute` continued its suspended portal.
    pub resumed: u32,
    /// SQLSTATE of its error.
    pub sqlstate: Option<SqlState>,
}
