//! A program that does nothing, at the hooks of the first tier: what the kernel itself takes to call one.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};

/// `enum bpf_cmd` and `enum bpf_prog_type`.
/// Source: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h#L959>.
mod bpf {
    pub const PROG_LOAD: libc::c_long = 5;
    pub const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
    pub const RAW_TRACEPOINT: u32 = 17;
}

/// `r0 = 0; exit`
const NOTHING: [u64; 2] = [0xb7, 0x95];
const LICENSE: &CStr = c"GPL";
const HOOKS: [&CStr; 2] = [c"sock_send_length", c"sock_recv_length"];

/// What both commands are told: the first words of `union bpf_attr`, which is longer.
#[repr(C)]
#[derive(Default)]
struct Told {
    words: [u64; 16],
}

/// Attached as long as it is held.
pub struct Empty {
    _links: [OwnedFd; 2],
}

impl Empty {
    /// Attaches it to both hooks.
    pub fn attach() -> Result<Self> {
        let mut load = Told::default();
        let instructions = NOTHING.len() as u64;
        load.words[..3].copy_from_slice(&[
            u64::from(bpf::RAW_TRACEPOINT) | instructions << 32,
            NOTHING.as_ptr() as u64,
            LICENSE.as_ptr() as u64,
        ]);
        let program = call(bpf::PROG_LOAD, &load).context("an empty program")?;
        let attach = |hook: &CStr| {
            let mut open = Told::default();
            open.words[..2].copy_from_slice(&[hook.as_ptr() as u64, u64::try_from(program.as_raw_fd())?]);
            call(bpf::RAW_TRACEPOINT_OPEN, &open).with_context(|| format!("an empty program at {hook:?}"))
        };
        let [sends, receives] = HOOKS;
        Ok(Self { _links: [attach(sends)?, attach(receives)?] })
    }
}

fn call(command: libc::c_long, told: &Told) -> io::Result<OwnedFd> {
    // SAFETY: what it is told lies there as long as the call takes, and so does what that points at.
    let descriptor = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *told, size_of::<Told>()) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just handed it out.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
