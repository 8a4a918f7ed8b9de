//! A request began on a connection that had none in flight.

use super::{Header, Kind, Record};

/// Written at once, for processes whose demands are watched.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun {
    /// `time` is when the first byte was sent, as in the [`super::Request`] that follows.
    pub header: Header,
    /// Waits for input that the thread began before.
    pub turn: u64,
    /// The thread that sent it.
    pub thread: u32,
    /// Bytes of the call that sent its first message's header.
    pub bytes: u32,
    /// Type byte of its first message.
    pub letter: u8,
    /// Makes the padding visible.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Begun {
    const KIND: Kind = Kind::Begun;
}

const _: () = assert!(size_of::<Begun>() == 32 + 8 + 2 * 4 + 8);
