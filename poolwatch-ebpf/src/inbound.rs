//! Accepted sockets: frames what is asked for on them, without reading it.
//!
//! The first read after the last response is a demand, the first write after it is the response. Which sockets
//! were accepted is decided at their first read, and only for processes that hold connections.

use poolwatch_ebpf::wire::{Counter, Inbound, call, family, protocol, side, standing};

use crate::{
    demand,
    ending::is_reset,
    kernel::{self, Caller},
    maps::{self, CANDIDATES, INBOUND, PROCESSES},
    payload,
    route::{Head, is_upper},
    stranger::{self, Mark, Way},
    traffic::PEEK,
    turn,
};

/// Types of TLS records.
mod record {
    pub const CHANGE_CIPHER_SPEC: u8 = 0x14;
    pub const APPLICATION_DATA: u8 = 0x17;
}
/// Bytes of a TLS record's header, and of a whole ChangeCipherSpec.
const RECORD_HEADER: u32 = 5;
const CHANGE_CIPHER_SPEC: u32 = 6;
/// Bytes of a status line up to its status.
const STATUS: usize = 12;

/// The process's bits, when it holds connections.
#[inline(always)]
fn holder() -> Option<*mut u32> {
    let bits = PROCESSES.get_ptr_mut(kernel::pid())?;
    if unsafe { *bits } & standing::HOLDS == 0 { None } else { Some(bits) }
}

/// Bytes were read from a socket that is no known connection.
#[inline(always)]
pub unsafe fn read(
    socket: u64,
    sk: u64,
    result: i64,
    message_flags: u64,
    caller: Caller,
    mark: Mark,
) -> Option<()> {
    if (result < 0 && !is_reset(result)) || message_flags & PEEK != 0 {
        return None;
    }
    let Some(bits) = holder() else {
        mark.set();
        return None;
    };
    let known = INBOUND.get_ptr_mut(socket);
    let mut first = 0;
    if let Some(inbound) = known {
        let i = unsafe { &mut *inbound };
        if result <= 0 {
            return unsafe { unix_ended(i, socket, result, caller) };
        }
        if is_over(i) {
            mark.set();
        }
        if i.side == side::OTHER || (i.began != 0 && i.first == 0) {
            return None;
        }
        first = i.first;
    }
    let of = kernel::family(sk);
    if result <= 0 || socket == 0 || !kernel::is_stream(sk, of) {
        return None;
    }
    let head = unsafe { Head::look(sk, result as u64, first, caller)? };
    let route = unsafe { head.route() };
    let inbound = match known {
        Some(inbound) => inbound,
        None => unsafe { remember(socket, sk, of, which(socket, sk, of, head, route))? },
    };
    let i = unsafe { &mut *inbound };
    if i.side == side::OTHER {
        None
    } else if i.began == 0 {
        unsafe { begin(i, bits, socket, head, route) }
    } else {
        unsafe { reread(i, bits, socket, head, route) }
    }
}

/// Whose end it is, by the socket itself. Where that does not say it, since it is older than the process's first
/// connection, by what is said on it; a single byte does not say it yet.
#[inline(always)]
fn which(socket: u64, sk: u64, of: u16, head: &Head, route: Option<u32>) -> u8 {
    if of != family::UNIX && CANDIDATES.get_ptr(socket).is_some() {
        return side::OTHER;
    }
    if kernel::is_untouched(sk, of) {
        return side::ACCEPTED;
    }
    if of == family::UNIX && !kernel::has_address(sk) {
        return side::OTHER;
    }
    if head.length == 1 && is_upper(head.bytes[0]) {
        return side::UNDECIDED;
    }
    let asks = route.is_some() || head.is_query() || head.protocol() == protocol::HTTP2;
    if asks { side::ACCEPTED } else { side::OTHER }
}

