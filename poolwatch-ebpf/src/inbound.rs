//! Accepted sockets: frames what is asked for on them, without reading it.
//!
//! The first read after the last response is a demand, the first write after it is the response. Which sockets
//! were accepted is decided at their first read, and only for processes that hold connections.

use poolwatch_ebpf::wire::{Counter, Inbound, call, family, protocol, side, standing};

use crate::{
    asking::asks,
    demand,
    ending::is_reset,
    kernel::{self, Caller},
    maps::{self, CANDIDATES, INBOUND, PROCESSES},
    payload,
    route::{Head, is_upper},
    stranger::{self, Mark, Way},
    streams,
    traffic::PEEK,
    turn,
};

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
        if i.protocol == protocol::HTTP2 {
            return unsafe { read_streams(i, socket, sk, result as u64, caller) };
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
        return None;
    }
    if i.began == 0 {
        unsafe { begin(i, bits, socket, head, route) };
    } else {
        unsafe { reread(i, bits, socket, head, route) };
    }
    if i.protocol == protocol::HTTP2 {
        return unsafe { read_streams(i, socket, sk, result as u64, caller) };
    }
    None
}

/// Bytes were read from a socket with streams. Where they cannot be followed, it is told that demands are there.
#[inline(always)]
unsafe fn read_streams(i: &mut Inbound, socket: u64, sk: u64, length: u64, caller: Caller) -> Option<()> {
    if streams::streams_read(socket, kernel::number(sk), length, caller.address()) == 0 {
        unsafe { lose(i, socket) };
    }
    None
}

/// Demands on this socket cannot be told apart.
#[inline(always)]
unsafe fn lose(i: &mut Inbound, socket: u64) {
    i.pid = kernel::pid();
    i.thread = kernel::thread() as u32;
    i.began = kernel::now();
    i.turn = turn::of(i.thread);
    unsafe { demand::asked(i, socket, None) };
    streams::streams_end(socket);
    give_up(i);
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
unsafe fn begin(i: &mut Inbound, bits: *mut u32, socket: u64, head: &Head, route: Option<u32>) {
    if i.protocol == protocol::UNKNOWN {
        i.protocol = if head.is_query() { protocol::POSTGRES } else { head.protocol() };
    } else if i.protocol == protocol::POSTGRES && head.is_record() {
        i.protocol = protocol::TLS;
    }
    if i.protocol == protocol::HTTP2 {
        return unsafe {
            begin_streams(i, bits, socket, if head.is_preface() { streams::PREFACE } else { 0 })
        };
    }
    if !asks(i, head) {
        return;
    }
    i.pid = kernel::pid();
    i.thread = kernel::thread() as u32;
    i.first = if head.length == 1 && i.protocol == protocol::HTTP { head.bytes[0] } else { 0 };
    i.began = kernel::now();
    if i.side == side::UNDECIDED {
        return;
    }
    unsafe { *bits |= standing::SERVES };
    i.turn = turn::asked(i.thread, i.pid, socket);
    unsafe { demand::asked(i, socket, route) };
}

/// Streams begin behind so many bytes of what was read.
#[inline(always)]
unsafe fn begin_streams(i: &mut Inbound, bits: *mut u32, socket: u64, behind: u32) {
    unsafe { *bits |= standing::SERVES };
    i.protocol = protocol::HTTP2;
    i.side = side::ACCEPTED;
    i.began = 0;
    i.first = 0;
    // Without room for it the walk says so.
    streams::begin(socket, behind);
}

/// The rest of a request of which a single byte was read: some servers read one to see whether more comes.
#[inline(always)]
unsafe fn reread(i: &mut Inbound, bits: *mut u32, socket: u64, head: &Head, route: Option<u32>) {
    i.first = 0;
    if head.protocol() == protocol::HTTP2 {
        // The byte that came first was told as a demand, where it was known whose end this is.
        if i.side == side::ACCEPTED {
            unsafe { finish(i, socket, false) };
        }
        return unsafe { begin_streams(i, bits, socket, streams::PREFACE - 1) };
    }
    if i.side == side::UNDECIDED {
        if route.is_none() {
            return give_up(i);
        }
        i.side = side::ACCEPTED;
        unsafe { *bits |= standing::SERVES };
        i.turn = turn::asked(i.thread, i.pid, socket);
    }
    if route.is_some() {
        unsafe { demand::asked(i, socket, route) };
    }
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
    if i.protocol == protocol::HTTP2 {
        if streams::streams_written(socket, kernel::number(sk), result as u64, caller.address()) == 0 {
            unsafe { lose(i, socket) };
        }
        return None;
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
    if i.protocol == protocol::HTTP2 {
        streams::streams_end(socket);
    }
    let _ = INBOUND.remove(socket);
}
