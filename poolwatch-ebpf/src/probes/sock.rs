//! First tier: the lengths that every socket call of TCP and UNIX reports, whichever system call or
//! io_uring it came through. Nothing else on the machine pays for it.
//! Source: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/sock.h#L264-L331>.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    kernel::{self, Caller, argument},
    payload, traffic,
};

/// `EAGAIN`: nothing was there yet.
const NOTHING_YET: i64 = -11;

/// `sock_send_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_send_length")]
#[inline(always)]
pub fn sock_send(context: BtfTracePointContext) -> i32 {
    unsafe { try_sock_send(&context) };
    0
}

/// `sock_recv_length(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_recv_length")]
#[inline(always)]
pub fn sock_receive(context: BtfTracePointContext) -> i32 {
    unsafe { try_sock_receive(&context) };
    0
}

#[inline(always)]
unsafe fn try_sock_send(context: &BtfTracePointContext) -> Option<()> {
    unsafe {
        let result = argument(context, 1) as i32 as i64;
        let socket = kernel::cookie(context.arg(0));
        traffic::sent(socket, argument(context, 0), result, 0, Caller::Current)
    }
}

#[inline(always)]
unsafe fn try_sock_receive(context: &BtfTracePointContext) -> Option<()> {
    unsafe {
        let result = argument(context, 1) as i32 as i64;
        // Every other read of an event loop. What it may end is a vector of messages.
        if result == NOTHING_YET && !payload::sees_vectors() {
            return None;
        }
        let flags = argument(context, 2) as u32 as u64;
        let socket = kernel::cookie(context.arg(0));
        traffic::received(socket, argument(context, 0), result, flags, 0, Caller::Current)
    }
}
