//! How a connection begins: a socket's first bytes, and the packets without a type byte.

use poolwatch_ebpf::wire::{Connection, Counter, by, family, phase};

use crate::{
    capture, emit, filter, hello,
    kernel::{self, Caller, Registers},
    maps::{self, CANDIDATES, CONNECTIONS, EMPTY_CONNECTION, PORTS},
    payload, ring, secured,
    walk::{Walk, done},
};

/// Longest StartupMessage: `MAX_STARTUP_PACKET_LENGTH` in src/include/libpq/pqcomm.h, and its length itself.
const LONGEST_STARTUP: u32 = 10_000 + 4;

/// Codes in place of a protocol version, see src/include/libpq/pqcomm.h.
mod code {
    pub const CANCEL: u32 = 80_877_102;
    pub const SSL: u32 = 80_877_103;
    pub const GSS: u32 = 80_877_104;
    pub const MAJOR: u32 = 3;
}

/// One of the packets that a connection opens with; their header is a length and a code.
#[inline(always)]
pub unsafe fn packet(c: &mut Connection, w: &mut Walk, b: [u8; 8]) -> i64 {
    let length = u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
    let code = u32::from_be_bytes([b[4], b[5], b[6], b[7]]);
    if c.told == 0 && code != code::CANCEL {
        unsafe { emit::open(c, w.sk, w.now) };
    }
    match code {
        code::SSL if length == 8 => c.awaiting = by::TLS as u8,
        code::GSS if length == 8 => c.awaiting = by::GSS as u8,
        code::CANCEL => {
            maps::count(Counter::Cancelled);
            let _ = CONNECTIONS.remove(c.socket);
            w.done = done::GONE;
            return 1;
        }
        _ if code >> 16 == code::MAJOR && length > 8 && length <= LONGEST_STARTUP => {
            c.tx.remaining = length - 8;
            c.startup_len = length;
            unsafe { capture::startup(c, code) };
            return 0;
        }
        _ => {
            w.done = done::MALFORMED;
            return 1;
        }
    }
    c.sending = 0;
    c.sending_bytes = 0;
    0
}

/// The first bytes of a socket that is not known yet.
#[inline(always)]
pub unsafe fn first_contact(socket: u64, sk: u64, length: u64, caller: Caller) -> Option<*mut Connection> {
    let of = kernel::family(sk);
    let candidate = match of {
        family::UNIX if filter::leads_to_postgres(sk) => None,
        family::INET | family::INET6 => Some(unsafe { *CANDIDATES.get_ptr(socket)? }),
        _ => return None,
    };
    if candidate.is_some() {
        let _ = CANDIDATES.remove(socket);
    }
    if !filter::watched(kernel::pid()) {
        return None;
    }
    let registers = caller.registers();
    // A closure that is not inlined has an argument without a name, and the kernel refuses its BTF.
    let hidden = match registers {
        Some(registers) => ring::moves(sk, &registers, payload::form(&registers)),
        None => false,
    };
    let direct = !hidden
        && candidate.is_some()
        && hello::begins_hello(kernel::number(sk), length, caller.address()) != 0;
    let fresh = direct || (!hidden && unsafe { begins_startup(sk, length, registers) });
    let server = hidden && PORTS.get_ptr(kernel::peer_port(sk)).is_some();
    // A UNIX socket with that name is one of ours even when its startup was not seen.
    if !fresh && !server && candidate.is_some() {
        maps::count(Counter::Rejected);
        return None;
    }
    let connection = unsafe { create(socket)? };
    let c = unsafe { &mut *connection };
    c.family = of;
    c.pid = kernel::pid();
    c.inode = kernel::inode(sk);
    c.process_started = kernel::process_started();
    c.connected = candidate.map_or(0, |candidate| candidate.connected);
    c.phase = if fresh { phase::STARTUP } else { phase::MESSAGES };
    c.midstream = u8::from(!fresh && candidate.is_none());
    c.rx.lost = u32::from(!fresh);
    c.proven = 1;
    filter::holds(c.pid);
    // A fresh one is told by its first whole packet: it may be a CancelRequest, which is no connection.
    if !fresh {
        unsafe { emit::open(c, sk, kernel::now()) };
    }
    if direct {
        unsafe { secured::found(c, sk, kernel::now()) };
    }
    Some(connection)
}

#[inline(always)]
unsafe fn create(socket: u64) -> Option<*mut Connection> {
    let empty = EMPTY_CONNECTION.get_ptr(0)?;
    if CONNECTIONS.insert(socket, unsafe { &*empty }, 0).is_err() {
        maps::count(Counter::ConnectionsFull);
        return None;
    }
    let connection = CONNECTIONS.get_ptr_mut(socket)?;
    unsafe { (*connection).socket = socket };
    Some(connection)
}

/// The bytes begin like one of the packets that open a connection, however few they are.
#[inline(always)]
unsafe fn begins_startup(sk: u64, length: u64, registers: Option<Registers>) -> bool {
    let Some(registers) = registers else { return false };
    let Some(walk) = Walk::begin(sk, length) else { return false };
    let mut half = poolwatch_ebpf::wire::Half::default();
    if !payload::point(walk, &mut half, &registers, payload::form(&registers)) {
        return false;
    }
    if !payload::first_byte(walk) {
        return false;
    }
    let there = walk.end.wrapping_sub(walk.at);
    let take = if there > 8 { 8 } else { there };
    let mut b = [0u8; 8];
    if take == 0 || !unsafe { kernel::copy_user(b.as_mut_ptr(), take as u32, walk.at) } {
        return false;
    }
    is_startup(b, take)
}

/// So many first bytes are those of one of the packets that open a connection.
#[inline(always)]
pub fn is_startup(b: [u8; 8], take: u64) -> bool {
    // The length is below 10,001, and behind it stand 3.x or one of the codes 0x04d2162e to …30.
    let short = b[0] == 0 && b[1] == 0 && b[2] <= 0x27;
    let version = b[4] == 0 && (take < 6 || b[5] == 3) && (take < 7 || b[6] == 0);
    let code = b[4] == 0x04
        && (take < 6 || b[5] == 0xd2)
        && (take < 7 || b[6] == 0x16)
        && (take < 8 || (b[7] >= 0x2e && b[7] <= 0x30));
    short && (take < 5 || version || code)
}
