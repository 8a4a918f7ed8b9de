//! Requests in flight: pairs each ReadyForQuery with what it answers.

use poolwatch_ebpf::wire::{Connection, Counter, Deep, QUEUE, RequestKind, Waiting, flags};

use crate::{
    emit, kernel,
    maps::{self, DEEP},
    walk::Walk,
};

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
    let what = c.sending_executes << 8 | kind as u32;
    c.sending = 0;
    c.sending_bytes = 0;
    c.sending_executes = 0;
    c.asking = 0;
    c.asked = c.asked.wrapping_add(1);
    if c.overflow > 0 {
        unsafe { merge(c) };
        return;
    }
    let tail = c.queue_tail;
    let waiting = Waiting { started, sent, what };
    if tail.wrapping_sub(c.queue_head) >= QUEUE as u32 {
        if DEEP.insert(Deep { socket: c.socket, index: tail, reserved: 0 }, waiting, 0).is_err() {
            unsafe { merge(c) };
            return;
        }
        c.deep += 1;
    } else {
        unsafe { *slot(c, tail) = waiting };
    }
    c.queue_tail = tail.wrapping_add(1);
    if c.early > 0 {
        unsafe { settle_early(c, w) };
    }
}

/// No room: it stands in the last one's entry.
#[inline(always)]
unsafe fn merge(c: &mut Connection) {
    c.overflow += 1;
    maps::count(Counter::QueueFull);
}

/// The oldest one's slot becomes free: the first of the deep has the same slot.
#[inline(always)]
unsafe fn drop_oldest(c: &mut Connection) {
    let head = c.queue_head;
    c.queue_head = head.wrapping_add(1);
    if c.deep == 0 {
        return;
    }
    c.deep -= 1;
    let key = Deep { socket: c.socket, index: head.wrapping_add(QUEUE as u32), reserved: 0 };
    unsafe {
        if let Some(waiting) = DEEP.get_ptr(key) {
            *slot(c, head) = *waiting;
        }
    }
    let _ = DEEP.remove(key);
}

/// Forgets the requests that are in the map of all connections.
#[inline(always)]
pub fn forget_deep(c: &mut Connection) {
    if c.deep == 0 {
        return;
    }
    let mut forgetting = Forgetting { socket: c.socket, index: c.queue_tail.wrapping_sub(c.deep) };
    unsafe { kernel::repeat(c.deep, forget_one, &mut forgetting) };
    c.deep = 0;
}

/// Nothing is in flight any more, nor being sent. What the map of all connections has of it is for [`forget_deep`].
#[inline(always)]
pub fn empty(c: &mut Connection) {
    c.queue_head = c.queue_tail;
    c.overflow = 0;
    c.overflow_done = 0;
    c.sending = 0;
    c.sending_bytes = 0;
    c.sending_executes = 0;
}

/// Which entry goes next.
#[repr(C)]
struct Forgetting {
    socket: u64,
    index: u32,
}

unsafe extern "C" fn forget_one(_step: u32, state: *mut Forgetting) -> i64 {
    let state = unsafe { &mut *state };
    let _ = DEEP.remove(Deep { socket: state.socket, index: state.index, reserved: 0 });
    state.index = state.index.wrapping_add(1);
    0
}

/// Forgets one of them in a step of the walk: a loop inside the walk's own is one call deeper than older kernels have stack for.
#[inline(always)]
pub fn forget_next(c: &Connection, w: &mut Walk) {
    let _ = DEEP.remove(Deep { socket: c.socket, index: w.forget_at, reserved: 0 });
    w.forget_at = w.forget_at.wrapping_add(1);
    w.forget -= 1;
}

/// The server ignored every `Sync` that was sent before the end of its COPY data; the one that comes
/// with that end stands for them.
#[inline(always)]
pub fn end_copy_in(c: &mut Connection, w: &mut Walk) {
    c.copy_in = 0;
    if c.queue_head == c.queue_tail {
        return;
    }
    w.forget = c.deep;
    w.forget_at = c.queue_tail.wrapping_sub(c.deep);
    c.deep = 0;
    c.queue_tail = c.queue_head.wrapping_add(1);
    c.asked = c.answered.wrapping_add(1);
    c.overflow = 0;
    c.overflow_done = 0;
    c.swallow = 1;
}

