//! An `Execute` of the unnamed portal that its request's record does not tell.

use super::{Header, Kind, Record};

/// The portal was bound since the last `Execute` of it.
pub const BOUND: u32 = 1;

/// One `Execute`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Execute {
    /// `time` is when it was told, which may be later than it was sent.
    pub header: Header,
    /// The statement's [`super::name_hash`]; 0 = what the portal was bound to as far as it was told.
    pub statement: u64,
    /// The request that it is part of; see [`super::Request::request`].
    pub request: u32,
    /// `Execute` messages before it in that request.
    pub nth: u32,
    /// [`BOUND`] or 0.
    pub flags: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl Record for Execute {
    const KIND: Kind = Kind::Execute;
}

const _: () = assert!(size_of::<Execute>() == 32 + 8 + 4 * 4);
