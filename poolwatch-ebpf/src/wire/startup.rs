//! The StartupMessage's parameters, which name the database and the user.

use super::{Header, Kind, Record};

/// Most bytes of a StartupMessage that are kept; servers refuse more than 10,000
/// (`MAX_STARTUP_PACKET_LENGTH`), and user and database come first in every known driver.
pub const STARTUP_LEN: usize = 1024;

/// A StartupMessage, whole or cut. It carries no password: that follows in a message of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Startup {
    /// `time` is when the last byte of the message was sent.
    pub header: Header,
    /// Length that the message declared, its own four bytes included.
    pub declared: u32,
    /// Bytes of `body` that are used.
    pub kept: u32,
    /// What follows the length: protocol version, then `name\0value\0` pairs and a final `\0`.
    pub body: [u8; STARTUP_LEN],
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Startup {
    const KIND: Kind = Kind::Startup;
}

const _: () = assert!(size_of::<Startup>() == 32 + 8 + STARTUP_LEN);
