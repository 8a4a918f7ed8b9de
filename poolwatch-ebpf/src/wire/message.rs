//! What a client said: the head of one message's body.

use super::{Header, Kind, Record};

/// Most bytes of one piece.
pub const PIECE_LEN: usize = 4095;
/// Most bytes that are told of the body of a Query or Parse.
pub const TEXT_LEN: u32 = 2 * PIECE_LEN as u32;
/// Most bytes that are told of the body of a Bind, Execute or Close: two names and their NULs.
pub const NAMES_LEN: u32 = 160;

/// A piece of a message's body; its bytes follow.
///
/// Queries, Parses and Closes are told; Binds and Executes only where a named portal is concerned or the
/// names lay across two calls, else an [`super::Execute`] or [`super::Request`] stands for both.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Message {
    /// `time` is when the piece was sent.
    pub header: Header,
    /// The request that it is part of; see [`super::Request::request`].
    pub request: u32,
    /// `Execute` messages before it in that request.
    pub nth: u32,
    /// Bytes of the whole body.
    pub length: u32,
    /// Where the piece stands in the body.
    pub offset: u32,
    /// Bytes of the piece, which follow this struct.
    pub kept: u32,
    /// Type byte of the message.
    pub letter: u8,
    /// Makes the padding visible.
    pub reserved: [u8; 3],
}

impl Message {
    /// Bytes that are told of this message's body, in all its pieces.
    pub const fn told(&self) -> u32 {
        let most = most_told(self.letter);
        if self.length < most { self.length } else { most }
    }
}

/// Most bytes that are told of the body of a message with this letter.
#[inline(always)]
pub const fn most_told(letter: u8) -> u32 {
    match letter {
        b'Q' | b'P' => TEXT_LEN,
        _ => NAMES_LEN,
    }
}

// SAFETY: repr(C), only integers and byte arrays, no padding (asserted below).
unsafe impl Record for Message {
    const KIND: Kind = Kind::Message;
}

const _: () = assert!(size_of::<Message>() == 32 + 5 * 4 + 4);
