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

/// The cookie of a probe where such a function is left: when it is left by there, with what, and where on the stack.
pub mod exit {
    /// Bits that say when; none of them: whoever passes leaves.
    pub const WHEN: u64 = 3;
    /// If the zero flag is set.
    pub const ZERO: u64 = 1;
    /// If it is not.
    pub const NOT_ZERO: u64 = 2;
    /// Bits that say with what.
    pub const WITH: u64 = 3 << 2;
    /// What the register of the first result holds.
    pub const REGISTER: u64 = 0;
    /// Nil.
    pub const NIL: u64 = 1 << 2;
    /// What lies on the stack.
    pub const STACK: u64 = 2 << 2;
    /// Where the distance from the stack's lowest address begins, in bytes.
    pub const DISTANCE: u32 = 32;
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
