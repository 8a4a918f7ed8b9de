//! The only reader of kernel structures. Their offsets come from the running kernel's BTF.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext, bindings,
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, generated as raw},
};

use poolwatch_ebpf::wire::family;

use crate::maps::offset;
pub use crate::registers::{Caller, Registers};

/// Reads kernel memory; `otherwise` when it is not there. (An `Option` here becomes a register that
/// may hold anything, which the verifier refuses.)
#[inline(always)]
pub fn read<T: Copy>(address: u64, otherwise: T) -> T {
    let mut value = otherwise;
    let size = size_of::<T>() as u32;
    if unsafe { raw::bpf_probe_read_kernel((&raw mut value).cast(), size, address as *const c_void) } != 0 {
        return otherwise;
    }
    value
}

/// Reads the observed process's memory; `otherwise` when it is not there.
#[inline(always)]
pub fn read_user<T: Copy>(address: u64, otherwise: T) -> T {
    let mut value = otherwise;
    let size = size_of::<T>() as u32;
    if unsafe { raw::bpf_probe_read_user((&raw mut value).cast(), size, address as *const c_void) } != 0 {
        return otherwise;
    }
    value
}

/// Copies kernel memory; false when it is not there.
#[inline(always)]
pub unsafe fn copy_kernel(to: *mut u8, length: u32, from: u64) -> bool {
    unsafe { raw::bpf_probe_read_kernel(to.cast::<c_void>(), length, from as *const c_void) == 0 }
}

/// Puts `size` bytes into the ring; false when there is no room.
#[inline(always)]
pub unsafe fn output(ring: *mut c_void, data: *mut c_void, size: u64, flags: u64) -> bool {
    unsafe { raw::bpf_ringbuf_output(ring, data, size, flags) == 0 }
}

/// Copies bytes of the observed process; false when they are not there.
#[inline(always)]
pub unsafe fn copy_user(to: *mut u8, length: u32, from: u64) -> bool {
    unsafe { raw::bpf_probe_read_user(to.cast::<c_void>(), length, from as *const c_void) == 0 }
}

/// A number that is below a power of two anyway, by an instruction that stays: the compiler drops a mask that it can prove
/// idle, and older verifiers learn nothing from the comparison of two registers that it was proved by.
/// Source: `reg_set_min_max` in <https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/verifier.c>.
#[inline(always)]
pub fn below<const POWER: u64>(number: u64) -> u64 {
    unsafe { core::ptr::read_volatile(&raw const number) & (POWER - 1) }
}

/// `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    unsafe { raw::bpf_ktime_get_ns() }
}

/// The current thread: thread group in the upper half.
#[inline(always)]
pub fn thread() -> u64 {
    bpf_get_current_pid_tgid()
}

/// The current process.
#[inline(always)]
pub fn pid() -> u32 {
    (thread() >> 32) as u32
}

/// The current thread's command name, NUL-padded.
#[inline(always)]
pub fn comm() -> [u8; 16] {
    bpf_get_current_comm().unwrap_or([0; 16])
}

/// The socket's cookie; only for programs whose argument the verifier knows to be a socket.
#[inline(always)]
pub unsafe fn cookie(sk: *mut c_void) -> u64 {
    unsafe { raw::bpf_get_socket_cookie(sk) }
}

/// The socket's inode number; 0 once it has no file.
#[inline(always)]
pub fn inode(sk: u64) -> u64 {
    match read(sk + offset!(sk_socket) as u64, 0u64) {
        0 => 0,
        socket => read(socket + offset!(socket_inode) as u64, 0),
    }
}

#[inline(always)]
pub fn family(sk: u64) -> u16 {
    read(sk + offset!(family) as u64, 0)
}

/// The peer's port, host byte order.
#[inline(always)]
pub fn peer_port(sk: u64) -> u16 {
    u16::from_be(read(sk + offset!(dport) as u64, 0))
}

