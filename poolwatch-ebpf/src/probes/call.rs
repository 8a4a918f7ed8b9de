//! Second tier, for kernels without the socket lengths: every system call's end, filtered by number
//! first. io_uring is not seen here.
//! Source: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/syscalls.h#L44-L67>.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use poolwatch_ebpf::wire::call;

use crate::{
    kernel::{self, Caller, Registers, argument},
    maps, payload, traffic,
};

/// `sys_exit(struct pt_regs *regs, long ret)`. Inlined, since a function that only calls another takes 32 bytes of the 512
/// that older kernels add up for a chain of calls; in `sock.rs`, too.
#[raw_tracepoint]
#[inline(always)]
pub fn call_exit(context: RawTracePointContext) -> i32 {
    unsafe { try_call_exit(&context) };
    0
}

#[inline(always)]
unsafe fn try_call_exit(context: &RawTracePointContext) -> Option<()> {
    let (address, result) = unsafe { (argument(context, 0), argument(context, 1) as i64) };
    let registers = Registers::at(address)?;
    let form = maps::call_form(registers.number());
    if form == 0 {
        return None;
    }
    if form == call::SPLICE {
        return unsafe { spliced(&registers, address, result) };
    }
    let (sk, socket) = kernel::socket_of(registers.first())?;
    let many = form & call::FORM == call::MESSAGES && result > 0;
    let messages = if many { result as u64 } else { 0 };
    // Only that something moved matters for several messages: each brings its own length.
    if form & call::SENDS != 0 {
        return unsafe { traffic::sent(socket, sk, result, messages, Caller::At(address)) };
    }
    let flags = payload::flags(&registers, form);
    unsafe { traffic::received(socket, sk, result, flags, messages, Caller::At(address)) }
}

/// One end is a pipe, the other may be a socket.
#[inline(always)]
unsafe fn spliced(registers: &Registers, address: u64, result: i64) -> Option<()> {
    unsafe {
        if let Some((sk, socket)) = kernel::socket_of(registers.third()) {
            return traffic::sent(socket, sk, result, 0, Caller::At(address));
        }
        let (sk, socket) = kernel::socket_of(registers.first())?;
        traffic::received(socket, sk, result, 0, 0, Caller::At(address))
    }
}
