//! TCP's own state changes: `connect()`, its failure, and the end of a connection.
//!
//! The change may run in anybody's context (on loopback, the server's in the client's), so processes
//! are taken from what was remembered, except for `connect()` itself.
//! Source: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/sock.h#L136-L186>.

use aya_ebpf::{
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use poolwatch_ebpf::wire::{Counter, ended_by};

use crate::{
    emit, ending, filter, inbound,
    kernel::{self, argument},
    maps::{self, CANDIDATES, CONNECTIONS, Candidate, PORTS},
};

/// States of include/net/tcp_states.h.
mod tcp {
    pub const SYN_SENT: u32 = 2;
    pub const FIN_WAIT1: u32 = 4;
    pub const FIN_WAIT2: u32 = 5;
    pub const CLOSE: u32 = 7;
    pub const LAST_ACK: u32 = 9;
    pub const CLOSING: u32 = 11;
}

/// `ECONNRESET` and `EPIPE`: what a RST leaves in `sk_err`.
const RESET: [u16; 2] = [104, 32];

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, first tier.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn tcp_state(context: BtfTracePointContext) -> i32 {
    unsafe {
        let socket = kernel::cookie(context.arg(0));
        #[cfg(feature = "log")]
        aya_log_ebpf::debug!(
            &context,
            "socket {} {} -> {}",
            socket,
            argument(&context, 1),
            argument(&context, 2)
        );
        try_tcp_state(
            socket,
            argument(&context, 0),
            argument(&context, 1) as u32,
            argument(&context, 2) as u32,
        );
    }
    0
}

/// The same for the second tier, which knows sockets by their inode.
#[raw_tracepoint]
pub fn tcp_state_by_inode(context: RawTracePointContext) -> i32 {
    unsafe {
        let sk = argument(&context, 0);
        try_tcp_state(kernel::inode(sk), sk, argument(&context, 1) as u32, argument(&context, 2) as u32);
    }
    0
}

#[inline(always)]
unsafe fn try_tcp_state(socket: u64, sk: u64, old: u32, new: u32) -> Option<()> {
    match new {
        tcp::SYN_SENT => unsafe { connecting(socket) },
        tcp::CLOSE if old == tcp::SYN_SENT => unsafe { failed(socket, sk) },
        // A half-close: a server's answers still come, and a client's do not.
        tcp::FIN_WAIT1 if kernel::still_receives(sk) => unsafe { inbound::closed(socket) },
        tcp::CLOSE | tcp::FIN_WAIT1 | tcp::LAST_ACK => unsafe { closed(socket, sk, old, new) },
        _ => None,
    }
}

#[inline(always)]
unsafe fn connecting(socket: u64) -> Option<()> {
    let pid = kernel::pid();
    if socket == 0 || !filter::watched(pid) {
        return None;
    }
    let candidate = Candidate {
        connected: kernel::now(),
        process_started: kernel::process_started(),
        comm: kernel::comm(),
        pid,
        reserved: 0,
    };
    if CANDIDATES.insert(socket, candidate, 0).is_err() {
        maps::count(Counter::CandidatesFull);
    }
    Some(())
}

#[inline(always)]
unsafe fn failed(socket: u64, sk: u64) -> Option<()> {
    let candidate = unsafe { *CANDIDATES.get_ptr(socket)? };
    let _ = CANDIDATES.remove(socket);
    PORTS.get_ptr(kernel::peer_port(sk))?;
    unsafe { emit::connect_failed(sk, &candidate, kernel::socket_error(sk), kernel::now()) };
    Some(())
}

#[inline(always)]
unsafe fn closed(socket: u64, sk: u64, old: u32, new: u32) -> Option<()> {
    let Some(connection) = CONNECTIONS.get_ptr_mut(socket) else {
        let _ = CANDIDATES.remove(socket);
        return unsafe { inbound::closed(socket) };
    };
    let errno = kernel::socket_error(sk);
    // A client that said that it sends no more, and still holds the socket.
    let half_closed = old == tcp::FIN_WAIT2 || old == tcp::CLOSING;
    if new == tcp::CLOSE && half_closed && errno == 0 && kernel::is_held(sk) {
        ending::done_unread(unsafe { &mut *connection });
        return None;
    }
    let why = match new {
        tcp::CLOSE if errno == RESET[0] || errno == RESET[1] => ended_by::RESET,
        // The peer's FIN came first.
        tcp::LAST_ACK => ended_by::END_OF_FILE | ended_by::LOCAL,
        _ => ended_by::LOCAL,
    };
    unsafe { ending::end(&mut *connection, why, errno) };
    Some(())
}
