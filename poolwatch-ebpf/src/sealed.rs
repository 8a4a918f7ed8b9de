//! TLS records of an encrypted connection: where each begins and ends, and of what type it is. Heads alone are read.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>; the head is the same since SSL 3.0.

use poolwatch_ebpf::wire::{Connection, Counter, Half, call};

use crate::{
    kernel::{self, Caller},
    maps::{self, CHUNKS, CONNECTIONS},
    payload, ring, secured,
    walk::{State, Walk, done},
};

/// Type, version and length.
const HEAD: u64 = 5;
/// A record's type that carries messages; since TLS 1.3 also the end of the handshake.
pub const DATA: u8 = 23;
/// A record's type that carries the handshake, and the length up to which one of the client is none of TLS 1.3: there its
/// hello alone is of that type.
const HANDSHAKE: u8 = 22;
const NO_HELLO: u32 = 64;
/// Length of an alert that TLS 1.3 shows as [`DATA`]: level, description, the true type and the seal. No message is so short.
const ALERT: u32 = 2 + 1 + 16;
/// Types: `change_cipher_spec`, `alert`, `handshake`, `application_data`, `heartbeat`.
const TYPES: (u8, u8) = (20, 24);
/// Longest record: 2^14 bytes, and what encryption of TLS 1.2 may add.
const LONGEST: u32 = 16_384 + 2_048;

/// What a call moved.
pub struct Moved {
    /// Some of it was [`DATA`], or it is not known what.
    pub data: bool,
    /// It ended where a record ends, or where records end is not known.
    pub whole: bool,
    /// Length of the last record without its head; 0 = not known.
    pub last: u32,
}

impl Moved {
    /// As one number, which is never 0.
    #[inline(always)]
    fn number(&self) -> i32 {
        (1 | (self.data as u32) << 1 | (self.whole as u32) << 2 | self.last << 8) as i32
    }

    /// From that number.
    #[inline(always)]
    pub fn from_number(number: u64) -> Self {
        Self { data: number & 2 != 0, whole: number & 4 != 0, last: (number >> 8) as u32 & 0xffff }
    }
}

/// Follows what the client sent. The answer is a [`Moved`] as a number, or 0 where turns are not taken.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn records_sent(socket: u64, sk: u64, length: u64, messages: u64, address: u64) -> i32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else { return 0 };
    let c = unsafe { &mut *connection };
    let Some(w) = secured::begin(c, sk, length) else { return 0 };
    if secured::is_fresh(c) {
        begins(&mut c.sealed_tx);
    }
    unsafe { follow::<false>(c, w, messages, Caller::from_address(address)).number() }
}

/// The same of what it received.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn records_received(socket: u64, sk: u64, length: u64, messages: u64, address: u64) -> i32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else { return 0 };
    let c = unsafe { &mut *connection };
    let Some(w) = secured::begin(c, sk, length) else { return 0 };
    if c.first_byte == 0 {
        begins(&mut c.sealed_rx);
    }
    unsafe { follow::<true>(c, w, messages, Caller::from_address(address)).number() }
}

/// Follows the records of one call.
#[inline(always)]
unsafe fn follow<const SERVER_SENT: bool>(
    c: &mut Connection,
    w: &mut Walk,
    messages: u64,
    caller: Caller,
) -> Moved {
    let half = half::<SERVER_SENT>(c);
    let length = w.left;
    if half.lost == 0 && half.remaining as u64 >= length {
        half.remaining -= length as u32;
        return moved(half, data_of(half));
    }
    let mut data = half.lost != 0 || (half.remaining > 0 && data_of(half));
    if half.lost == 0 {
        if unsafe { walk::<SERVER_SENT>(c, w, messages, caller) } {
            data |= w.letter == DATA as u32;
        } else {
            maps::count(match w.done {
                done::MALFORMED if SERVER_SENT => Counter::ServerUnparsed,
                done::MALFORMED => Counter::ClientUnparsed,
                done::NO if w.left > 0 && w.at < w.end => Counter::WalkCapped,
                _ => Counter::PayloadUnread,
            });
            lose(self::half::<SERVER_SENT>(c));
            data = true;
        }
    }
    moved(self::half::<SERVER_SENT>(c), data)
}

