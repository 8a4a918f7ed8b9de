//! HTTP/2: many demands on one accepted socket, each on a stream of its own. Heads of frames alone are read.
//!
//! The HEADERS of a new stream are a demand, and the first HEADERS that the server sends on it are the response.
//! Source: <https://www.rfc-editor.org/rfc/rfc9113#section-4.1>, section 5.1.1 for the numbers of streams.

use poolwatch_ebpf::wire::{Counter, Inbound, call, protocol};

use crate::{
    demand,
    kernel::{self, Caller},
    maps::{self, INBOUND, STREAMS},
    payload, ring, turn,
    walk::{Walk, done},
};

/// Length, type, flags and stream of a frame.
const HEAD: u64 = 9;
/// Room for a head that comes in pieces, twice, so that a masked offset plus a masked length stays inside.
const HEAD_ROOM: usize = 32;
/// What a client's side begins with, see RFC 9113, section 3.4.
pub const PREFACE: u32 = 24;
/// Streams of one socket that may be open at once, and the words that hold a bit of each.
const OPEN: u32 = 1024;
const WORDS: usize = OPEN as usize / 64;

/// Types of frames.
mod frame {
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    /// The last type that anybody defined, and room for some more.
    pub const LAST: u8 = 0x1f;
    /// Longer ones are not sent, though they may be: 16 KiB is what every peer takes, and what most send at most.
    pub const LONGEST: u32 = 1 << 20;
}

/// One direction of a socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frames {
    /// The head that is being read.
    head: [u8; HEAD_ROOM],
    /// Bytes of it that are there.
    head_len: u32,
    /// Bytes until the next head.
    remaining: u32,
}

/// What the probes remember of a socket with streams.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Streams {
    read: Frames,
    written: Frames,
    /// A bit for each stream that is not answered, by its number.
    open: [u64; WORDS],
    /// The newest stream.
    newest: u32,
    /// Makes the padding visible.
    reserved: u32,
}

const NO_FRAMES: Frames = Frames { head: [0; HEAD_ROOM], head_len: 0, remaining: 0 };
/// What a map's new entry begins with lies outside the small stack.
static NO_STREAMS: Streams =
    Streams { read: NO_FRAMES, written: NO_FRAMES, open: [0; WORDS], newest: 0, reserved: 0 };

/// What the loop's callback gets: pointers into maps only.
#[repr(C)]
struct State {
    inbound: *mut Inbound,
    streams: *mut Streams,
    walk: *mut Walk,
}

/// Streams are looked for on this socket from now on, behind so many bytes of what is read next.
#[inline(always)]
pub fn begin(socket: u64, behind: u32) {
    if STREAMS.insert(socket, &NO_STREAMS, 0).is_err() {
        maps::count(Counter::InboundFull);
    } else if let Some(streams) = STREAMS.get_ptr_mut(socket) {
        unsafe { (*streams).read.remaining = behind };
    }
}

/// The socket is over, and with it what was asked on it and not answered.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn streams_end(socket: u64) -> i32 {
    let Some(inbound) = INBOUND.get_ptr_mut(socket) else { return 0 };
    let Some(streams) = STREAMS.get_ptr_mut(socket) else { return 0 };
    let mut ending = Ending { inbound, streams, socket };
    unsafe { kernel::repeat(OPEN, step_end, &mut ending) };
    let _ = STREAMS.remove(socket);
    1
}

/// What that loop's callback gets.
#[repr(C)]
struct Ending {
    inbound: *mut Inbound,
    streams: *mut Streams,
    socket: u64,
}

unsafe extern "C" fn step_end(step: u32, ending: *mut Ending) -> i64 {
    let (i, s, socket) = unsafe { (&*(*ending).inbound, &mut *(*ending).streams, (*ending).socket) };
    let newest = s.newest >> 1;
    let nth = newest.wrapping_sub(newest.wrapping_sub(step) & (OPEN - 1));
    let stream = nth << 1 | 1;
    let (word, bit) = place(stream);
    if s.open[word] & bit != 0 {
        s.open[word] &= !bit;
        unsafe { demand::served(i, named(socket, stream), false) };
    }
    0
}

/// Follows what was read. 0 = nothing can be told of this socket any more.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn streams_read(socket: u64, sk: u64, length: u64, address: u64) -> i32 {
    unsafe { follow::<false>(socket, sk, length, Caller::from_address(address)) as i32 }
}

/// The same of what was written.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn streams_written(socket: u64, sk: u64, length: u64, address: u64) -> i32 {
    unsafe { follow::<true>(socket, sk, length, Caller::from_address(address)) as i32 }
}

#[inline(always)]
unsafe fn follow<const WRITTEN: bool>(socket: u64, sk: u64, length: u64, caller: Caller) -> bool {
    let Some(inbound) = INBOUND.get_ptr_mut(socket) else { return false };
    let Some(streams) = STREAMS.get_ptr_mut(socket) else { return false };
    let (i, frames) = unsafe { (&mut *inbound, frames::<WRITTEN>(&mut *streams)) };
    if frames.remaining as u64 >= length {
        frames.remaining -= length as u32;
        return true;
    }
    let Some(w) = Walk::begin(sk, length) else { return false };
    if !WRITTEN {
        i.pid = kernel::pid();
        i.thread = kernel::thread() as u32;
        i.began = w.now;
    }
    w.started = socket;
    let mut state = State { inbound, streams, walk: w };
    let whole = unsafe { walk::<WRITTEN>(&mut state, caller) };
    i.began = 0;
    if !whole {
        maps::count(if w.done == done::NO { Counter::WalkCapped } else { Counter::PayloadUnread });
    }
    whole
}

