//! What a client says, told as it is sent, and how the statements end that a request has before its last.
//!
//! Most requests need nothing of this but their text: a single Execute and the last statement's end are in
//! the request's own record.

use poolwatch_ebpf::wire::{
    BOUND, Connection, Counter, Execute, Kind, Message, PIECE_LEN, Statement, TAG_LEN, most_told,
};

use crate::{
    emit::{header, header_beside, reserve, ring, wake},
    kernel,
    maps::{self, TELLING},
    queue,
    walk::Walk,
};

/// Tells the next piece of the client's message that lies under the cursor. Says how much of it, and
/// whether more of the body is to be told.
#[inline(always)]
pub unsafe fn message(c: &mut Connection, w: &Walk, length: u64) -> (u64, bool) {
    let most = most_told(c.letter);
    let most = if c.body_len < most { c.body_len } else { most };
    let room = most.wrapping_sub(c.told_bytes) as u64;
    let mut take = if length < PIECE_LEN as u64 { length } else { PIECE_LEN as u64 };
    take = kernel::below::<{ PIECE_LEN as u64 + 1 }>(if room < take { room } else { take });
    if c.told_bytes == 0 {
        // What was answered before comes before what is said: a Close of a suspended portal, for one.
        unsafe {
            release(c, w.now);
            statement(c, w.now);
        }
        if kernel::ring_used(ring()) > maps::no_text_above() {
            maps::count(Counter::TextsRingFull);
            return unheard(c, length);
        }
    }
    let Some(telling) = TELLING.get_ptr_mut(0) else { return (length, false) };
    unsafe {
        let message = &raw mut (*telling).message;
        header_beside(&raw mut (*message).header, Kind::Message, c, w.now);
        // A Query ends its request, and so does nothing else that is told.
        (*message).request = c.asked;
        (*message).nth =
            if c.letter == b'E' { c.sending_executes.wrapping_sub(1) } else { c.sending_executes };
        (*message).length = c.body_len;
        (*message).offset = c.told_bytes;
        (*message).kept = take as u32;
        (*message).letter = c.letter;
        (*message).reserved = [0; 3];
        if !kernel::copy_user((&raw mut (*telling).piece).cast(), take as u32, w.at) {
            maps::count(Counter::PayloadUnread);
            return unheard(c, length);
        }
        let size = size_of::<Message>() as u64 + take;
        if !kernel::output(ring(), telling.cast(), size, wake()) {
            maps::count(Counter::RingFull);
            return unheard(c, length);
        }
    }
    maps::count(Counter::Emitted);
    c.told_bytes += take as u32;
    (take, c.told_bytes < most)
}

/// A message is not told. Of a Query only the text is lost, of others what names mean from here on.
#[inline(always)]
fn unheard(c: &mut Connection, length: u64) -> (u64, bool) {
    if c.letter != b'Q' {
        c.unheard += 1;
    }
    (length, false)
}

/// An `Execute` of the unnamed portal is being sent: told with its request, or before the next message.
#[inline(always)]
pub unsafe fn hold(c: &mut Connection, now: u64) {
    unsafe { release(c, now) };
    c.held = 1;
    c.held_statement = c.bound;
    c.held_bound = c.rebound;
    c.held_request = c.asked;
    c.held_nth = c.sending_executes.wrapping_sub(1);
    c.rebound = 0;
}

/// Tells the `Execute` that is held.
#[inline(always)]
pub unsafe fn release(c: &mut Connection, now: u64) {
    if c.held == 0 {
        return;
    }
    c.held = 0;
    unsafe {
        let Some(mut entry) = reserve::<Execute>() else { return };
        let record = entry.as_mut_ptr();
        header_beside(&raw mut (*record).header, Kind::Execute, c, now);
        (*record).statement = c.held_statement;
        (*record).request = c.held_request;
        (*record).nth = c.held_nth;
        (*record).flags = if c.held_bound != 0 { BOUND } else { 0 };
        (*record).reserved = 0;
        entry.submit(wake());
    }
}

/// Tells how the last statement ended, since another one of its request goes on.
#[inline(always)]
pub unsafe fn statement(c: &mut Connection, now: u64) {
    if c.outcome == 0 {
        return;
    }
    unsafe {
        if let Some(mut entry) = reserve::<Statement>() {
            let record = entry.as_mut_ptr();
            header(&raw mut (*record).header, Kind::Statement, c.pid, c.socket, now, 0);
            (*record).header.time = c.outcome_at;
            (*record).started = queue::oldest_started(c);
            // Behind the answers that overtook their requests.
            (*record).request = c.answered.wrapping_add(c.early).wrapping_sub(c.kept as u32);
            (*record).nth = c.outcomes.wrapping_sub(1);
            (*record).rows = c.last_rows;
            (*record).outcome = c.outcome;
            (*record).sqlstate = c.sqlstate;
            (*record).reserved = [0; 2];
            (*record).tag = c.tag;
            entry.submit(wake());
        }
    }
    c.outcome = 0;
    c.tag = [0; TAG_LEN];
}
