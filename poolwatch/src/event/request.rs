//! One answered request, with the words of the protocol that describe it.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use super::{QueryId, SocketId, Time, Turn};

/// The five characters of an SQLSTATE.
/// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// `None` unless all five are upper-case letters or digits.
    pub fn new(code: [u8; 5]) -> Option<Self> {
        code.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).then_some(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status byte of `ReadyForQuery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transaction {
    /// `I`: not in a transaction.
    Idle,
    /// `T`: in a transaction.
    Open,
    /// `E`: in a failed transaction.
    Failed,
    /// The connection is encrypted: that the client spoke, and then the server, is all that is known.
    Unknown,
}

impl Transaction {
    /// A transaction is surely open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Failed)
    }
}

/// What a request ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestKind {
    /// StartupMessage and authentication.
    Startup,
    /// `Query`
    Query,
    /// `Sync`
    Sync,
    /// `FunctionCall`
    FunctionCall,
}

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The connection.
    pub socket: SocketId,
    /// The process that sent it: another than the one that connected, where sockets are inherited.
    pub pid: u32,
    /// Requests of this connection that were lost between the one before and this one.
    pub missed: u32,
    /// First byte sent; `None` when the start was not seen.
    pub started: Option<Time>,
    /// First byte of the answer read.
    pub first_byte: Option<Time>,
    /// `ReadyForQuery` read; of an encrypted connection the last byte before the client spoke again, or silence.
    pub ended: Time,
    /// What it ended with.
    pub kind: RequestKind,
    /// Transaction status afterwards.
    pub transaction: Transaction,
    /// Requests merged into this one (1 = none). 0 = it is the one before, whose answer went on after it was told.
    pub merged: u32,
    /// `Execute` messages sent.
    pub executes: u32,
    /// Statements completed.
    pub completions: u32,
    /// Rows received.
    pub rows: u32,
    /// Errors received.
    pub errors: u32,
    /// Bytes sent and received.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// First word of the first command tag, empty when there was none.
    pub operation: Cow<'static, str>,
    /// SQLSTATE of the first error.
    pub sqlstate: Option<SqlState>,
    /// The query of its longest statement, where that is known.
    pub query: Option<QueryId>,
    /// Rows, completions and errors are incomplete.
    pub approximate: bool,
    /// Who read `ReadyForQuery`; `None` where the process's demands are not watched.
    pub turn: Option<Turn>,
}
