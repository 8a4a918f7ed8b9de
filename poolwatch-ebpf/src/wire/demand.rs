//! What a process is asked for on a socket that it accepted, and that it answers.

use super::{Header, Kind, Record};

/// What is spoken on an accepted socket.
pub mod protocol {
    /// Not known yet.
    pub const UNKNOWN: u8 = 0;
    /// HTTP/1.
    pub const HTTP: u8 = 1;
    /// HTTP/2, whose streams cannot be followed.
    pub const HTTP2: u8 = 2;
    /// PostgreSQL: the process is a pooler.
    pub const POSTGRES: u8 = 3;
    /// TLS records.
    pub const TLS: u8 = 4;
    /// Any other.
    pub const OTHER: u8 = 5;
    /// One stream of HTTP/2.
    pub const STREAM: u8 = 6;
}

/// The first bytes after the last response were read; written again once the route is readable.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Demand {
    /// `time` is when they were read; `pid` is the process that read them. The number of a stream stands above its `socket`'s.
    pub header: Header,
    /// Waits for input that the thread began before.
    pub turn: u64,
    /// The thread that read them.
    pub thread: u32,
    /// Stands for the method and the first parts of the path, where `readable`.
    pub route: u32,
    /// One of [`protocol`].
    pub protocol: u8,
    /// 1 = `route` is known.
    pub readable: u8,
    /// Makes the padding visible.
    pub reserved: [u8; 6],
}

/// The first byte of the response was written, or the socket was closed without one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// `time` is when; `pid` is the process that read the demand.
    pub header: Header,
    /// Waits for input that the thread began before.
    pub turn: u64,
    /// The thread that wrote it; 0 = nobody did.
    pub thread: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Demand {
    const KIND: Kind = Kind::Demand;
}
// SAFETY: as above.
unsafe impl Record for Served {
    const KIND: Kind = Kind::Served;
}

const _: () = assert!(size_of::<Demand>() == 32 + 8 + 2 * 4 + 8 && size_of::<Served>() == 32 + 8 + 2 * 4);
