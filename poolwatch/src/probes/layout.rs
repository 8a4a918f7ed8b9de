//! Where the fields that the probes read lie in this kernel's structures, from its own BTF.
//!
//! Nothing is guessed: a field that BTF does not name makes the layout fail, with its name, except
//! for those that a kernel may lack. So does the helper without which no message can be walked.

use std::fs;

use anyhow::{Context, Result, bail};
use poolwatch_ebpf::wire::Offsets;

use super::btf::Types;

/// Kernel type information, where a kernel has it.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Number of the helper that walks the messages of a call, among the kernel's own names.
const LOOP: &str = "BPF_FUNC_loop";

/// Reads the running kernel's layout.
///
/// # Errors
/// When the kernel has no BTF, no loops in BPF, or a structure lacks a field that the probes cannot do without.
pub fn read() -> Result<Offsets> {
    let bytes = fs::read(BTF_PATH).with_context(|| {
        format!("{BTF_PATH}: the kernel was built without BTF; use one with CONFIG_DEBUG_INFO_BTF=y")
    })?;
    let types = Types::read(&bytes).with_context(|| format!("{BTF_PATH} is no BTF"))?;
    if !types.names(LOOP) {
        bail!(
            "its BPF has no loops (bpf_loop), which Linux 5.17 brought; the oldest kernel that poolwatch is tested on is 6.1"
        );
    }
    of(&types)
}

/// The layout that these types describe.
fn of(types: &Types) -> Result<Offsets> {
    let field = |structure: &str, name: &str| offset(types, structure, name);
    let registers = registers(types)?;
    Ok(Offsets {
        family: field("sock_common", "skc_family")?,
        dport: field("sock_common", "skc_dport")?,
        num: field("sock_common", "skc_num")?,
        daddr: field("sock_common", "skc_daddr")?,
        v6_daddr: field("sock_common", "skc_v6_daddr")?,
        sk_socket: field("sock", "sk_socket")?,
        sk_err: field("sock", "sk_err")?,
        // Since 4.20; without it a request's start is late by the length of the send.
        tcp_wstamp: field("tcp_sock", "tcp_wstamp_ns").unwrap_or(0),
        unix_peer: field("unix_sock", "peer")?,
        unix_addr: field("unix_sock", "addr")?,
        unix_len: field("unix_address", "len")?,
        unix_name: field("unix_address", "name")?,
        socket_inode: field("socket_alloc", "vfs_inode")? + field("inode", "i_ino")?,
        socket_sk: field("socket", "sk")?,
        inode_number: field("inode", "i_ino")?,
        inode_mode: field("inode", "i_mode")?,
        file_inode: field("file", "f_inode")?,
        file_private: field("file", "private_data")?,
        files_table: field("files_struct", "fdt")?,
        table_files: field("fdtable", "fd")?,
        table_size: field("fdtable", "max_fds")?,
        task_files: field("task_struct", "files")?,
        task_pid: field("task_struct", "pid")?,
        task_tgid: field("task_struct", "tgid")?,
        task_leader: field("task_struct", "group_leader")?,
        // Called real_start_time before 5.5.
        task_started: field("task_struct", "start_boottime")
            .or_else(|_| field("task_struct", "real_start_time"))?,
        task_signal: field("task_struct", "signal")?,
        signal_live: field("signal_struct", "live")?,
        registers: registers.words,
        registers_number: registers.number,
        registers_fourth: registers.fourth,
        registers_result: registers.result,
        registers_passed: registers.passed,
        registers_second_of_go: registers.of_go.0,
        registers_third_of_go: registers.of_go.1,
        registers_goroutine: registers.goroutine,
        registers_stack: registers.stack,
        registers_flags: registers.flags,
        sk_shutdown: field("sock", "sk_shutdown")?,
        sk_type: field("sock", "sk_type")?,
        sk_protocol: field("sock", "sk_protocol")?,
        // Since 4.19; without it an accepted socket is known by what it says.
        tcp_sent: field("tcp_sock", "bytes_sent").unwrap_or(0),
        tcp_copied: field("tcp_sock", "copied_seq")?,
        task_flags: field("task_struct", "flags")?,
        // A kernel may be built without io_uring.
        task_ring: field("task_struct", "io_uring").unwrap_or(0),
    })
}

/// Where a system call's number and arguments, and what C and Go pass, lie in `struct pt_regs`.
struct Registers {
    words: u32,
    number: u32,
    fourth: u32,
    result: u32,
    passed: u32,
    of_go: (u32, u32),
    goroutine: u32,
    stack: u32,
    flags: u32,
}

/// x86-64: `dx si di orig_ax` side by side.
/// Source: <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/ptrace.h#L103-L171>.
#[cfg(target_arch = "x86_64")]
fn registers(types: &Types) -> Result<Registers> {
    let words = offset(types, "pt_regs", "dx")?;
    for (name, at) in [("si", 8), ("di", 16), ("orig_ax", 24)] {
        if offset(types, "pt_regs", name)? != words + at {
            bail!("pt_regs.{name} is not where x86-64 keeps it");
        }
    }
    let at = |name: &str| offset(types, "pt_regs", name);
    let of_go = (at("bx")?, at("cx")?);
    let (fourth, result, passed, goroutine) = (at("r10")?, at("ax")?, at("cx")?, at("r14")?);
    let (stack, flags) = (at("sp")?, at("flags")?);
    Ok(Registers { words, number: 0, fourth, result, passed, of_go, goroutine, stack, flags })
}

/// arm64: `regs[0]` to `regs[3]`, and `syscallno`.
/// Source: <https://github.com/torvalds/linux/blob/v6.12/arch/arm64/include/asm/ptrace.h#L152-L190>.
#[cfg(target_arch = "aarch64")]
fn registers(types: &Types) -> Result<Registers> {
    let words = offset(types, "pt_regs", "regs")?;
    let number = offset(types, "pt_regs", "syscallno")?;
    Ok(Registers {
        words,
        number,
        fourth: words + 24,
        result: words,
        passed: words + 24,
        of_go: (words + 8, words + 16),
        goroutine: words + 28 * 8,
        stack: offset(types, "pt_regs", "sp")?,
        flags: offset(types, "pt_regs", "pstate")?,
    })
}

/// Byte offset of a field.
fn offset(types: &Types, structure: &str, field: &str) -> Result<u32> {
    types
        .offset(structure, field)
        .with_context(|| format!("this kernel's BTF has no field {structure}.{field}"))
}
