//! Start, change and end of processes that the agent watches.

use super::{Header, Kind, Record};

/// A watched process runs another program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec {
    /// `pid` is the process.
    pub header: Header,
    /// Start of the process, nanoseconds since boot.
    pub process_started: u64,
}

/// The last thread of a watched process ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Exit {
    /// `pid` is the process.
    pub header: Header,
    /// Start of the process, nanoseconds since boot.
    pub process_started: u64,
}

/// A process that was named by `--pid` forked; the child is watched too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fork {
    /// `pid` is the child.
    pub header: Header,
    /// The parent.
    pub parent: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl Record for Exec {
    const KIND: Kind = Kind::Exec;
}
// SAFETY: as above.
unsafe impl Record for Exit {
    const KIND: Kind = Kind::Exit;
}
// SAFETY: as above.
unsafe impl Record for Fork {
    const KIND: Kind = Kind::Fork;
}

const _: () = assert!(size_of::<Exec>() == 40 && size_of::<Exit>() == 40 && size_of::<Fork>() == 40);
