//! The framer: walks message headers in both directions, with carry state per connection.
//!
//! A message may begin and end anywhere in a call's payload; what is cut is carried in the
//! connection's [`Half`]. Formats: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use poolwatch_ebpf::wire::{Connection, Half, RequestKind, flags, phase};

use crate::{
    capture, emit, kernel, opening, payload, queue, said,
    walk::{State, Walk, client_header, done},
};

/// Longest message: the server's own limit is 1 GB minus a bit.
const LONGEST: u32 = 0x3fff_ffff;
/// Letters as bits: 64 to 127 in one word, since all but `1 2 3` are above.
const fn letters(all: &[u8]) -> u64 {
    let mut bits = 0;
    let mut i = 0;
    while i < all.len() {
        bits |= 1 << (all[i] - 64);
        i += 1;
    }
    bits
}

const CLIENT: u64 = letters(b"BCcdDEFfHpPQSX");
/// Letters that a request may begin with.
const REQUEST: u64 = letters(b"BCDEFHPQS");
const SERVER: u64 = letters(b"AcCdDEGHIKnNRsStTvVWZ");

/// A letter that a client may begin a message with.
#[inline(always)]
pub fn is_client(letter: u8) -> bool {
    letter >= 64 && letter < 128 && CLIENT >> (letter - 64) & 1 == 1
}

/// A letter that a server may begin a message with.
#[inline(always)]
pub fn is_server(letter: u8) -> bool {
    (letter >= 64 && letter < 128 && SERVER >> (letter - 64) & 1 == 1) || (letter >= b'1' && letter <= b'3')
}

/// One step of the walk over what the client sent: rest of a body, then one header.
pub unsafe extern "C" fn step_client(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<false>(&*state) }
}

/// One step of the walk over what the server sent.
pub unsafe extern "C" fn step_server(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<true>(&*state) }
}

#[inline(always)]
unsafe fn step<const SERVER_SENT: bool>(state: &State) -> i64 {
    let (c, w) = unsafe { (&mut *state.connection, &mut *state.walk) };
    if !SERVER_SENT && w.forget > 0 {
        queue::forget_next(c, w);
        return 0;
    }
    if w.at >= w.end {
        return payload::next_segment(w);
    }
    let half = if SERVER_SENT { &mut c.rx } else { &mut c.tx };
    if half.remaining > 0 {
        let there = w.end - w.at;
        let length = if (half.remaining as u64) < there { half.remaining as u64 } else { there };
        let length = match half.capture {
            capture::NONE => length,
            _ => unsafe { capture::body::<SERVER_SENT>(state, c, w, length) },
        };
        let half = if SERVER_SENT { &mut c.rx } else { &mut c.tx };
        half.remaining -= length as u32;
        w.at += length;
        let ended = half.remaining == 0;
        if SERVER_SENT {
            c.received += length;
        } else {
            c.sending_bytes = c.sending_bytes.wrapping_add(length);
        }
        if ended && half_capture::<SERVER_SENT>(c) != capture::NONE {
            unsafe { capture::ended::<SERVER_SENT>(c, w) };
        }
        if !ended || w.at >= w.end {
            return 0;
        }
    }
    unsafe { header::<SERVER_SENT>(state, c, w) }
}

#[inline(always)]
fn half_capture<const SERVER_SENT: bool>(c: &Connection) -> u32 {
    if SERVER_SENT { c.rx.capture } else { c.tx.capture }
}

