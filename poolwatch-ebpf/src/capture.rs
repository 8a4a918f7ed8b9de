//! The few bodies of which something is kept or told: status byte, command tag, SQLSTATE, StartupMessage,
//! and what names a statement.

use poolwatch_ebpf::wire::{
    Connection, Counter, HEAD, NAME_LEN, NAME_SEED, RequestKind, STARTUP_LEN, TAG_LEN, add_to_name,
    finish_name, phase,
};

use crate::{
    emit, frame, kernel,
    maps::{self, EMPTY_STARTUP, STARTUPS},
    queue, said,
    walk::{State, Walk},
};

/// Nothing is kept.
pub const NONE: u32 = 0;
/// Head of a CommandComplete: its tag.
pub const TAG: u32 = 1;
/// Head of an ErrorResponse: its SQLSTATE.
pub const ERROR: u32 = 2;
/// The status byte of ReadyForQuery.
pub const STATUS: u32 = 3;
/// A StartupMessage.
pub const STARTUP: u32 = 4;

/// A body that is told, up to a length.
pub const TELL: u32 = 5;
/// The names at the head of a Bind.
pub const BIND: u32 = 6;
/// The name at the head of an Execute.
pub const EXECUTE: u32 = 7;
/// The rest of a Query: its request is whole with it.
pub const QUERY_END: u32 = 8;

/// Keeps the head of the server message that begins here.
#[inline(always)]
pub fn begin(c: &mut Connection, what: u32) {
    c.rx.capture = what;
    c.head_len = 0;
}

/// Tells of the client's message that begins here.
#[inline(always)]
pub fn tell(c: &mut Connection, letter: u8) {
    c.letter = letter;
    c.body_len = c.tx.remaining;
    c.told_bytes = 0;
    if c.tx.remaining > 0 && maps::tells_sql() {
        c.tx.capture = TELL;
    }
}

/// Looks at the names of the Bind or Execute that begins here.
#[inline(always)]
pub fn look(c: &mut Connection, what: u32) {
    if c.tx.remaining > 0 && maps::tells_sql() {
        c.tx.capture = what;
    }
}

/// A piece of a body of which something is kept lies under the cursor. Says how much of it was taken: nothing, where the next
/// step is to tell it.
#[inline(always)]
pub unsafe fn body<const SERVER_SENT: bool>(
    state: &State,
    c: &mut Connection,
    w: &mut Walk,
    length: u64,
) -> u64 {
    if SERVER_SENT {
        unsafe { head(c, w, length) };
        return length;
    }
    match c.tx.capture {
        TELL => unsafe { tell_piece(c, w, length) },
        BIND => unsafe { bind(state, c, w, length) },
        EXECUTE => unsafe { execute(state, c, w, length) },
        STARTUP => {
            unsafe { startup_piece(c, w, length) };
            length
        }
        _ => length,
    }
}

/// Tells a piece; of what is behind the last one told nothing more is kept.
#[inline(always)]
unsafe fn tell_piece(c: &mut Connection, w: &Walk, length: u64) -> u64 {
    let (taken, more) = unsafe { said::message(c, w, length) };
    if !more {
        c.tx.capture = if c.letter == b'Q' { QUERY_END } else { NONE };
    }
    taken
}

/// Remembers which statement the unnamed portal is bound to. A named portal, or names that lie across
/// two calls, are told as they are.
#[inline(always)]
unsafe fn bind(state: &State, c: &mut Connection, w: &mut Walk, length: u64) -> u64 {
    const NAMES: u64 = 2 + NAME_LEN as u64;
    let there = w.end.wrapping_sub(w.at);
    let named = unsafe { w.fill(state.chunk, 1, there) && w.peek(state.chunk)[0] != 0 };
    if !named && (length >= NAMES || length == c.tx.remaining as u64) {
        let need = if length < NAMES { length } else { NAMES };
        if unsafe { w.fill(state.chunk, need, there) } {
            let statement = unsafe { name_behind_nul(w, state.chunk) };
            if statement != 0 {
                c.bound = statement;
                c.rebound = 1;
                c.tx.capture = NONE;
                return length;
            }
        }
    }
    if !named {
        c.bound = 0;
        c.rebound = 0;
    }
    tell(c, b'B');
    0
}

/// The number of the name one byte behind the cursor; 0 when it is longer than names are.
#[inline(always)]
unsafe fn name_behind_nul(w: &Walk, chunk: *const u8) -> u64 {
    let mut hash = NAME_SEED;
    macro_rules! word {
        ($at:literal) => {
            let (next, ended) = add_to_name(hash, u64::from_le_bytes(unsafe { w.peek_behind::<$at>(chunk) }));
            hash = next;
            if ended {
                return finish_name(hash);
            }
        };
    }
    word!(1);
    word!(9);
    word!(17);
    word!(25);
    word!(33);
    word!(41);
    word!(49);
    word!(57);
    let _ = hash;
    0
}

