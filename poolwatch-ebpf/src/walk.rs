//! The cursors of a walk over one call's payload.
//!
//! They live in a per-CPU map value. On the stack the verifier would follow every combination of
//! their values and give up; in a map they are unknown numbers, and eleven thousand steps suffice.

use poolwatch_ebpf::wire::{Connection, phase};

use crate::{kernel, maps};

/// Bytes read at once when looking for headers: six nanoseconds a message instead of fifteen.
pub const CHUNK: u64 = 512;
/// Room for a chunk, twice, so that a masked offset plus a name stays inside.
pub const CHUNK_ROOM: usize = 1104;

/// How a walk ended.
pub mod done {
    /// Not yet: the budget of messages was used up.
    pub const NO: u32 = 0;
    /// All bytes were seen.
    pub const ALL: u32 = 1;
    /// Payload could not be read.
    pub const UNREAD: u32 = 2;
    /// A header that PostgreSQL would not send.
    pub const MALFORMED: u32 = 3;
    /// The connection was forgotten on the way.
    pub const GONE: u32 = 4;
}

/// The cursors.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Walk {
    /// Address of the next byte.
    pub at: u64,
    /// End of the current segment.
    pub end: u64,
    /// Address of the next `struct iovec`.
    pub vector: u64,
    /// `struct iovec`s left.
    pub vectors: u64,
    /// Address of the next `struct mmsghdr`.
    pub messages: u64,
    /// `struct mmsghdr`s left.
    pub messages_left: u64,
    /// Bytes behind the current segment.
    pub left: u64,
    /// Time of the hook.
    pub now: u64,
    /// Time at which a request that begins here was sent.
    pub started: u64,
    /// Address of the chunk's first byte.
    pub chunk: u64,
    /// Bytes in the chunk.
    pub chunk_len: u64,
    /// The kernel's `struct sock`.
    pub sk: u64,
    /// One of [`done`].
    pub done: u32,
    /// 1 = the last segment holds more than was moved.
    pub partial: u32,
    /// Type byte of the first message of a request that was begun here; 0 = none was.
    pub letter: u32,
    /// Requests in the map of all connections that are to be forgotten before the walk goes on.
    pub forget: u32,
    /// The first of them.
    pub forget_at: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// What the loop's callback gets: pointers into maps only.
#[repr(C)]
pub struct State {
    pub connection: *mut Connection,
    pub walk: *mut Walk,
    pub chunk: *mut u8,
}

impl Walk {
    /// This CPU's walk, made new for `length` bytes of a call on `sk`.
    #[inline(always)]
    pub fn begin<'a>(sk: u64, length: u64) -> Option<&'a mut Self> {
        let walk = unsafe { &mut *maps::WALKS.get_ptr_mut(0)? };
        walk.at = 0;
        walk.end = 0;
        walk.vector = 0;
        walk.vectors = 0;
        walk.messages = 0;
        walk.messages_left = 0;
        walk.left = length;
        walk.now = kernel::now();
        walk.started = walk.now;
        walk.chunk = 0;
        walk.chunk_len = 0;
        walk.sk = sk;
        walk.done = done::NO;
        walk.partial = 0;
        walk.letter = 0;
        walk.forget = 0;
        walk.forget_at = 0;
        Some(walk)
    }

    /// The walk that this CPU began last.
    #[inline(always)]
    pub fn current<'a>() -> Option<&'a mut Self> {
        Some(unsafe { &mut *maps::WALKS.get_ptr_mut(0)? })
    }

    /// Makes at least `need` bytes at the cursor available in the chunk; `available` are there.
    #[inline(always)]
    pub unsafe fn fill(&mut self, chunk: *mut u8, need: u64, available: u64) -> bool {
        let offset = self.at.wrapping_sub(self.chunk);
        if self.chunk_len == 0 || offset > CHUNK || offset + need > self.chunk_len {
            let mut length = if available < CHUNK { available } else { CHUNK };
            if length > CHUNK {
                length = CHUNK;
            }
            if !unsafe { kernel::copy_user(chunk, length as u32, self.at) } {
                return false;
            }
            self.chunk = self.at;
            self.chunk_len = length;
        }
        true
    }

    /// Eight bytes of the chunk at the cursor; those behind `need` may be stale.
    #[inline(always)]
    pub unsafe fn peek(&self, chunk: *const u8) -> [u8; 8] {
        unsafe { self.peek_behind::<0>(chunk) }
    }

    /// Eight bytes of the chunk, so many behind the cursor (at most 72).
    #[inline(always)]
    pub unsafe fn peek_behind<const BYTES: usize>(&self, chunk: *const u8) -> [u8; 8] {
        let offset = (self.at.wrapping_sub(self.chunk) & 1023) as usize;
        unsafe {
            let p = chunk.add(offset).add(BYTES);
            [*p, *p.add(1), *p.add(2), *p.add(3), *p.add(4), *p.add(5), *p.add(6), *p.add(7)]
        }
    }

    /// Everything was seen.
    #[inline(always)]
    pub fn exhausted(&self) -> bool {
        self.at >= self.end && self.left == 0
    }
}

/// Length of the headers that the client sends in this phase.
#[inline(always)]
pub fn client_header(connection: &Connection) -> u64 {
    if connection.phase == phase::STARTUP { 8 } else { 5 }
}
