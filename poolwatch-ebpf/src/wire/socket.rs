//! What user space reads from the connection map: how a connection stands right now.

/// Address families, see `socket.h`.
pub mod family {
    /// `AF_UNIX`
    pub const UNIX: u16 = 1;
    /// `AF_INET`
    pub const INET: u16 = 2;
    /// `AF_INET6`
    pub const INET6: u16 = 10;
}

/// The head of a connection's map value, kept up to date by the probes.
///
/// It is what a scan reads: a request that is under way has no record yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Inflight {
    /// The socket's identity, as in every record's header.
    pub socket: u64,
    /// Start of the oldest request that has no `ReadyForQuery` yet; 0 = none.
    pub since: u64,
    /// Start of a request whose `Query` or `Sync` was not sent yet; 0 = none.
    pub sending: u64,
    /// Process that sent last.
    pub pid: u32,
    /// Records of this socket that found no room in the ring since its last record.
    pub missed: u32,
}

#[cfg(feature = "user")]
// SAFETY: repr(C), only integers, no padding.
unsafe impl aya::Pod for Inflight {}

const _: () = assert!(size_of::<Inflight>() == 32);