/// The oldest request in flight is one of the extended protocol, whether or not its Sync was sent.
#[inline(always)]
pub unsafe fn is_flight(c: &mut Connection) -> bool {
    if c.queue_head == c.queue_tail {
        return c.sending_executes > 0;
    }
    unsafe { (*slot(c, c.queue_head)).kind() == RequestKind::Sync as u8 }
}

/// When the request that is being answered began; 0 when that is not known.
#[inline(always)]
pub unsafe fn oldest_started(c: &mut Connection) -> u64 {
    if c.queue_head == c.queue_tail { c.sending } else { unsafe { (*slot(c, c.queue_head)).started } }
}

/// An answer was read before this request's hook ran: two threads share the socket.
#[inline(always)]
unsafe fn settle_early(c: &mut Connection, w: &Walk) {
    c.early -= 1;
    let (at, status) = (c.early_at, c.early_status as u8);
    // Counts are the last early answer's, or those of one that came after it.
    let others = c.kept == 0 || c.early > 0;
    c.flags |= flags::EARLY as u32 | if others { flags::APPROXIMATE as u32 } else { 0 };
    unsafe { answer_oldest(c, w, at, status) };
    let begun = c.kept == 0;
    c.kept = 0;
    emit::clear_answer(c);
    if begun {
        c.flags |= flags::APPROXIMATE as u32;
    }
}

/// A ReadyForQuery was read. False when its request is still to come, and the answer's counts are kept.
#[inline(always)]
pub unsafe fn complete(c: &mut Connection, w: &Walk, status: u8) -> bool {
    let head = c.queue_head;
    if head == c.queue_tail {
        return unsafe { unasked(c, w, status) };
    }
    c.no_credit = 0;
    // The last entry stands for all requests that were merged into it.
    if c.overflow > c.overflow_done && head.wrapping_add(1) == c.queue_tail {
        c.overflow_done += 1;
        c.flags |= flags::MERGED as u32;
        return true;
    }
    unsafe { answer_oldest(c, w, w.now, status) };
    true
}

#[inline(always)]
unsafe fn answer_oldest(c: &mut Connection, w: &Walk, at: u64, status: u8) {
    let waiting = unsafe { *slot(c, c.queue_head) };
    unsafe { drop_oldest(c) };
    let merged = 1 + c.overflow_done;
    if c.queue_head == c.queue_tail {
        c.overflow = 0;
        c.overflow_done = 0;
    }
    unsafe { emit::request(c, w, &waiting, at, status, merged) };
    c.answered = c.answered.wrapping_add(merged);
}

/// Nothing is known to be in flight. Where the reader is also the last sender, the request was sent
/// before the probes or lost; where it is another thread, the request's hook may still be on its way.
#[inline(always)]
unsafe fn unasked(c: &mut Connection, w: &Walk, status: u8) -> bool {
    let race = c.sender != 0 && c.sender != kernel::thread() && c.no_credit == 0;
    if race {
        c.early += 1;
        c.early_at = w.now;
        c.early_status = status as u32;
        maps::count(Counter::Early);
        c.kept = 1;
        return false;
    }
    unsafe { without_start(c, w, status) };
    true
}

/// Tells of an answer whose request was not seen.
#[inline(always)]
pub unsafe fn without_start(c: &mut Connection, w: &Walk, status: u8) {
    c.flags |= flags::NO_START as u32;
    let nothing = Waiting { started: 0, sent: 0, what: RequestKind::Query as u32 };
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
    forget_deep(c);
    c.queue_head = c.queue_tail;
    c.overflow = 0;
    c.overflow_done = 0;
    if merged > 1 {
        c.flags |= flags::MERGED as u32;
    }
    unsafe { emit::request(c, w, &oldest, w.now, status, merged) };
    c.answered = c.asked;
}
