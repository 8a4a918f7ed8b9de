//! What the client did, by its own count.

use crate::link::Link;

/// The books of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests answered by ReadyForQuery.
    pub requests: u64,
    /// Those of them with an ErrorResponse.
    pub failed: u64,
    /// Statements that the server counts in `pg_stat_statements`.
    pub calls: u64,
    /// Connections opened.
    pub connections: u64,
}

impl Tally {
    /// One connection's answers; `calls` is what the case claims.
    pub fn of(link: &Link, calls: u64) -> Self {
        let answers = &link.answers;
        Self { requests: answers.ready - link.startups, failed: answers.failed, calls, connections: 1 }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            failed: self.failed + other.failed,
            calls: self.calls + other.calls,
            connections: self.connections + other.connections,
        }
    }

    /// As the test reads it.
    pub fn line(&self) -> String {
        let Self { requests, failed, calls, connections } = self;
        format!(
            "{{\"requests\":{requests},\"failed\":{failed},\"calls\":{calls},\"connections\":{connections}}}"
        )
    }
}
