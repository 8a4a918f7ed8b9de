//! What both tiers do with a call on a connection that is encrypted: the client speaks, then the server, then there is
//! silence. A turn of both is a request.
//!
//! A server hands over what its buffer of 8 kB holds when that is full and when an answer is whole: a shorter record
//! ends an answer, unless the server flushed on the way or a proxy stands between; then the answer goes on with the
//! next read. Source: `internal_flush` and `PQ_SEND_BUFFER_SIZE` in
//! <https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/libpq/pqcomm.c>.

use poolwatch_ebpf::wire::{Connection, Counter, Half, RequestKind, Waiting, by, ended_by, flags};

use crate::{
    demand, emit, ending, filter,
    kernel::{self, Caller},
    maps::{self, CONNECTIONS},
    payload,
    sealed::{self, DATA, Moved},
    traffic,
    walk::Walk,
};

/// A record so long is not the last one of an answer.
const FULL: u32 = 8_192;
/// The server's last word at the start, a dozen ParameterStatus messages and ReadyForQuery, is so long; what
/// goes before it and TLS's own tickets are not.
const READY: u32 = 300;
/// Turns after which a connection is ready in any case.
const TURNS: u32 = 8;
/// What is read so long after the answer is no part of it: a notification, or the server's farewell.
const PAUSE: u64 = 20_000_000;
/// An answer that goes on is told again at most that often.
const APART: u64 = 1_000_000;
/// Records of a message without body, Terminate for one: with TLS 1.3; with ChaCha20 or AES-GCM of TLS 1.2. The longest of
/// them is `COMMIT` with TLS 1.3.
const BARE: u32 = 22;
const BARE_OLDER: [u32; 2] = [21, 29];

/// What [`turns_out`] says of a connection that it gave up.
pub const GIVEN_UP: i32 = 2;

/// The client sent bytes, and `moved` is what [`sealed::records_sent`] says of them.
///
/// The verifier looks at functions with a name for the linker on their own: as a part of what calls them they would be
/// too much, and on their stacks.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn turn_sent(socket: u64, sk: u64, length: u64, moved: u64) -> i32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else { return 0 };
    unsafe { sent(&mut *connection, sk, length, Moved::from_number(moved)).is_some() as i32 }
}

/// It received some.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn turn_received(socket: u64, length: u64, moved: u64) -> i32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else { return 0 };
    unsafe { received(&mut *connection, length, Moved::from_number(moved)).is_some() as i32 }
}

/// Looks whether a connection that is older than the probes is encrypted: 1, else 0. One that may lead to anything is then
/// given up, [`GIVEN_UP`]: there is nothing to be read that could prove it.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn turns_out(socket: u64, sk: u64, length: u64, address: u64) -> i32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else { return 0 };
    let c = unsafe { &mut *connection };
    if unsafe { look(sk, length, Caller::from_address(address)) }.is_none() {
        return 0;
    }
    if c.proven == 0 {
        maps::count(Counter::Rejected);
        ending::forget(c);
        return GIVEN_UP;
    }
    unsafe { found(c, sk, kernel::now()) };
    1
}

/// The client speaks now: not yet, or after an answer.
#[inline(always)]
pub fn is_fresh(c: &Connection) -> bool {
    c.sending == 0 || (c.first_byte != 0 && c.ready != 0)
}

#[inline(always)]
unsafe fn sent(c: &mut Connection, sk: u64, length: u64, moved: Moved) -> Option<()> {
    unsafe {
        let w = Walk::current()?;
        let early = overtaken(c, sk, w.now);
        w.started = if early != 0 { early } else { traffic::start_of(c, sk, w.now) };
        c.last = w.now;
        let fresh = is_fresh(c);
        if !moved.data {
            return None;
        }
        if fresh {
            speak(c, w);
        } else if c.first_byte != 0 {
            c.first_byte = 0;
            c.longest = 0;
            c.turns += 1;
        }
        c.sending_bytes += length;
        if bare(c, moved.last) && fresh {
            c.ending |= ended_by::TERMINATE as u8;
            demand::may_begin(c);
        } else {
            w.letter = DATA as u32;
            demand::begins(c, w, length as u32);
        }
        if fresh && early != 0 && c.ready != 0 {
            answered_early(c, w);
        }
    }
    Some(())
}

#[inline(always)]
unsafe fn received(c: &mut Connection, length: u64, moved: Moved) -> Option<()> {
    unsafe {
        let w = Walk::current()?;
        c.last = w.now;
        let unanswered = c.first_byte == 0;
        if !moved.data {
            return None;
        }
        let over = c.told_read != 0 && w.now - c.read > PAUSE;
        if c.sending == 0 || over {
            c.early_at = w.now;
            return None;
        }
        if unanswered {
            c.first_byte = w.now;
            answers_alone(c);
        }
        c.read = w.now;
        c.received += length;
        if moved.whole && moved.last < FULL {
            pause(c, w);
        }
    }
    Some(())
}

