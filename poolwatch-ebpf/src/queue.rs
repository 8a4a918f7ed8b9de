//! Requests in flight: pairs each ReadyForQuery with what it answers.

use poolwatch_ebpf::wire::{Connection, Counter, QUEUE, RequestKind, Waiting, flags};

use crate::{emit, kernel, maps, walk::Walk};

const SLOT: u32 = QUEUE as u32 - 1;

#[inline(always)]
unsafe fn slot(c: &mut Connection, index: u32) -> *mut Waiting {
    unsafe { c.queue.as_mut_ptr().add((index & SLOT) as usize) }
}

/// A request was sent whole.
#[inline(always)]
pub unsafe fn push(c: &mut Connection, w: &Walk, kind: RequestKind) {
    let started = c.sending;
    let sent = if c.sending_bytes > u32::MAX as u64 { u32::MAX } else { c.sending_bytes as u32 };
    let executes = if c.sending_executes > 0xffff { 0xffff } else { c.sending_executes as u16 };
    c.sending = 0;
    c.sending_bytes = 0;
    c.sending_executes = 0;
    c.tx.reserved = 0;
    let tail = c.queue_tail;
    if c.overflow > 0 || tail.wrapping_sub(c.queue_head) >= QUEUE as u32 {
        c.overflow += 1;
        maps::count(Counter::QueueFull);
        return;
    }
    unsafe {
        let waiting = slot(c, tail);
        (*waiting).started = started;
        (*waiting).sent = sent;
        (*waiting).executes = executes;
        (*waiting).kind = kind as u8;
        (*waiting).reserved = 0;
    }
    c.queue_tail = tail.wrapping_add(1);
    if c.early > 0 {
        unsafe { settle_early(c, w) };
    }
}

/// An answer was read before this request's hook ran: two threads share the socket.
#[inline(always)]
unsafe fn settle_early(c: &mut Connection, w: &Walk) {
    c.early -= 1;
    let (at, status) = (c.early_at, c.early_status as u8);
    c.flags |= flags::EARLY as u32;
    unsafe { answer_oldest(c, w, at, status) };
}

/// A ReadyForQuery was read.
#[inline(always)]
pub unsafe fn complete(c: &mut Connection, w: &Walk, status: u8) {
    let head = c.queue_head;
    if head == c.queue_tail {
        unsafe { unasked(c, w, status) };
        return;
    }
    c.no_credit = 0;
    // The last entry stands for all requests that were merged into it.
    if c.overflow > c.overflow_done && head.wrapping_add(1) == c.queue_tail {
        c.overflow_done += 1;
        c.flags |= flags::MERGED as u32;
        return;
    }
    unsafe { answer_oldest(c, w, w.now, status) };
}

#[inline(always)]
unsafe fn answer_oldest(c: &mut Connection, w: &Walk, at: u64, status: u8) {
    let head = c.queue_head;
    let waiting = unsafe { *slot(c, head) };
    c.queue_head = head.wrapping_add(1);
    let merged = 1 + c.overflow_done;
    if c.queue_head == c.queue_tail {
        c.overflow = 0;
        c.overflow_done = 0;
    }
    unsafe { emit::request(c, w, &waiting, at, status, merged) };
}

/// Nothing is known to be in flight. Where the reader is also the last sender, the request was sent
/// before the probes or lost; where it is another thread, the request's hook may still be on its way.
#[inline(always)]
unsafe fn unasked(c: &mut Connection, w: &Walk, status: u8) {
    let race = c.sender != 0 && c.sender != kernel::thread() && c.no_credit == 0;
    if race && c.sending == 0 {
        c.early += 1;
        c.early_at = w.now;
        c.early_status = status as u32;
        maps::count(Counter::Early);
        return;
    }
    unsafe { without_start(c, w, status) };
}

/// Tells of an answer whose request was not seen.
#[inline(always)]
pub unsafe fn without_start(c: &mut Connection, w: &Walk, status: u8) {
    c.flags |= flags::NO_START as u32;
    let nothing = Waiting { started: 0, sent: 0, executes: 0, kind: RequestKind::Query as u8, reserved: 0 };
    unsafe { emit::request(c, w, &nothing, w.now, status, 1) };
}

/// Answers everything that is in flight at once: where one answer ends and the next begins is not known.
#[inline(always)]
pub unsafe fn complete_all(c: &mut Connection, w: &Walk, status: u8) {
    let waiting = c.queue_tail.wrapping_sub(c.queue_head);
    if waiting == 0 {
        c.sending = 0;
        unsafe { without_start(c, w, status) };
        return;
    }
    let oldest = unsafe { *slot(c, c.queue_head) };
    let merged = waiting + c.overflow;
    c.queue_head = c.queue_tail;
    c.overflow = 0;
    c.overflow_done = 0;
    if merged > 1 {
        c.flags |= flags::MERGED as u32;
    }
    unsafe { emit::request(c, w, &oldest, w.now, status, merged) };
}
