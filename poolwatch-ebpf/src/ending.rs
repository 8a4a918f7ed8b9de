//! How a connection ends: what is seen of it, and what is told and forgotten then.

use poolwatch_ebpf::wire::{Connection, Counter, call, ended_by, family, phase};

use crate::{
    binding, emit,
    kernel::{self, Registers},
    maps::{self, CONNECTIONS, INBOUND, STARTUPS},
    payload, queue,
};

/// `ECONNRESET` and `EPIPE`
const RESET: [i64; 2] = [-104, -32];

/// End of file, unless no byte was asked for.
#[inline(always)]
pub unsafe fn end_of_file(c: &mut Connection, registers: Option<Registers>) -> Option<()> {
    let registers = registers?;
    if payload::form(&registers) & call::FORM == call::BUFFER && registers.third() == 0 {
        return None;
    }
    c.ending |= ended_by::END_OF_FILE as u8;
    if c.family == family::UNIX || c.unread != 0 {
        unsafe { end(c, ended_by::END_OF_FILE, 0) };
    }
    Some(())
}

/// The call failed since the peer is gone.
#[inline(always)]
pub fn is_reset(result: i64) -> bool {
    result == RESET[0] || result == RESET[1]
}

/// TCP is done, by both sides' FIN, before a client that only half-closed has read everything. Its end is the
/// end of file that it reads; the agent gives up one that it never reads.
#[inline(always)]
pub fn done_unread(c: &mut Connection) {
    c.unread = 1;
    c.last = kernel::now();
}

/// UNIX sockets tell of their peer's end by the errors of calls alone.
#[inline(always)]
pub unsafe fn unix_reset(c: &mut Connection, result: i64) {
    if c.family == family::UNIX && is_reset(result) {
        unsafe { end(c, ended_by::RESET, (0 - result) as u16) };
    }
}

/// The connection is over: told and forgotten.
#[inline(always)]
pub unsafe fn end(c: &mut Connection, why: u16, errno: u16) {
    let mut ended_by = c.ending as u16 | why;
    if c.ready == 0 && c.midstream == 0 {
        ended_by |= ended_by::STARTUP;
    }
    // Answers that left a UNIX socket by `splice()` give no other sign.
    let unanswered = c.queue_tail.wrapping_sub(c.queue_head);
    if ended_by & ended_by::TERMINATE != 0 && unanswered > 1 {
        maps::count(Counter::PayloadUnread);
    }
    unsafe { emit::close(c, ended_by, errno, kernel::now()) };
    forget(c);
}

/// Nothing is left of it in any map.
#[inline(always)]
pub fn forget(c: &mut Connection) {
    queue::forget_deep(c);
    if c.phase == phase::STARTUP {
        let _ = STARTUPS.remove(c.socket);
    }
    if c.plain != 0 {
        binding::forget(c);
    }
    // It was read from before it was known for a connection.
    let _ = INBOUND.remove(c.socket);
    let _ = CONNECTIONS.remove(c.socket);
}