/// Takes one header, whole from the chunk or in pieces through the carry.
#[inline(always)]
unsafe fn header<const SERVER_SENT: bool>(state: &State, c: &mut Connection, w: &mut Walk) -> i64 {
    let need = if SERVER_SENT { 5 } else { client_header(c) };
    let there = w.end - w.at;
    let carried = if SERVER_SENT { c.rx.header_len } else { c.tx.header_len };
    if !SERVER_SENT && c.sending == 0 {
        c.sending = w.started;
        c.sending_bytes = 0;
    }
    let bytes;
    if carried == 0 && there >= need {
        // One byte more than a header, where it is there: ReadyForQuery's status.
        let want = if there > need { need + 1 } else { need };
        if !unsafe { w.fill(state.chunk, if want > 8 { 8 } else { want }, there) } {
            w.done = done::UNREAD;
            return 1;
        }
        bytes = unsafe { w.peek(state.chunk) };
        w.at += need;
    } else {
        let half = if SERVER_SENT { &mut c.rx } else { &mut c.tx };
        let carried = (half.header_len & 7) as u64;
        let mut length = need.wrapping_sub(carried) & 15;
        if length > there {
            length = there & 7;
        }
        if length == 0 || length > 8 || carried + length > 8 {
            half.header_len = 0;
            w.done = done::MALFORMED;
            return 1;
        }
        let to = unsafe { half.header.as_mut_ptr().add(carried as usize) };
        if !unsafe { copy_few(to, length, w.at) } {
            w.done = done::UNREAD;
            return 1;
        }
        w.at += length;
        let half = if SERVER_SENT { &mut c.rx } else { &mut c.tx };
        half.header_len = (carried + length) as u32;
        if (half.header_len as u64) < need {
            return 0;
        }
        half.header_len = 0;
        bytes = half.header;
    }
    if SERVER_SENT {
        unsafe { server_message(c, w, bytes) }
    } else {
        c.sending_bytes = c.sending_bytes.wrapping_add(need);
        unsafe { client_message(c, w, bytes) }
    }
}

/// At most eight bytes into a field of eight at an offset: one by one, which the verifier can follow.
#[inline(always)]
unsafe fn copy_few(to: *mut u8, length: u64, from: u64) -> bool {
    let Some(bytes) = read_few(from, length) else { return false };
    let mut i = 0;
    while i < 8 {
        if i < length as usize {
            unsafe { *to.add(i) = bytes[i] };
        }
        i += 1;
    }
    true
}

#[inline(always)]
fn read_few(from: u64, length: u64) -> Option<[u8; 8]> {
    let mut bytes = [0u8; 8];
    let length = if length > 8 { 8 } else { length };
    if unsafe { kernel::copy_user(bytes.as_mut_ptr(), length as u32, from) } { Some(bytes) } else { None }
}

#[inline(always)]
unsafe fn server_message(c: &mut Connection, w: &mut Walk, b: [u8; 8]) -> i64 {
    let letter = b[0];
    let length = u32::from_be_bytes([b[1], b[2], b[3], b[4]]);
    if length < 4 || length > LONGEST || !is_server(letter) {
        w.done = done::MALFORMED;
        return 1;
    }
    if c.kept != 0 {
        c.kept = 0;
        emit::clear_answer(c);
    }
    c.received += 5;
    let waiting = c.queue_head != c.queue_tail || c.sending != 0;
    if c.first_byte == 0 && waiting {
        c.first_byte = w.now;
    }
    c.rx.remaining = length - 4;
    match letter {
        b'Z' => {
            if length != 5 {
                w.done = done::MALFORMED;
                return 1;
            }
            c.rx.capture = capture::STATUS;
        }
        b'D' => {
            c.rows = c.rows.wrapping_add(1);
            c.statement_rows = c.statement_rows.wrapping_add(1);
        }
        b'C' => {
            c.completions += 1;
            unsafe { said::statement(c, w.now) };
            capture::begin(c, capture::TAG);
        }
        b'I' | b's' => {
            c.completions += u32::from(letter == b'I');
            unsafe { said::statement(c, w.now) };
            outcome(c, w, letter);
        }
        b'E' => {
            c.errors += 1;
            unsafe { said::statement(c, w.now) };
            capture::begin(c, capture::ERROR);
        }
        // For an `Execute`: whatever Sync follows it up to the end of the data is not answered.
        b'G' if unsafe { queue::is_flight(c) } => c.copy_in = 1,
        _ => {}
    }
    0
}

