//! A connection went behind encryption, or its bytes out of sight.

use super::{Header, Kind, Record};

/// What encrypts the connection.
pub mod by {
    /// The server accepted SSLRequest, or the socket carries TLS records.
    pub const TLS: u32 = 1;
    /// The server accepted GSSENCRequest.
    pub const GSS: u32 = 2;
    /// Nothing: io_uring moves its bytes, and where they lie is not seen.
    pub const IO_URING: u32 = 3;
    /// TLS still, but its plaintext is seen from here on.
    pub const PLAIN: u32 = 4;
}

/// From here on the connection's messages cannot be read, or can again.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Secured {
    /// `time` is when the server's answer was read.
    pub header: Header,
    /// One of [`by`].
    pub by: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl Record for Secured {
    const KIND: Kind = Kind::Secured;
}

const _: () = assert!(size_of::<Secured>() == 40);
