//! Sockets that are nothing to us: known at once, so that the rest of the machine hardly pays.
//!
//! A mark says that what a process sends or receives on a socket is nothing to us, as far as was known when that was last
//! looked up. Whatever may make it of interest later begins another age, in which no older mark counts: a process that
//! comes to hold connections, and whatever the agent lists or adopts.

use crate::{
    kernel,
    maps::{AGES, STRANGERS, STRANGERS_LEN},
};

/// What is done on a socket.
#[derive(Clone, Copy)]
pub enum Way {
    Sends,
    Receives,
}

/// What an age is made of: when the kernel side last saw a reason for another, and how many the agent had. Each has its
/// own writers, and no writer writes the same twice: so no age comes again, whoever is last.
mod age {
    pub const OF_KERNEL: u32 = 0;
    pub const OF_AGENT: u32 = 1;
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
    let slot = slot(socket)?;
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
    if let Some(slot) = slot(socket << 1 | way as u64) {
        unsafe { *slot = 0 };
    }
}

#[inline(always)]
fn slot(socket: u64) -> Option<*mut u64> {
    STRANGERS.get_ptr_mut((socket & (STRANGERS_LEN as u64 - 1)) as u32)
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
    let of = |who: u32| AGES.get_ptr(who).map_or(0, |age| unsafe { *age });
    of(age::OF_KERNEL).wrapping_add(of(age::OF_AGENT))
}

/// What was nothing may be something now. To be called behind the change that makes it so.
#[inline(always)]
pub fn another_age() {
    if let Some(age) = AGES.get_ptr_mut(age::OF_KERNEL) {
        unsafe { *age = kernel::now() };
    }
}
