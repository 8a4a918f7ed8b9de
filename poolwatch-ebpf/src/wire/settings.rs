//! What the agent patches into the probes before they are loaded.
//!
//! Offsets come from the running kernel's BTF; nothing about a kernel is guessed.

/// Byte offsets inside kernel structures.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    /// `sock_common.skc_family`
    pub family: u32,
    /// `sock_common.skc_dport`
    pub dport: u32,
    /// `sock_common.skc_num`
    pub num: u32,
    /// `sock_common.skc_daddr`
    pub daddr: u32,
    /// `sock_common.skc_v6_daddr`
    pub v6_daddr: u32,
    /// `sock.sk_socket`
    pub sk_socket: u32,
    /// `sock.sk_err`
    pub sk_err: u32,
    /// `tcp_sock.tcp_wstamp_ns`; 0 = this kernel has none
    pub tcp_wstamp: u32,
    /// `unix_sock.peer`
    pub unix_peer: u32,
    /// `unix_sock.addr`
    pub unix_addr: u32,
    /// `unix_address.len`
    pub unix_len: u32,
    /// `unix_address.name`
    pub unix_name: u32,
    /// From a `struct socket` to the number of its inode: `socket_alloc.vfs_inode` + `inode.i_ino`
    pub socket_inode: u32,
    /// `socket.sk`
    pub socket_sk: u32,
    /// `inode.i_ino`
    pub inode_number: u32,
    /// `inode.i_mode`
    pub inode_mode: u32,
    /// `file.f_inode`
    pub file_inode: u32,
    /// `file.private_data`
    pub file_private: u32,
    /// `files_struct.fdt`
    pub files_table: u32,
    /// `fdtable.fd`
    pub table_files: u32,
    /// `fdtable.max_fds`
    pub table_size: u32,
    /// `task_struct.files`
    pub task_files: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.group_leader`
    pub task_leader: u32,
    /// `task_struct.start_boottime` (`real_start_time` before 5.5)
    pub task_started: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `pt_regs`: four words that hold the first arguments of a system call
    pub registers: u32,
    /// `pt_regs`: the number of the system call, where it is not the last of those four words
    pub registers_number: u32,
    /// `pt_regs`: the fourth argument
    pub registers_fourth: u32,
    /// `pt_regs`: the register with a Go function's first argument and result
    pub registers_result: u32,
    /// `pt_regs`: the register with a C function's fourth argument
    pub registers_passed: u32,
    /// `pt_regs`: the registers with a Go function's second and third arguments
    pub registers_second_of_go: u32,
    /// See above.
    pub registers_third_of_go: u32,
    /// `pt_regs`: the register in which Go keeps the goroutine
    pub registers_goroutine: u32,
    /// `pt_regs`: the register with the end of the stack
    pub registers_stack: u32,
    /// Of the flags.
    pub registers_flags: u32,
    /// `sock.sk_shutdown`
    pub sk_shutdown: u32,
    /// `tcp_sock.copied_seq`
    pub tcp_copied: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.io_uring`; 0 = this kernel has none
    pub task_ring: u32,
    /// `sock.sk_type`
    pub sk_type: u32,
    /// `sock.sk_protocol`
    pub sk_protocol: u32,
    /// `tcp_sock.bytes_sent`; 0 = this kernel has none
    pub tcp_sent: u32,
}

/// What a system call does with a socket; the table of [`CALLS`] is indexed by its number.
pub mod call {
    /// The second argument is a buffer.
    pub const BUFFER: u8 = 1;
    /// The second argument is an array of `struct iovec`, the third its length.
    pub const VECTOR: u8 = 2;
    /// The second argument is a `struct msghdr`.
    pub const MESSAGE: u8 = 3;
    /// The second argument is an array of `struct mmsghdr`, the third its length.
    pub const MESSAGES: u8 = 4;
    /// `splice()`: from the first argument to the third.
    pub const SPLICE: u8 = 5;
    /// Mask of the forms above.
    pub const FORM: u8 = 0x0f;
    /// It sends.
    pub const SENDS: u8 = 0x10;
    /// It receives.
    pub const RECEIVES: u8 = 0x20;
    /// Its flags are the fourth argument (else, for messages, the third).
    pub const FLAGS_FOURTH: u8 = 0x40;
    /// Its flags are the third argument.
    pub const FLAGS_THIRD: u8 = 0x80;
}

/// What a system call waits for; a table of [`CALLS`], too.
pub mod pause {
    /// For input: `epoll_wait`, `poll`, `select`.
    pub const INPUT: u8 = 1;
    /// For another thread, in one of several places: `futex_waitv`.
    pub const PLACES: u8 = 2;
    /// For another thread; its first argument says where: `futex_wait`.
    pub const PLACE: u8 = 3;
    /// The same, when its second argument says so: `futex`.
    pub const FUTEX: u8 = 4;
}

/// Entries of the tables of system calls.
pub const CALLS: usize = 512;

/// Which processes are watched.
pub mod watch {
    /// Every process that is not denied.
    pub const ALL: u32 = 0;
    /// Only the listed ones.
    pub const LISTED: u32 = 1;
    /// The listed ones and what they fork.
    pub const LISTED_AND_CHILDREN: u32 = 2;
}

/// Bits of a process's entry in the map of processes.
pub mod standing {
    /// Named by the user, or forked by one that was.
    pub const LISTED: u32 = 1;
    /// Not to be watched.
    pub const DENIED: u32 = 2;
    /// Has had a connection: its end is told.
    pub const HOLDS: u32 = 4;
    /// Has been asked for something on a socket that it accepted.
    pub const SERVES: u32 = 8;
    /// Its threads' waits are told.
    pub const PRESSED: u32 = 16;
    /// Probes are attached in its TLS library.
    pub const PLAIN: u32 = 32;
    /// With [`PLAIN`]: that library is Go's own, and calls are goroutines'.
    pub const GO: u32 = 64;
}

#[cfg(feature = "user")]
// SAFETY: repr(C), only integers, no padding.
unsafe impl aya::Pod for Offsets {}

const _: () = assert!(size_of::<Offsets>() == 45 * 4);
