//! How one of several statements of a request ended; the last one's end is in the request's record.

use super::{Header, Kind, Record, TAG_LEN};

/// The end of a statement.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Statement {
    /// `time` is when the message that ended it was read.
    pub header: Header,
    /// First byte of its request, nanoseconds of `CLOCK_MONOTONIC`; 0 = not seen.
    pub started: u64,
    /// The request that it is part of; see [`super::Request::request`].
    pub request: u32,
    /// Statements that ended before it in that request.
    pub nth: u32,
    /// `DataRow` messages received for it.
    pub rows: u32,
    /// Type byte of the message: `C`, `I`, `s` or `E`.
    pub outcome: u8,
    /// SQLSTATE, where it failed.
    pub sqlstate: [u8; 5],
    /// Makes the padding visible.
    pub reserved: [u8; 2],
    /// The command tag, NUL-padded, cut.
    pub tag: [u8; TAG_LEN],
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Statement {
    const KIND: Kind = Kind::Statement;
}

const _: () = assert!(size_of::<Statement>() == 32 + 8 + 3 * 4 + 8 + TAG_LEN);
