//! The kernel's constants that the probes name. Source: include/uapi/linux/bpf.h.

pub const BPF_F_NO_PREALLOC: u32 = 1;
pub const BPF_RB_NO_WAKEUP: u32 = 1;
pub const BPF_RB_FORCE_WAKEUP: u32 = 2;
pub const BPF_RB_AVAIL_DATA: u32 = 0;
pub const BPF_ANY: u32 = 0;
pub const BPF_NOEXIST: u32 = 1;
pub const BPF_EXIST: u32 = 2;
