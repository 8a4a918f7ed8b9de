//! A connection to a PostgreSQL server was recognised.

use super::{Header, Kind, Record};

/// Longest `sun_path`, see `struct sockaddr_un` in unix(7).
pub const UNIX_PATH_LEN: usize = 108;

/// The first PostgreSQL message of a client socket was seen, or (midstream) the first
/// `ReadyForQuery` of a socket that is older than the probes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// `time` is when the connection was recognised.
    pub header: Header,
    /// `connect()` in nanoseconds of `CLOCK_MONOTONIC`; 0 = not seen (UNIX sockets, midstream).
    pub connected: u64,
    /// Start of the process, nanoseconds since boot (`task_struct.group_leader->start_boottime`).
    pub process_started: u64,
    /// Inode number of the socket, as in `/proc/PID/fd`.
    pub inode: u64,
    /// One of [`super::family`].
    pub family: u16,
    /// Server's port, host byte order; 0 for UNIX.
    pub server_port: u16,
    /// Client's port, host byte order; 0 for UNIX.
    pub client_port: u16,
    /// 1 when the socket was older than the probes, so that no startup was seen.
    pub midstream: u16,
    /// Server's address in network byte order; IPv4 uses the first four bytes.
    pub server_address: [u8; 16],
    /// Command name of the thread, NUL-padded.
    pub comm: [u8; 16],
    /// The server socket's `sun_path`, NUL-terminated where shorter; UNIX only.
    pub path: [u8; UNIX_PATH_LEN],
    /// Bytes of `path` that are used.
    pub path_len: u32,
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Open {
    const KIND: Kind = Kind::Open;
}

const _: () = assert!(size_of::<Open>() == 32 + 24 + 8 + 16 + 16 + UNIX_PATH_LEN + 4);
