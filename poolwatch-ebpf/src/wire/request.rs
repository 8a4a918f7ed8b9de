//! One request: everything up to a `Query`, `Sync` or `FunctionCall`, and its `ReadyForQuery`.

use super::{Header, Kind, Record};

/// Longest command tag that is kept: `INSERT 0` and nineteen digits fit.
pub const TAG_LEN: usize = 28;

/// What the request ended with.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// StartupMessage and authentication; its `ReadyForQuery` makes the connection usable.
    Startup = 1,
    /// `Query`
    Query = 2,
    /// `Sync`
    Sync = 3,
    /// `FunctionCall`
    FunctionCall = 4,
}

/// Bits of [`Request::flags`].
pub mod flags {
    /// Counts of rows, completions and errors are incomplete: part of the answer was not walked.
    pub const APPROXIMATE: u16 = 1;
    /// Several requests were merged into this record; `merged` says how many.
    pub const MERGED: u16 = 2;
    /// The answer was seen before the request (two threads on one socket).
    pub const EARLY: u16 = 4;
    /// The end was found by the tail of a read, after a loss.
    pub const RESYNCED: u16 = 8;
    /// The start was not seen: `started` is that of the first read or 0.
    pub const NO_START: u16 = 16;
    /// Of an encrypted connection: the client spoke, and then the server. Nothing but times and bytes is known. The
    /// last byte of the answer so far was read at `time`; with `merged` 0 an answer that was told before went on.
    pub const TURN: u16 = 32;
}

/// A request that was answered by `ReadyForQuery`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// `time` is when `ReadyForQuery` was read; `pid` is the process that sent the request.
    pub header: Header,
    /// First byte sent, nanoseconds of `CLOCK_MONOTONIC`.
    pub started: u64,
    /// First byte of the answer read; 0 = not seen.
    pub first_byte: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// `Execute` messages sent.
    pub executes: u32,
    /// `CommandComplete` and `EmptyQueryResponse` messages received.
    pub completions: u32,
    /// `DataRow` messages received.
    pub rows: u32,
    /// `ErrorResponse` messages received.
    pub errors: u32,
    /// Which request of the connection it is, ever-growing; it may begin anew after 2³² − 1.
    pub request: u32,
    /// Statements that ended in it, by any of the four messages that [`super::Statement`] names.
    pub outcomes: u32,
    /// `DataRow` messages of the last statement.
    pub last_rows: u32,
    /// Requests in this record; above 1 only with [`flags::MERGED`], 0 only with [`flags::TURN`].
    pub merged: u32,
    /// Bits of [`flags`].
    pub flags: u16,
    /// A [`RequestKind`] as its number.
    pub kind: u8,
    /// Transaction status of `ReadyForQuery`: `I`, `T` or `E`; 0 with [`flags::TURN`].
    pub status: u8,
    /// SQLSTATE of the first `ErrorResponse`; zeros without one.
    pub sqlstate: [u8; 5],
    /// How the last statement ended: `C`, `I`, `s`, `E`; 0 = there was none.
    pub outcome: u8,
    /// 1 = the last `Execute` is told here: in `statement`, and whether its portal was [`super::BOUND`].
    pub executed: u8,
    /// [`super::BOUND`] or 0, of that `Execute`.
    pub bound: u8,
    /// The last statement's command tag, NUL-padded, cut.
    pub tag: [u8; TAG_LEN],
    /// When the last statement ended; 0 = there was none.
    pub outcome_at: u64,
    /// Statement of the last `Execute`, as in [`super::Execute`].
    pub statement: u64,
    /// Waits for input that the thread that read `ReadyForQuery` began before.
    pub turn: u64,
    /// That thread; 0 = the process's demands are not watched.
    pub thread: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Request {
    const KIND: Kind = Kind::Request;
}

const _: () = assert!(size_of::<Request>() == 32 + 4 * 8 + 8 * 4 + 4 + 8 + TAG_LEN + 3 * 8 + 8);
