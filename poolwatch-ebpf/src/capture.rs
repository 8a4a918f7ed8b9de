//! The few bodies of which something is kept: status byte, command tag, SQLSTATE, StartupMessage.

use poolwatch_ebpf::wire::{Connection, Counter, HEAD, RequestKind, STARTUP_LEN, TAG_LEN, phase};

use crate::{
    emit, frame, kernel,
    maps::{self, EMPTY_STARTUP, STARTUPS},
    queue,
    walk::Walk,
};

/// Nothing is kept.
pub const NONE: u32 = 0;
/// Head of a CommandComplete: the first word of its tag.
pub const TAG: u32 = 1;
/// Head of an ErrorResponse: its SQLSTATE.
pub const ERROR: u32 = 2;
/// The status byte of ReadyForQuery.
pub const STATUS: u32 = 3;
/// A StartupMessage.
pub const STARTUP: u32 = 4;

/// Keeps the head of the server message that begins here.
#[inline(always)]
pub fn begin(c: &mut Connection, what: u32) {
    c.rx.capture = what;
    c.head_len = 0;
}

/// A piece of a body of which something is kept lies under the cursor.
#[inline(always)]
pub unsafe fn body<const SERVER_SENT: bool>(c: &mut Connection, w: &Walk, length: u64) {
    if SERVER_SENT {
        unsafe { head(c, w, length) };
    } else {
        unsafe { startup_piece(c, w, length) };
    }
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
    take &= HEAD as u64 - 1;
    let to = unsafe { c.head.as_mut_ptr().add(used as usize) };
    if unsafe { kernel::copy_user(to, take as u32, w.at) } {
        c.head_len = (used + take) as u32;
    }
}

/// The body is complete.
#[inline(always)]
pub unsafe fn ended<const SERVER_SENT: bool>(c: &mut Connection, w: &Walk) {
    if !SERVER_SENT {
        c.tx.capture = NONE;
        unsafe { startup_ended(c, w) };
        return;
    }
    let what = c.rx.capture;
    c.rx.capture = NONE;
    match what {
        STATUS => {
            let status = c.head[0];
            unsafe { frame::ready(c, w, status) };
        }
        TAG => tag(c),
        _ => sqlstate(c),
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
