//! What both tiers do with a socket call once they know the socket: find the connection, frame.

use poolwatch_ebpf::wire::{Connection, Counter, IN_VAIN, call, family};

use crate::{
    binding, emit, ending, frame, inbound,
    kernel::{self, Caller, Registers},
    maps::{self, CHUNKS, CONNECTIONS},
    messages, opening, payload, resync, ring, sealed, secured, speaking,
    stranger::{self, Mark, Way},
    walk::Walk,
};

/// `MSG_PEEK`: the bytes will be read again.
pub const PEEK: u64 = 2;
/// `MSG_TRUNC`: TCP throws the bytes away instead of handing them over.
/// Source: <https://man7.org/linux/man-pages/man7/tcp.7.html>.
const TRUNC: u64 = 0x20;

/// A client sent bytes.
#[inline(always)]
pub unsafe fn sent(socket: u64, sk: u64, result: i64, messages: u64, caller: Caller) -> Option<()> {
    unsafe {
        let mark = stranger::look(socket, Way::Sends)?;
        let connection = match CONNECTIONS.get_ptr_mut(socket) {
            Some(connection) => connection,
            None if result > 0 || ending::is_reset(result) => match inbound::accepted(socket) {
                Some(inbound) => return inbound::wrote(inbound, socket, sk, result, caller),
                None if result > 0 => first_contact(socket, sk, result as u64, caller, mark)?,
                None => return None,
            },
            None => return None,
        };
        let c = &mut *connection;
        if result <= 0 {
            payload::last_of_vector(&mut c.tx);
            ending::unix_reset(c, result);
            return None;
        }
        c.pid = kernel::pid();
        c.sender = kernel::thread();
        if c.in_vain != 0 {
            listen_again(c);
        }
        let moved = c.secured != 0 && binding::called(c, sk, false, result as u64, caller);
        if c.secured != 0 && c.plain != 0 && !moved {
            return None;
        }
        if c.secured == 0 && c.midstream != 0 && c.ready == 0 {
            let (sk, length) = (kernel::number(sk), result as u64);
            if secured::turns_out(socket, sk, length, caller.address()) == secured::GIVEN_UP {
                return None;
            }
        }
        if c.secured != 0 && !moved {
            let (sk, length) = (kernel::number(sk), result as u64);
            let moved = sealed::records_sent(socket, sk, length, messages, caller.address());
            if moved != 0 {
                secured::turn_sent(socket, sk, length, moved as u64);
            }
            return None;
        }
        let chunk = CHUNKS.get_ptr_mut(0)?.cast::<u8>();
        let walk = Walk::begin(sk, result as u64)?;
        walk.started = start_of(c, sk, walk.now);
        c.last = walk.now;
        let mut length = result as u32;
        if moved {
            length = speaking::point(walk)?;
        } else if !point(walk, c, caller.registers(), messages, false, true) {
            return None;
        }
        messages::sent(connection, walk, chunk, length)
    }
}

/// A socket that sends and is not known yet. One of a process that holds connections may be asked for something later.
#[inline(always)]
unsafe fn first_contact(
    socket: u64,
    sk: u64,
    length: u64,
    caller: Caller,
    mark: Mark,
) -> Option<*mut Connection> {
    let connection = unsafe { opening::first_contact(socket, sk, length, caller) };
    if connection.is_none() && inbound::never(socket) {
        mark.set();
        // Who reads meanwhile forgets the mark after it remembered the socket.
        if !inbound::never(socket) {
            stranger::forget(socket, Way::Sends);
        }
    }
    connection
}

/// A client received bytes.
#[inline(always)]
pub unsafe fn received(
    socket: u64,
    sk: u64,
    result: i64,
    message_flags: u64,
    messages: u64,
    caller: Caller,
) -> Option<()> {
    unsafe {
        let mark = stranger::look(socket, Way::Receives)?;
        let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else {
            return if messages > 0 {
                None
            } else {
                inbound::read(socket, sk, result, message_flags, caller, mark)
            };
        };
        let c = &mut *connection;
        if result < 0 {
            payload::last_of_vector(&mut c.rx);
            ending::unix_reset(c, result);
            return None;
        }
        if message_flags & PEEK != 0 {
            return None;
        }
        if result == 0 {
            return ending::end_of_file(c, caller.registers());
        }
        if is_in_vain(c) {
            mark.set();
            return None;
        }
        c.reader = kernel::thread() as u32;
        if c.secured != 0 {
            binding::called(c, sk, true, result as u64, caller);
            if c.plain != 0 {
                return None;
            }
            let (sk, length) = (kernel::number(sk), result as u64);
            let moved = sealed::records_received(socket, sk, length, messages, caller.address());
            if moved != 0 {
                secured::turn_received(socket, length, moved as u64);
            }
            return None;
        }
        let chunk = CHUNKS.get_ptr_mut(0)?.cast::<u8>();
        let walk = Walk::begin(sk, result as u64)?;
        c.last = walk.now;
        let thrown_away = message_flags & TRUNC != 0 && c.family != family::UNIX;
        let registers = caller.registers();
        if messages > 0 {
            // Then the result counts messages.
            c.copied_known = 0;
        } else if c.family != family::UNIX {
            bypassed(c, sk, result as u32);
        }
        if !point(walk, c, registers, messages, true, !thrown_away) {
            return None;
        }
        if c.awaiting != 0 && !answered(c, walk) {
            return None;
        }
        if messages::received(connection, walk, chunk) {
            return Some(());
        }
        let c = &mut *connection;
        c.received += result as u64;
        let registers = registers?;
        resync::tail(c, walk, &registers, payload::form(&registers), result as u64);
        Some(())
    }
}