#[inline(always)]
unsafe fn walk<const WRITTEN: bool>(state: &mut State, caller: Caller) -> bool {
    let w = unsafe { &mut *state.walk };
    let Some(registers) = caller.registers() else { return false };
    let form = payload::form(&registers);
    let expected = if WRITTEN { call::SENDS } else { call::RECEIVES };
    if form & expected == 0 || form & call::FORM == call::MESSAGES || ring::elsewhere(w.sk, &registers) {
        return false;
    }
    let mut half = poolwatch_ebpf::wire::Half::default();
    if !payload::point(w, &mut half, &registers, form) {
        return false;
    }
    unsafe {
        if WRITTEN {
            kernel::repeat(maps::hops(), step_written, state);
        } else {
            kernel::repeat(maps::hops(), step_read, state);
        }
    }
    w.done == done::ALL || (w.done == done::NO && w.exhausted())
}

#[inline(always)]
fn frames<const WRITTEN: bool>(s: &mut Streams) -> &mut Frames {
    if WRITTEN { &mut s.written } else { &mut s.read }
}

unsafe extern "C" fn step_read(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<false>(&*state) }
}

unsafe extern "C" fn step_written(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<true>(&*state) }
}

/// The rest of a frame, or a head.
#[inline(always)]
unsafe fn step<const WRITTEN: bool>(state: &State) -> i64 {
    let w = unsafe { &mut *state.walk };
    if w.at >= w.end {
        return payload::next_segment(w);
    }
    let there = w.end - w.at;
    let frames = frames::<WRITTEN>(unsafe { &mut *state.streams });
    if frames.remaining > 0 {
        let length = if (frames.remaining as u64) < there { frames.remaining as u64 } else { there };
        frames.remaining -= length as u32;
        w.at += length;
        return 0;
    }
    let carried = kernel::below::<16>(frames.head_len as u64);
    let missing = HEAD.wrapping_sub(carried);
    let length = kernel::below::<16>(if missing < there { missing } else { there });
    let to = unsafe { frames.head.as_mut_ptr().add(carried as usize) };
    if length == 0 || !unsafe { kernel::copy_user(to, length as u32, w.at) } {
        w.done = done::UNREAD;
        return 1;
    }
    w.at += length;
    frames.head_len = (carried + length) as u32;
    if (frames.head_len as u64) < HEAD {
        return 0;
    }
    frames.head_len = 0;
    unsafe { head::<WRITTEN>(state) }
}

#[inline(always)]
unsafe fn head<const WRITTEN: bool>(state: &State) -> i64 {
    let (w, s) = unsafe { (&mut *state.walk, &mut *state.streams) };
    let frames = frames::<WRITTEN>(s);
    let b = &frames.head;
    let (kind, stream) = (b[3], u32::from_be_bytes([b[5], b[6], b[7], b[8]]));
    let length = u32::from_be_bytes([0, b[0], b[1], b[2]]);
    // Where the first bytes were not seen, these may be none.
    if kind > frame::LAST || length > frame::LONGEST || stream >> 31 != 0 {
        w.done = done::MALFORMED;
        return 1;
    }
    frames.remaining = length;
    if stream & 1 == 0 {
        return 0;
    }
    match kind {
        frame::HEADERS if !WRITTEN && stream > s.newest => unsafe { asked(state, stream) },
        frame::HEADERS if WRITTEN => unsafe { answered(state, stream, true) },
        frame::RST_STREAM => unsafe { answered(state, stream, WRITTEN) },
        _ => {}
    }
    0
}

#[inline(always)]
unsafe fn asked(state: &State, stream: u32) {
    let (i, s, socket) = unsafe { (&mut *state.inbound, &mut *state.streams, (*state.walk).started) };
    s.newest = stream;
    let (word, bit) = place(stream);
    s.open[word] |= bit;
    i.turn = turn::asked(i.thread, i.pid, socket);
    let protocol = i.protocol;
    i.protocol = protocol::STREAM;
    unsafe { demand::asked(i, named(socket, stream), None) };
    i.protocol = protocol;
}

/// Answered by the current thread, or given up by the client.
#[inline(always)]
unsafe fn answered(state: &State, stream: u32, answered: bool) {
    let (i, s, socket) = unsafe { (&mut *state.inbound, &mut *state.streams, (*state.walk).started) };
    let (word, bit) = place(stream);
    if s.open[word] & bit == 0 {
        return;
    }
    s.open[word] &= !bit;
    unsafe { demand::served(i, named(socket, stream), answered) };
}

/// Where a stream's bit is.
#[inline(always)]
fn place(stream: u32) -> (usize, u64) {
    let nth = (stream >> 1) as u64;
    (kernel::below::<{ WORDS as u64 }>(nth >> 6) as usize, 1 << (nth & 63))
}

/// Names a stream among all sockets: their own numbers count from 1 up, and none comes to 2^32.
/// Source: `gen_cookie_next` in <https://github.com/torvalds/linux/blob/v6.12/include/linux/cookie.h>.
#[inline(always)]
fn named(socket: u64, stream: u32) -> u64 {
    (stream as u64) << 32 | socket
}
