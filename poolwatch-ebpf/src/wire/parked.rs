//! A thread sleeps until another wakes it, or does no longer.

use super::{Header, Kind, Record};

/// Values of [`Parked::parking`].
pub mod parking {
    /// It goes to sleep.
    pub const ASLEEP: u32 = 1;
    /// Another thread woke it.
    pub const WOKEN: u32 = 2;
    /// It did not sleep, its time was over, or a signal came.
    pub const OVER: u32 = 3;
}

/// Written of threads that have read a demand and not asked the database anything since.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Parked {
    /// `time` is when; `pid` is its process.
    pub header: Header,
    /// What it waits for, in its process's memory; 0 = not known.
    pub address: u64,
    /// The thread.
    pub thread: u32,
    /// One of [`parking`].
    pub parking: u32,
}

// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl Record for Parked {
    const KIND: Kind = Kind::Parked;
}

const _: () = assert!(size_of::<Parked>() == 32 + 8 + 2 * 4);