#[inline(always)]
unsafe fn walk<const SERVER_SENT: bool>(
    c: &mut Connection,
    w: &mut Walk,
    messages: u64,
    caller: Caller,
) -> bool {
    let Some(registers) = caller.registers() else { return false };
    let Some(chunk) = CHUNKS.get_ptr_mut(0) else { return false };
    let form = payload::form(&registers);
    let expected = if SERVER_SENT { call::RECEIVES } else { call::SENDS };
    if messages > 0 || form & expected == 0 || ring::elsewhere(w.sk, &registers) {
        return false;
    }
    if !payload::point(w, half::<SERVER_SENT>(c), &registers, form) {
        return false;
    }
    let mut state = State { connection: c, walk: w, chunk: chunk.cast::<u8>() };
    unsafe {
        if SERVER_SENT {
            kernel::repeat(maps::hops(), step_server, &mut state);
        } else {
            kernel::repeat(maps::hops(), step_client, &mut state);
        }
    }
    w.done == done::ALL || (w.done == done::NO && w.exhausted())
}

#[inline(always)]
fn half<const SERVER_SENT: bool>(c: &mut Connection) -> &mut Half {
    if SERVER_SENT { &mut c.sealed_rx } else { &mut c.sealed_tx }
}

/// Where the next record begins is not known.
#[inline(always)]
pub fn lose(half: &mut Half) {
    half.lost = 1;
    half.remaining = 0;
    half.header_len = 0;
    half.capture = 0;
}

/// The walk's next bytes begin a record that carries messages, which no message in the clear does.
#[inline(always)]
pub fn is_data(w: &mut Walk) -> bool {
    if !payload::first_byte(w) {
        return false;
    }
    let b = kernel::read_user(w.at, [0u8; 3]);
    b[0] == DATA && b[1] == 3 && b[2] <= 4
}

/// What is sent or read next begins a record: a lost half is found again.
#[inline(always)]
pub fn begins(half: &mut Half) {
    if half.lost != 0 {
        half.lost = 0;
        half.capture = 0;
    }
}

/// The newest record is of the type that carries messages: it stands above its length.
#[inline(always)]
fn data_of(half: &Half) -> bool {
    half.capture >> 16 == DATA as u32
}

#[inline(always)]
fn moved(half: &Half, data: bool) -> Moved {
    Moved { data, whole: half.remaining == 0 && half.header_len == 0, last: half.capture & 0xffff }
}

unsafe extern "C" fn step_client(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<false>(&*state) }
}

unsafe extern "C" fn step_server(_step: u32, state: *mut State) -> i64 {
    unsafe { step::<true>(&*state) }
}

/// The rest of a record, then one head.
#[inline(always)]
unsafe fn step<const SERVER_SENT: bool>(state: &State) -> i64 {
    let (c, w) = unsafe { (&mut *state.connection, &mut *state.walk) };
    if w.at >= w.end {
        return payload::next_segment(w);
    }
    let there = w.end - w.at;
    let half = half::<SERVER_SENT>(c);
    if half.remaining > 0 {
        let length = if (half.remaining as u64) < there { half.remaining as u64 } else { there };
        half.remaining -= length as u32;
        w.at += length;
        return 0;
    }
    let carried = (half.header_len & 7) as u64;
    let mut length = HEAD.wrapping_sub(carried) & 7;
    if length > there {
        length = there & 7;
    }
    if length == 0 || !unsafe { w.fill(state.chunk, length, there) } {
        w.done = done::UNREAD;
        return 1;
    }
    let bytes = unsafe { w.peek(state.chunk) };
    let mut i = 0;
    while i < 8 {
        if i >= carried && i < carried + length {
            half.header[i as usize] = bytes[(i - carried) as usize & 7];
        }
        i += 1;
    }
    w.at += length;
    half.header_len = (carried + length) as u32;
    if (half.header_len as u64) < HEAD {
        return 0;
    }
    half.header_len = 0;
    head::<SERVER_SENT>(c, w)
}

#[inline(always)]
fn head<const SERVER_SENT: bool>(c: &mut Connection, w: &mut Walk) -> i64 {
    let half = half::<SERVER_SENT>(c);
    let b = half.header;
    let length = u16::from_be_bytes([b[3], b[4]]) as u32;
    if b[0] < TYPES.0 || b[0] > TYPES.1 || b[1] != 3 || b[2] > 4 || length > LONGEST {
        w.done = done::MALFORMED;
        return 1;
    }
    half.remaining = length;
    let is_data = b[0] == DATA && length != ALERT;
    let older = !SERVER_SENT && b[0] == HANDSHAKE && length <= NO_HELLO;
    half.capture = (if is_data { DATA as u32 } else { 0 }) << 16 | length;
    c.older_tls |= older as u8;
    if is_data {
        w.letter = DATA as u32;
        if SERVER_SENT && length > c.longest {
            c.longest = length;
        }
    }
    0
}
