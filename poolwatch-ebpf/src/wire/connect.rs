//! A TCP `connect()` failed before any byte was sent.

use super::{Header, Kind, Record};

/// A socket went from `SYN_SENT` to `CLOSE`, at a port that the agent asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ConnectFailed {
    /// `time` is when it failed; `pid` is the process that called `connect()`.
    pub header: Header,
    /// When `connect()` was called.
    pub connected: u64,
    /// Start of the process, nanoseconds since boot.
    pub process_started: u64,
    /// One of [`super::family`].
    pub family: u16,
    /// Server's port, host byte order.
    pub server_port: u16,
    /// `sk_err`, an errno; 0 when the client gave up and closed the socket.
    pub errno: u32,
    /// Server's address in network byte order; IPv4 uses the first four bytes.
    pub server_address: [u8; 16],
    /// Command name of the thread that called `connect()`, NUL-padded: the process may be gone already.
    pub comm: [u8; 16],
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for ConnectFailed {
    const KIND: Kind = Kind::ConnectFailed;
}

const _: () = assert!(size_of::<ConnectFailed>() == 88);