/// An Execute: of the unnamed portal it is held back, since mostly its request's record can tell it.
#[inline(always)]
unsafe fn execute(state: &State, c: &mut Connection, w: &mut Walk, length: u64) -> u64 {
    if unsafe { w.fill(state.chunk, 1, w.end.wrapping_sub(w.at)) && w.peek(state.chunk)[0] == 0 } {
        unsafe { said::hold(c, w.now) };
        c.tx.capture = NONE;
        return length;
    }
    tell(c, b'E');
    0
}

#[inline(always)]
unsafe fn head(c: &mut Connection, w: &Walk, length: u64) {
    if c.rx.capture == STATUS {
        c.head[0] = kernel::read_user(w.at, 0u8);
        return;
    }
    let used = (c.head_len & (HEAD as u32 - 1)) as u64;
    let room = if c.rx.capture == TAG { TAG_LEN as u64 } else { HEAD as u64 - 1 };
    if used >= room {
        return;
    }
    let mut take = room - used;
    if take > length {
        take = length;
    }
    take = kernel::below::<{ HEAD as u64 }>(take);
    let to = unsafe { c.head.as_mut_ptr().add(used as usize) };
    if unsafe { kernel::copy_user(to, take as u32, w.at) } {
        c.head_len = (used + take) as u32;
    }
}

/// The body is complete.
#[inline(always)]
pub unsafe fn ended<const SERVER_SENT: bool>(c: &mut Connection, w: &Walk) {
    if !SERVER_SENT {
        let what = c.tx.capture;
        c.tx.capture = NONE;
        match what {
            STARTUP => unsafe { startup_ended(c, w) },
            QUERY_END => unsafe { queue::push(c, w, RequestKind::Query) },
            _ => {}
        }
        return;
    }
    let what = c.rx.capture;
    c.rx.capture = NONE;
    match what {
        STATUS => {
            let status = c.head[0];
            unsafe { frame::ready(c, w, status) };
        }
        TAG => {
            tag(c);
            frame::outcome(c, w, b'C');
        }
        _ => {
            if c.errors == 1 {
                sqlstate(c);
            }
            frame::outcome(c, w, b'E');
        }
    }
}

#[inline(always)]
fn tag(c: &mut Connection) {
    let mut i = 0;
    while i < TAG_LEN {
        c.tag[i] = if (i as u32) < c.head_len { c.head[i] } else { 0 };
        i += 1;
    }
}

/// Fields of an ErrorResponse are a letter and a text that ends in NUL; the code's letter is `C`, and
/// only the severity (`S`, `V`) stands before it.
#[inline(always)]
fn sqlstate(c: &mut Connection) {
    let mut i = 0;
    while i < HEAD - 8 {
        if c.head[i] == 0 && c.head[i + 1] == b'C' {
            let mut k = 0;
            while k < 5 {
                c.sqlstate[k] = c.head[i + 2 + k];
                k += 1;
            }
            return;
        }
        i += 1;
    }
}

/// Begins to keep a StartupMessage; its length and version were just seen.
#[inline(always)]
pub unsafe fn startup(c: &mut Connection, version: u32) {
    let Some(empty) = EMPTY_STARTUP.get_ptr(0) else { return };
    c.tx.capture = STARTUP;
    if STARTUPS.insert(c.socket, unsafe { &*empty }, 0).is_err() {
        maps::count(Counter::ConnectionsFull);
        return;
    }
    if let Some(startup) = STARTUPS.get_ptr_mut(c.socket) {
        let startup = unsafe { &mut *startup };
        startup.declared = c.startup_len;
        let version = version.to_be_bytes();
        let mut i = 0;
        while i < 4 {
            startup.body[i] = version[i];
            i += 1;
        }
        startup.kept = 4;
    }
}

#[inline(always)]
unsafe fn startup_piece(c: &mut Connection, w: &Walk, length: u64) {
    let Some(startup) = STARTUPS.get_ptr_mut(c.socket) else { return };
    let startup = unsafe { &mut *startup };
    // Offset and length are each below half of the room, which the verifier can add up; drivers send
    // far less, and what is cut is counted where the parameters are read.
    const HALF: u64 = STARTUP_LEN as u64 / 2;
    let used = (startup.kept as u64) & (HALF - 1);
    if startup.kept as u64 >= HALF {
        return;
    }
    let take = if length < HALF { length & (HALF - 1) } else { HALF - 1 };
    let to = unsafe { startup.body.as_mut_ptr().add(used as usize) };
    if unsafe { kernel::copy_user(to, take as u32, w.at) } {
        startup.kept = (used + take) as u32;
    }
}

#[inline(always)]
unsafe fn startup_ended(c: &mut Connection, w: &Walk) {
    c.phase = phase::MESSAGES;
    c.rx.lost = 0;
    c.rx.remaining = 0;
    c.rx.header_len = 0;
    unsafe {
        if let Some(startup) = STARTUPS.get_ptr_mut(c.socket) {
            emit::startup(c, &mut *startup, w.now);
            let _ = STARTUPS.remove(c.socket);
        }
        queue::push(c, w, RequestKind::Startup);
    }
}