/// What is not accepted is remembered, too, so that it costs one look from then on.
#[inline(always)]
unsafe fn remember(socket: u64, sk: u64, of: u16, which: u8) -> Option<*mut Inbound> {
    let inode = if of == family::UNIX { kernel::inode(sk) } else { 0 };
    let inbound = Inbound {
        began: 0,
        turn: 0,
        inode,
        pid: kernel::pid(),
        thread: 0,
        family: of,
        side: which,
        protocol: protocol::UNKNOWN,
        first: 0,
        record: 0,
        ended: 0,
        reserved: 0,
    };
    if INBOUND.insert(socket, inbound, 0).is_err() {
        maps::count(Counter::InboundFull);
        return None;
    }
    if which != side::OTHER {
        stranger::forget(socket, Way::Sends);
    }
    INBOUND.get_ptr_mut(socket)
}

/// Perhaps a demand begins.
#[inline(always)]
unsafe fn begin(i: &mut Inbound, bits: *mut u32, socket: u64, head: &Head, route: Option<u32>) -> Option<()> {
    if i.protocol == protocol::UNKNOWN {
        i.protocol = if head.is_query() { protocol::POSTGRES } else { head.protocol() };
    } else if i.protocol == protocol::POSTGRES && head.is_record() {
        i.protocol = protocol::TLS;
    }
    if !asks(i, head) {
        return None;
    }
    i.pid = kernel::pid();
    i.thread = kernel::thread() as u32;
    i.first = if head.length == 1 && i.protocol == protocol::HTTP { head.bytes[0] } else { 0 };
    i.began = kernel::now();
    if i.side == side::UNDECIDED {
        return None;
    }
    unsafe { *bits |= standing::SERVES };
    i.turn = turn::asked(i.thread, i.pid, socket);
    unsafe { demand::asked(i, socket, route) };
    if i.protocol == protocol::HTTP2 {
        give_up(i);
    }
    Some(())
}

/// These first bytes ask for something.
#[inline(always)]
fn asks(i: &mut Inbound, head: &Head) -> bool {
    let first = head.bytes[0];
    if head.length == 0 {
        return true;
    }
    match i.protocol {
        // Else the rest of a body that was answered before it was read.
        protocol::HTTP => is_upper(first),
        // Neither the start nor the end of a connection, nor what a request is followed by.
        protocol::POSTGRES => is_upper(first) && first != b'X',
        protocol::TLS => asks_by_record(i, head),
        _ => true,
    }
}

/// Application data asks, but for what follows ChangeCipherSpec: that is the end of the handshake.
#[inline(always)]
fn asks_by_record(i: &mut Inbound, head: &Head) -> bool {
    let last = i.record;
    i.record = 0;
    // What follows a header that was read alone is its body.
    if last != 0 && last != record::CHANGE_CIPHER_SPEC {
        return false;
    }
    let kind = head.bytes[0];
    let alone = head.length == RECORD_HEADER;
    if kind == record::CHANGE_CIPHER_SPEC && head.length <= CHANGE_CIPHER_SPEC {
        i.record = kind;
    } else if last == record::CHANGE_CIPHER_SPEC && head.length == 1 {
        // The one byte of a ChangeCipherSpec.
        i.record = last;
        return false;
    } else if alone && (kind != record::APPLICATION_DATA || last != 0) {
        i.record = record::APPLICATION_DATA;
    }
    kind == record::APPLICATION_DATA && last == 0
}

/// The rest of a request of which a single byte was read: some servers read one to see whether more comes.
#[inline(always)]
unsafe fn reread(
    i: &mut Inbound,
    bits: *mut u32,
    socket: u64,
    head: &Head,
    route: Option<u32>,
) -> Option<()> {
    i.first = 0;
    if i.side == side::UNDECIDED {
        if route.is_none() {
            give_up(i);
            return None;
        }
        i.side = side::ACCEPTED;
        unsafe { *bits |= standing::SERVES };
        i.turn = turn::asked(i.thread, i.pid, socket);
    }
    let many = head.protocol() == protocol::HTTP2;
    if many {
        i.protocol = protocol::HTTP2;
    }
    if many || route.is_some() {
        unsafe { demand::asked(i, socket, route) };
    }
    if many {
        unsafe { finish(i, socket, false) };
        give_up(i);
    }
    Some(())
}