/// Counts the reads of a socket that may have been nothing to us from the first; true when it is time to give it a rest.
#[inline(always)]
fn is_in_vain(c: &mut Connection) -> bool {
    if c.proven != 0 || c.secured != 0 || c.family == family::UNIX {
        return false;
    }
    if c.in_vain == IN_VAIN {
        return true;
    }
    c.in_vain += 1;
    false
}

/// What it sends may show what it is, and so may what answers that.
#[inline(always)]
fn listen_again(c: &mut Connection) {
    if c.in_vain == IN_VAIN {
        stranger::forget(c.socket, Way::Receives);
        c.copied_known = 0;
    }
    c.in_vain = 0;
}

/// Bytes left the socket by another way than a call that shows them: `splice()` for one.
#[inline(always)]
unsafe fn bypassed(c: &mut Connection, sk: u64, received: u32) {
    let copied = kernel::copied(sk);
    let past = copied.wrapping_sub(received).wrapping_sub(c.copied);
    let known = c.copied_known;
    c.copied = copied;
    c.copied_known = 1;
    // The peer's FIN counts as a byte once it is read.
    if known == 0 || past == 0 || (past == 1 && !kernel::still_receives(sk)) {
        return;
    }
    // COPY data, as below.
    if c.rx.lost == 0 && c.rx.capture == 0 && c.rx.remaining >= past {
        c.rx.remaining -= past;
        return;
    }
    maps::count(Counter::PayloadUnread);
    frame::lose_server(c);
}

/// Points the walk at the payload; when it cannot be seen, this direction is lost.
#[inline(always)]
unsafe fn point(
    w: &mut Walk,
    c: &mut Connection,
    registers: Option<Registers>,
    messages: u64,
    server: bool,
    handed_over: bool,
) -> bool {
    let half = if server { &mut c.rx } else { &mut c.tx };
    // Not a `None` in place of the registers: that is a value that the verifier has not seen written.
    if let Some(registers) = registers
        && handed_over
    {
        if messages > 0 {
            payload::point_at_messages(w, &registers, messages);
            return true;
        }
        let form = payload::form(&registers);
        let expected = if server { call::RECEIVES } else { call::SENDS };
        let here = form & expected != 0 && !ring::elsewhere(w.sk, &registers);
        if here && payload::point(w, half, &registers, form) {
            return true;
        }
        if !here && ring::moves(w.sk, &registers, form) {
            unsafe { ring::hide(c, w.sk, w.now) };
            return false;
        }
    }
    // Inside a body the bytes themselves do not matter: COPY data by sendfile, for one.
    if half.capture == 0 && half.remaining as u64 >= w.left {
        half.remaining -= w.left as u32;
        return false;
    }
    maps::count(Counter::PayloadUnread);
    if server {
        frame::lose_server(c);
    } else {
        frame::lose_client(c);
    }
    false
}

/// When the request that begins with this call was sent: TCP's own stamp where it is plausible, since
/// the hook comes after the call.
#[inline(always)]
pub fn start_of(c: &Connection, sk: u64, now: u64) -> u64 {
    if c.family == family::UNIX {
        return now;
    }
    let stamp = kernel::last_transmit(sk);
    if stamp > c.last && stamp < now { stamp } else { now }
}

/// The server's one byte after SSLRequest or GSSENCRequest. True when messages follow.
#[inline(always)]
unsafe fn answered(c: &mut Connection, w: &mut Walk) -> bool {
    let asked = c.awaiting;
    c.awaiting = 0;
    if !payload::first_byte(w) {
        return false;
    }
    let answer = kernel::read_user(w.at, 0u8);
    // An old server answers with an ErrorResponse, which is a message like any other.
    if answer == b'E' {
        return true;
    }
    w.at += 1;
    if answer == b'N' {
        return !w.exhausted();
    }
    c.secured = asked;
    unsafe { emit::secured(c, w.now) };
    false
}
