//! io_uring: bytes that the kernel moves for a thread that asked earlier, or on a thread of its own.
//!
//! The socket's length is reported as for any call, but the thread's registers do not lead to the payload.
//! What they do lead to may look like one: the ring's work is also done on the way out of other calls.

use poolwatch_ebpf::wire::{Connection, by};

use crate::{
    emit, frame,
    kernel::{self, Registers},
    queue,
};

/// `io_uring_enter`, the same number everywhere.
const ENTER: u64 = 426;
/// `PF_IO_WORKER` of include/linux/sched.h: workers and pollers of a ring.
const WORKER: u32 = 0x10;

/// The thread has used a ring, and its call is not one on this socket.
#[inline(always)]
pub fn elsewhere(sk: u64, registers: &Registers) -> bool {
    if !kernel::has_ring() {
        return false;
    }
    match kernel::socket_of(registers.first()) {
        Some((socket, _)) => socket != sk,
        None => true,
    }
}

/// A ring moves these bytes.
#[inline(always)]
pub fn moves(sk: u64, registers: &Registers, form: u8) -> bool {
    registers.number() == ENTER
        || kernel::task_flags() & WORKER != 0
        || (form != 0 && elsewhere(sk, registers))
}

/// From here on the connection cannot be read.
#[inline(always)]
pub unsafe fn hide(c: &mut Connection, sk: u64, now: u64) {
    frame::lose_client(c);
    frame::lose_server(c);
    queue::forget_deep(c);
    queue::empty(c);
    c.secured = by::IO_URING as u8;
    unsafe {
        if c.told == 0 {
            emit::open(c, sk, now);
        }
        emit::secured(c, now);
    }
}