/// A message without body that is answered was no Terminate: it was the Sync by which a pool looks whether a connection
/// lives.
#[inline(always)]
unsafe fn answers_alone(c: &mut Connection) {
    if c.ending & ended_by::TERMINATE as u8 != 0 {
        c.ending &= !(ended_by::TERMINATE as u8);
        unsafe { demand::began(c) };
    }
}

#[inline(always)]
unsafe fn look(sk: u64, length: u64, caller: Caller) -> Option<()> {
    let registers = caller.registers()?;
    let w = Walk::begin(sk, length)?;
    let mut half = Half::default();
    if !payload::point(w, &mut half, &registers, payload::form(&registers)) || !sealed::is_data(w) {
        return None;
    }
    Some(())
}

/// What comes next begins a turn: its plaintext was read until now, or is from now on.
#[inline(always)]
pub fn anew(c: &mut Connection) {
    sealed::lose(&mut c.sealed_tx);
    sealed::lose(&mut c.sealed_rx);
    c.first_byte = 0;
    c.read = 0;
    c.told_read = 0;
    c.longest = 0;
    c.asked = c.answered;
}

/// A connection turns out to be encrypted: since before the probes, or from its first byte on.
#[inline(always)]
pub unsafe fn found(c: &mut Connection, sk: u64, now: u64) {
    c.secured = by::TLS as u8;
    c.ready = c.midstream;
    c.sending = 0;
    unsafe {
        if c.told == 0 {
            emit::open(c, sk, now);
        }
        emit::secured(c, now);
    }
}

/// Begins to look at a call; `None` where turns are not taken.
#[inline(always)]
pub fn begin<'a>(c: &Connection, sk: u64, length: u64) -> Option<&'a mut Walk> {
    if c.secured != by::TLS as u8 || c.plain != 0 || !maps::takes_turns() {
        return None;
    }
    Walk::begin(sk, length)
}

/// The client speaks, after an answer or for the first time: what was answered before is over.
#[inline(always)]
unsafe fn speak(c: &mut Connection, w: &Walk) {
    if c.first_byte != 0 && c.told_read != c.read {
        unsafe { tell(c, w) };
    }
    emit::clear_answer(c);
    c.sending = w.started;
    c.sending_bytes = 0;
    c.read = 0;
    c.told_read = 0;
    c.longest = 0;
    c.asked = c.asked.wrapping_add(1);
    c.serves |= (c.serves == 0 && filter::serves(c.pid)) as u8;
    c.beginning = c.serves;
}

/// When TCP sent what this call sent, if the answer was read before this call's hook ran: two threads share the
/// socket. Else 0.
#[inline(always)]
fn overtaken(c: &Connection, sk: u64, now: u64) -> u64 {
    let stamp = kernel::last_transmit(sk);
    if c.early_at != 0 && stamp < c.early_at && now - c.early_at < PAUSE { stamp } else { 0 }
}

#[inline(always)]
unsafe fn answered_early(c: &mut Connection, w: &Walk) {
    c.first_byte = c.early_at;
    c.read = c.early_at;
    c.early_at = 0;
    c.flags |= flags::EARLY as u32;
    unsafe { tell(c, w) };
}

/// The server said something whole: mostly the end of its answer.
#[inline(always)]
unsafe fn pause(c: &mut Connection, w: &Walk) {
    if c.ready == 0 {
        if c.longest >= READY || c.turns >= TURNS {
            unsafe { ready(c, w) };
        }
    } else if c.told_read == 0 || w.now - c.told_read > APART {
        unsafe { tell(c, w) };
    }
}

/// The startup is answered.
#[inline(always)]
unsafe fn ready(c: &mut Connection, w: &Walk) {
    c.flags |= (flags::TURN | flags::APPROXIMATE) as u32;
    let waiting = Waiting { started: c.sending, sent: 0, what: RequestKind::Startup as u32 };
    unsafe { emit::request(c, w, &waiting, c.read, 0, 1) };
    emit::clear_answer(c);
    c.answered = c.answered.wrapping_add(1);
    c.ready = 1;
    c.sending = 0;
    c.sending_bytes = 0;
    c.read = 0;
}

/// Tells of the answer as far as it was read.
#[inline(always)]
unsafe fn tell(c: &mut Connection, w: &Walk) {
    let first = c.told_read == 0;
    c.flags |= (flags::TURN | flags::APPROXIMATE) as u32;
    let sent = if c.sending_bytes > u32::MAX as u64 { u32::MAX } else { c.sending_bytes as u32 };
    let waiting = Waiting { started: c.sending, sent, what: RequestKind::Query as u32 };
    unsafe { emit::request(c, w, &waiting, c.read, 0, first as u32) };
    c.answered = c.answered.wrapping_add(first as u32);
    c.told_read = c.read;
}

#[inline(always)]
fn bare(c: &Connection, length: u32) -> bool {
    if c.older_tls != 0 { length == BARE_OLDER[0] || length == BARE_OLDER[1] } else { length == BARE }
}
