//! The kernel's helpers, on the machine.

use core::ffi::c_void;

use crate::machine;

pub fn bpf_get_current_pid_tgid() -> u64 {
    machine::with(|m| m.thread)
}

pub fn bpf_get_current_comm() -> Result<[u8; 16], i64> {
    Ok(*b"client\0\0\0\0\0\0\0\0\0\0")
}

/// The raw ones.
pub mod generated {
    use std::ffi::{c_int, c_long};

    use super::c_void;
    use crate::machine::{self, Memory};

    const FAULT: c_long = -14;
    /// More than a program has, since what is compiled for this machine takes more.
    const STACK: usize = 16_384;

    unsafe fn copy(memory: &Memory, to: *mut c_void, length: u32, from: *const c_void) -> c_long {
        let to = to.cast::<u8>();
        let Some(bytes) = memory.read(from.addr() as u64, length as usize) else {
            // SAFETY: the caller's destination; the kernel zeroes it, too.
            unsafe { to.write_bytes(0, length as usize) };
            return FAULT;
        };
        // SAFETY: the caller's destination has room, which the sanitizer checks.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        0
    }

    pub unsafe fn bpf_probe_read_user(to: *mut c_void, length: u32, from: *const c_void) -> c_long {
        machine::with(|m| unsafe { copy(&m.user, to, length, from) })
    }

    /// A program's own stack is kernel memory, too.
    pub unsafe fn bpf_probe_read_kernel(to: *mut c_void, length: u32, from: *const c_void) -> c_long {
        let here = 0_u8;
        let above = from.addr().wrapping_sub((&raw const here).addr());
        if above < STACK {
            // SAFETY: a value of one of the callers, whose frames lie above this one.
            unsafe { to.cast::<u8>().copy_from_nonoverlapping(from.cast(), length as usize) };
            return 0;
        }
        machine::with(|m| unsafe { copy(&m.kernel, to, length, from) })
    }

    pub unsafe fn bpf_ktime_get_ns() -> u64 {
        machine::with(|m| m.now)
    }

    /// No probe has one here.
    pub unsafe fn bpf_get_attach_cookie(_context: *mut c_void) -> u64 {
        0
    }

    pub unsafe fn bpf_get_socket_cookie(socket: *mut c_void) -> u64 {
        socket.addr() as u64
    }

    pub unsafe fn bpf_get_current_task() -> u64 {
        0
    }

    pub enum Task {}

    pub unsafe fn bpf_get_current_task_btf() -> *mut Task {
        core::ptr::null_mut()
    }

    pub unsafe fn bpf_task_pt_regs(_task: *mut Task) -> c_long {
        machine::with(|m| m.registers.cast_signed() as c_long)
    }

    pub unsafe fn bpf_ringbuf_query(_ring: *mut c_void, _what: u64) -> u64 {
        machine::with(|m| m.ring_used as u64)
    }

    pub unsafe fn bpf_ringbuf_output(
        _ring: *mut c_void,
        data: *mut c_void,
        size: u64,
        _flags: u64,
    ) -> c_long {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // SAFETY: the caller's promise, which the sanitizer checks.
        if unsafe { crate::btf_maps::output(data.cast_const().cast(), size) } { 0 } else { -11 }
    }

    type Step = unsafe extern "C" fn(u32, *mut c_void) -> i64;

    pub unsafe fn bpf_loop(times: u32, step: *mut c_void, state: *mut c_void, _flags: u64) -> c_long {
        // SAFETY: the caller's promise.
        let step = unsafe { core::mem::transmute::<*mut c_void, Step>(step) };
        let mut done: u32 = 0;
        while done < times {
            done += 1;
            if unsafe { step(done - 1, state) } != 0 {
                break;
            }
        }
        c_long::from(c_int::try_from(done).unwrap_or(c_int::MAX))
    }
}
