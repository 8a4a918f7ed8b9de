//! A connection ended.

use super::{Header, Kind, Record};

/// Bits of [`Close::ended_by`]: everything that was seen before the end.
pub mod ended_by {
    /// The client sent Terminate.
    pub const TERMINATE: u16 = 1;
    /// The client read end of file.
    pub const END_OF_FILE: u16 = 2;
    /// The peer reset the connection.
    pub const RESET: u16 = 4;
    /// The client closed its socket.
    pub const LOCAL: u16 = 8;
    /// The connection never became ready.
    pub const STARTUP: u16 = 16;
}

/// The socket of a connection is closed, or will be used no more.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Close {
    /// `time` is when it ended.
    pub header: Header,
    /// Bits of [`ended_by`].
    pub ended_by: u16,
    /// `sk_err` of the socket, an errno; 0 = none.
    pub errno: u16,
    /// SQLSTATE of an `ErrorResponse` after the last `ReadyForQuery`; zeros without one.
    pub sqlstate: [u8; 5],
    /// Makes the padding visible.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Close {
    const KIND: Kind = Kind::Close;
}

const _: () = assert!(size_of::<Close>() == 48);