/// No demand will ever be seen on it. A UNIX socket's end is to be.
#[inline(always)]
fn is_over(i: &Inbound) -> bool {
    i.side == side::OTHER && i.family != family::UNIX
}

/// What this process sends on the socket is no answer, and will be none before something is read from it: that forgets
/// the mark.
#[inline(always)]
pub fn never(socket: u64) -> bool {
    holder().is_none() || INBOUND.get_ptr(socket).is_none_or(|inbound| is_over(unsafe { &*inbound }))
}

/// The accepted socket, when it is one.
#[inline(always)]
pub fn accepted(socket: u64) -> Option<*mut Inbound> {
    holder()?;
    let inbound = INBOUND.get_ptr_mut(socket)?;
    if unsafe { (*inbound).side } == side::ACCEPTED { Some(inbound) } else { None }
}

/// Bytes were written to an accepted socket.
#[inline(always)]
pub unsafe fn wrote(inbound: *mut Inbound, socket: u64, sk: u64, result: i64, caller: Caller) -> Option<()> {
    let i = unsafe { &mut *inbound };
    if result <= 0 {
        return unsafe { unix_ended(i, socket, result, caller) };
    }
    if i.began == 0 {
        return None;
    }
    let status = if i.protocol == protocol::HTTP { unsafe { status(sk, result as u64, caller) } } else { 0 };
    match status {
        // Switching Protocols: what follows are no demands.
        101 => {
            unsafe { finish(i, socket, true) };
            give_up(i);
        }
        // The response itself follows.
        100..=199 => {}
        _ => unsafe { finish(i, socket, true) },
    }
    if i.ended != 0 && i.began == 0 {
        let _ = INBOUND.remove(socket);
    }
    Some(())
}

/// The status of a response of HTTP; 0 when it does not begin here.
#[inline(always)]
unsafe fn status(sk: u64, length: u64, caller: Caller) -> u32 {
    let Some(head) = (unsafe { Head::look(sk, length, 0, caller) }) else { return 0 };
    let b = &head.bytes;
    if head.length < STATUS as u32 || b[0] != b'H' || b[4] != b'/' || b[8] != b' ' {
        return 0;
    }
    let digit = |at: usize| b[at].wrapping_sub(b'0') as u32;
    digit(9) * 100 + digit(10) * 10 + digit(11)
}

/// The demand is over; `answered` by the current thread, or not at all.
#[inline(always)]
unsafe fn finish(i: &mut Inbound, socket: u64, answered: bool) {
    turn::answered(i.thread, socket);
    unsafe { demand::served(i, socket, answered) };
    i.began = 0;
    i.first = 0;
}

/// From here on nothing on this socket is a demand.
#[inline(always)]
fn give_up(i: &mut Inbound) {
    i.side = side::OTHER;
    i.began = 0;
    i.first = 0;
}

/// UNIX sockets tell of their end by the results of calls alone.
#[inline(always)]
unsafe fn unix_ended(i: &mut Inbound, socket: u64, result: i64, caller: Caller) -> Option<()> {
    if i.family != family::UNIX || (result < 0 && !is_reset(result)) {
        return None;
    }
    if result == 0 {
        let registers = caller.registers()?;
        if payload::form(&registers) & call::FORM == call::BUFFER && registers.third() == 0 {
            return None;
        }
        // The response may still come.
        if i.began != 0 {
            i.ended = 1;
            return None;
        }
    }
    unsafe { end(i, socket) };
    None
}

/// A socket that is no known connection was closed.
#[inline(always)]
pub unsafe fn closed(socket: u64) -> Option<()> {
    let inbound = INBOUND.get_ptr_mut(socket)?;
    unsafe { end(&mut *inbound, socket) };
    Some(())
}

#[inline(always)]
unsafe fn end(i: &mut Inbound, socket: u64) {
    if i.began != 0 && i.side == side::ACCEPTED {
        unsafe { finish(i, socket, false) };
    }
    let _ = INBOUND.remove(socket);
}