/// A statement ended; told once it is known whether its request has another.
#[inline(always)]
pub fn outcome(c: &mut Connection, w: &Walk, letter: u8) {
    c.outcome = letter;
    c.outcome_at = w.now;
    c.outcomes += 1;
    c.last_rows = c.statement_rows;
    c.statement_rows = 0;
}

#[inline(always)]
unsafe fn client_message(c: &mut Connection, w: &mut Walk, b: [u8; 8]) -> i64 {
    if c.phase == phase::STARTUP {
        return unsafe { opening::packet(c, w, b) };
    }
    let letter = b[0];
    let length = u32::from_be_bytes([b[1], b[2], b[3], b[4]]);
    if length < 4 || length > LONGEST || !is_client(letter) {
        w.done = done::MALFORMED;
        return 1;
    }
    c.tx.remaining = length - 4;
    if w.letter == 0 && REQUEST >> (letter - 64) & 1 == 1 {
        w.letter = letter as u32;
    }
    match letter {
        b'P' | b'C' => capture::tell(c, letter),
        b'B' => capture::look(c, capture::BIND),
        b'E' => {
            c.sending_executes += 1;
            capture::look(c, capture::EXECUTE);
        }
        // Its request is whole with its body, which is told before.
        b'Q' if c.tx.remaining > 0 => {
            c.tx.capture = capture::QUERY_END;
            capture::tell(c, letter);
        }
        b'S' if c.swallow > 0 => {
            c.swallow = 0;
            c.sending = 0;
            c.sending_bytes = 0;
            return 0;
        }
        b'S' => return unsafe { ends(c, w, RequestKind::Sync) },
        b'F' => return unsafe { ends(c, w, RequestKind::FunctionCall) },
        b'X' => c.ending |= poolwatch_ebpf::wire::ended_by::TERMINATE as u8,
        b'p' | b'd' | b'c' | b'f' => {
            if c.copy_in != 0 && (letter == b'c' || letter == b'f') {
                queue::end_copy_in(c, w);
            }
            // Authentication and COPY data begin no request of their own.
            if c.asking == 0 {
                c.sending = 0;
                c.sending_bytes = 0;
            }
            return 0;
        }
        _ => {}
    }
    c.asking = 1;
    0
}

/// The request is whole once this message's body is sent; the body counts to it already here.
#[inline(always)]
unsafe fn ends(c: &mut Connection, w: &Walk, kind: RequestKind) -> i64 {
    let body = c.tx.remaining as u64;
    c.sending_bytes = c.sending_bytes.wrapping_add(body);
    unsafe { queue::push(c, w, kind) };
    c.sending_bytes = 0u64.wrapping_sub(body);
    0
}

/// Forgets what was carried of the server's half: where its next message begins nobody knows.
#[inline(always)]
pub fn lose_server(c: &mut Connection) {
    lose(&mut c.rx);
    c.trail = 0;
    c.flags |= flags::APPROXIMATE as u32;
}

/// The client's half: its next call is taken to begin a message.
#[inline(always)]
pub fn lose_client(c: &mut Connection) {
    lose(&mut c.tx);
    c.unheard += 1;
    c.bound = 0;
    c.rebound = 0;
    c.copy_in = 0;
    c.swallow = 0;
    c.flags |= flags::APPROXIMATE as u32;
}

#[inline(always)]
fn lose(half: &mut Half) {
    half.lost = 1;
    half.remaining = 0;
    half.header_len = 0;
    half.capture = capture::NONE;
}

/// Writes what a ReadyForQuery ends.
#[inline(always)]
pub unsafe fn ready(c: &mut Connection, w: &Walk, status: u8) {
    c.ready = 1;
    c.proven = 1;
    c.copy_in = 0;
    // Where another thread sends, the hook of the Sync that is to be swallowed may still be on its way.
    if c.sender == kernel::thread() {
        c.swallow = 0;
    }
    if unsafe { queue::complete(c, w, status) } {
        emit::clear_answer(c);
    }
}