/// The own port.
#[inline(always)]
pub fn own_port(sk: u64) -> u16 {
    read(sk + offset!(num) as u64, 0)
}

/// The peer's IPv4 address, network byte order.
#[inline(always)]
pub fn peer_address4(sk: u64) -> [u8; 4] {
    read(sk + offset!(daddr) as u64, [0; 4])
}

/// The peer's IPv6 address.
#[inline(always)]
pub fn peer_address6(sk: u64) -> [u8; 16] {
    read(sk + offset!(v6_daddr) as u64, [0; 16])
}

/// The socket's pending error, an errno.
#[inline(always)]
pub fn socket_error(sk: u64) -> u16 {
    read(sk + offset!(sk_err) as u64, 0i32).unsigned_abs() as u16
}

/// The own side still receives, though it may have said that it sends no more: `shutdown(SHUT_WR)`.
/// Source: `sk_shutdown` is set before the state changes, `inet_shutdown` in net/ipv4/af_inet.c.
#[inline(always)]
pub fn still_receives(sk: u64) -> bool {
    const RCV_SHUTDOWN: u8 = 1;
    read(sk + offset!(sk_shutdown) as u64, RCV_SHUTDOWN) & RCV_SHUTDOWN == 0
}

/// A descriptor still leads to the socket: `close()` takes it from its `struct socket`.
/// Source: `sock_orphan` in include/net/sock.h.
#[inline(always)]
pub fn is_held(sk: u64) -> bool {
    read(sk + offset!(sk_socket) as u64, 0u64) != 0
}

/// TCP's count of bytes that were read from the socket, by whatever call.
#[inline(always)]
pub fn copied(sk: u64) -> u32 {
    read(sk + offset!(tcp_copied) as u64, 0)
}

/// When TCP last handed bytes down, nanoseconds of `CLOCK_MONOTONIC`; 0 = not known.
/// A hook behind the call is late by the call itself, on loopback by the peer's work too.
#[inline(always)]
pub fn last_transmit(sk: u64) -> u64 {
    match offset!(tcp_wstamp) {
        0 => 0,
        field => read(sk + field as u64, 0),
    }
}

/// A stream of bytes: TCP, or UNIX of that type. Source: `SOCK_STREAM` and `IPPROTO_TCP` have the same numbers
/// on every machine but MIPS.
#[inline(always)]
pub fn is_stream(sk: u64, of: u16) -> bool {
    const STREAM: u16 = 1;
    const TCP: u16 = 6;
    match of {
        family::UNIX => read(sk + offset!(sk_type) as u64, 0u16) == STREAM,
        family::INET | family::INET6 => read(sk + offset!(sk_protocol) as u64, 0u16) == TCP,
        _ => false,
    }
}

/// A socket that nobody connected, and that nothing was sent on: TCP by its own count; a UNIX socket that was
/// accepted has its listener's address, and its peer seldom has one.
#[inline(always)]
pub fn is_untouched(sk: u64, of: u16) -> bool {
    if of == family::UNIX {
        let peer = read(sk + offset!(unix_peer) as u64, 0u64);
        return has_address(sk) && (peer == 0 || !has_address(peer));
    }
    match offset!(tcp_sent) {
        0 => false,
        field => read(sk + field as u64, 1u64) == 0,
    }
}

/// The UNIX socket is bound.
#[inline(always)]
pub fn has_address(sk: u64) -> bool {
    read(sk + offset!(unix_addr) as u64, 0u64) != 0
}

/// Address and length of the `sun_path` that a UNIX socket's peer is bound to.
#[inline(always)]
pub fn peer_path(sk: u64) -> Option<(u64, u32)> {
    let peer = read(sk + offset!(unix_peer) as u64, 0u64);
    if peer == 0 {
        return None;
    }
    let address = read(peer + offset!(unix_addr) as u64, 0u64);
    if address == 0 {
        return None;
    }
    // The length counts the family's two bytes.
    let length = read(address + offset!(unix_len) as u64, 0u32);
    if length <= 2 || length > 110 {
        return None;
    }
    Some((address + offset!(unix_name) as u64 + 2, length - 2))
}

