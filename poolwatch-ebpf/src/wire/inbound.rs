//! The value of the map of accepted sockets: what the probes remember of one.

/// Whose end of the connection a socket is.
pub mod side {
    /// Not known yet: a single byte was read.
    pub const UNDECIDED: u8 = 0;
    /// The process accepted it, and what is read from it is asked for.
    pub const ACCEPTED: u8 = 1;
    /// The process connected it, or demands on it cannot be told apart any more.
    pub const OTHER: u8 = 2;
}

/// A socket of a process with connections.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Inbound {
    /// First read of the demand that is open, nanoseconds of `CLOCK_MONOTONIC`; 0 = none is.
    pub began: u64,
    /// Waits for input that its reader began before.
    pub turn: u64,
    /// Inode number of the socket.
    pub inode: u64,
    /// Process that read last.
    pub pid: u32,
    /// Thread that read the demand.
    pub thread: u32,
    /// One of [`super::family`].
    pub family: u16,
    /// One of [`side`].
    pub side: u8,
    /// One of [`super::protocol`].
    pub protocol: u8,
    /// The demand's first byte, when it was read alone; else 0.
    pub first: u8,
    /// TLS: type of the last record that was read by its header alone, or 0.
    pub record: u8,
    /// 1 = the client says no more.
    pub ended: u8,
    /// Makes the padding visible.
    pub reserved: u8,
}

#[cfg(feature = "user")]
// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl aya::Pod for Inbound {}

const _: () = assert!(size_of::<Inbound>() == 3 * 8 + 2 * 4 + 8);
