//! Sockets that are nothing to us: known at once, so that the rest of the machine hardly pays.
//!
//! A mark says that what a process sends or receives on a socket is nothing to us, as far as was known when that was last
//! looked up. Whatever may make it of interest later begins another age, in which no older mark counts: a process that
//! comes to hold connections, and whatever the agent lists or adopts.

use crate::{
    kernel,
    maps::{AGE, STRANGERS, STRANGERS_LEN},
};

/// What is done on a socket.
#[derive(Clone, Copy)]
pub enum Way {
    Sends,
    Receives,
}

/// Spreads a socket's number over a word: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a socket's mark would be, and what it would be.
#[derive(Clone, Copy)]
pub struct Mark {
    slot: *mut u64,
    mark: u64,
}

/// What would mark the socket; `None` when it is marked.
#[inline(always)]
pub fn look(socket: u64, way: Way) -> Option<Mark> {
    let socket = socket << 1 | way as u64;
    let slot = slot(socket);
    // Never 0, which is what an empty slot holds.
    let mark = (socket.wrapping_mul(SPREAD) ^ (u64::from(kernel::pid()) << 40) ^ age()) | 1;
    if unsafe { *slot } == mark {
        return None;
    }
    Some(Mark { slot, mark })
}

/// The socket is of interest from now on. Another that has its slot is looked up once more.
#[inline(always)]
pub fn forget(socket: u64, way: Way) {
    unsafe { *slot(socket << 1 | way as u64) = 0 };
}

#[inline(always)]
fn slot(socket: u64) -> *mut u64 {
    let index = kernel::below::<{ STRANGERS_LEN as u64 }>(socket);
    unsafe { (&raw mut STRANGERS).cast::<u64>().add(index as usize) }
}

impl Mark {
    /// The socket is nothing to this process.
    #[inline(always)]
    pub fn set(self) {
        unsafe { *self.slot = self.mark };
    }
}

#[inline(always)]
fn age() -> u64 {
    unsafe { core::ptr::read_volatile(&raw const AGE) }
}

/// What was nothing may be something now. To be called behind the change that makes it so. The agent's ages are odd, so
/// that no age comes again, whoever is last.
#[inline(always)]
pub fn another_age() {
    unsafe { core::ptr::write_volatile(&raw mut AGE, kernel::now() << 1) };
}