/// Start of the current process, nanoseconds since boot.
#[inline(always)]
pub fn process_started() -> u64 {
    task_process_started(unsafe { raw::bpf_get_current_task() })
}

/// Start of a task's process, nanoseconds since boot.
#[inline(always)]
pub fn task_process_started(task: u64) -> u64 {
    let leader = read(task + offset!(task_leader) as u64, 0u64);
    read(leader + offset!(task_started) as u64, 0)
}

#[inline(always)]
pub fn task_pid(task: u64) -> u32 {
    read(task + offset!(task_pid) as u64, 0)
}

#[inline(always)]
pub fn task_tgid(task: u64) -> u32 {
    read(task + offset!(task_tgid) as u64, 0)
}

/// The current task's `PF_…` flags.
#[inline(always)]
pub fn task_flags() -> u32 {
    read(unsafe { raw::bpf_get_current_task() } + offset!(task_flags) as u64, 0)
}

/// The current thread has used io_uring.
#[inline(always)]
pub fn has_ring() -> bool {
    match offset!(task_ring) {
        0 => false,
        field => read(unsafe { raw::bpf_get_current_task() } + field as u64, 0u64) != 0,
    }
}

/// Threads of a task's process that still live.
#[inline(always)]
pub fn live_threads(task: u64) -> i32 {
    let signal = read(task + offset!(task_signal) as u64, 0u64);
    read(signal + offset!(signal_live) as u64, 0)
}

/// The socket behind a file descriptor of the current task, with its inode number.
/// Source: `struct socket` is the file's private data, `sock_alloc_file` in net/socket.c.
#[inline(always)]
pub fn socket_of(descriptor: u64) -> Option<(u64, u64)> {
    const FORMAT: u16 = 0o170_000;
    const SOCKET: u16 = 0o140_000;
    let task = unsafe { raw::bpf_get_current_task() };
    let files = read(task + offset!(task_files) as u64, 0u64);
    let table = read(files + offset!(files_table) as u64, 0u64);
    if descriptor >= read(table + offset!(table_size) as u64, 0u32) as u64 {
        return None;
    }
    let array = read(table + offset!(table_files) as u64, 0u64);
    let file = read(array + descriptor * 8, 0u64);
    if file == 0 {
        return None;
    }
    let inode = read(file + offset!(file_inode) as u64, 0u64);
    if read(inode + offset!(inode_mode) as u64, 0u16) & FORMAT != SOCKET {
        return None;
    }
    let socket = read(file + offset!(file_private) as u64, 0u64);
    let sk = read(socket + offset!(socket_sk) as u64, 0u64);
    if sk == 0 {
        return None;
    }
    Some((sk, read(inode + offset!(inode_number) as u64, 0u64)))
}

/// Bytes in the ring that the reader has not taken.
#[inline(always)]
pub fn ring_used(ring: *mut c_void) -> u64 {
    unsafe { raw::bpf_ringbuf_query(ring, u64::from(bindings::BPF_RB_AVAIL_DATA)) }
}

/// Runs `step` until it answers 1, at most `times`.
#[inline(always)]
pub unsafe fn repeat<T>(times: u32, step: unsafe extern "C" fn(u32, *mut T) -> i64, state: *mut T) {
    unsafe { raw::bpf_loop(times, step as *mut c_void, state.cast::<c_void>(), 0) };
}

/// The same number, of which the verifier does not know any more that it is a pointer: functions that it looks at on
/// their own take numbers.
#[inline(always)]
pub fn number(pointer: u64) -> u64 {
    read(&raw const pointer as u64, 0)
}

/// The `n`th argument of a raw tracepoint or tp_btf program: both get an array of words.
#[inline(always)]
pub unsafe fn argument(context: &impl EbpfContext, n: usize) -> u64 {
    unsafe { *context.as_ptr().cast::<u64>().add(n) }
}
