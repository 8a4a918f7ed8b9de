//! A borrower asks its pool's library for a connection, or is answered.

use super::{Header, Kind, Record};

/// Values of [`Borrow::borrowing`].
pub mod borrowing {
    /// It asks.
    pub const ASKS: u32 = 1;
    /// It got a connection.
    pub const GRANTED: u32 = 2;
    /// It got none.
    pub const REFUSED: u32 = 3;
}

/// Written of functions in the library of a process that is looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Borrow {
    /// `time` is when; `pid` is its process.
    pub header: Header,
    /// The address of its goroutine.
    pub borrower: u64,
    /// The address of the pool; 0 = not known, when it is answered.
    pub pool: u64,
    /// The thread that runs it at this moment.
    pub thread: u32,
    /// One of [`borrowing`].
    pub borrowing: u32,
}

// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl Record for Borrow {
    const KIND: Kind = Kind::Borrow;
}

const _: () = assert!(size_of::<Borrow>() == 32 + 2 * 8 + 2 * 4);
