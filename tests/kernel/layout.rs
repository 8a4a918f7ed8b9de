//! What the probes take for granted of this kernel, asserted through libbpf: structures, arguments, the object.

mod btf;

use std::{collections::BTreeSet, ffi::CString, fs};

use anyhow::{Context as _, Result, ensure};
use btf::Btf;
use libbpf_sys as sys;
use poolwatch_tests::{need, need::Feature, place};

/// Every field that the probes read, with the bytes that they read of it.
const FIELDS: [(&str, &str, i64); 40] = [
    ("sock_common", "skc_family", 2),
    ("sock_common", "skc_dport", 2),
    ("sock_common", "skc_num", 2),
    ("sock_common", "skc_daddr", 4),
    ("sock_common", "skc_v6_daddr", 16),
    ("sock", "sk_socket", 8),
    ("sock", "sk_err", 4),
    ("sock", "sk_shutdown", 1),
    ("sock", "sk_type", 2),
    ("sock", "sk_protocol", 2),
    ("tcp_sock", "bytes_sent", 8),
    ("tcp_sock", "copied_seq", 4),
    ("tcp_sock", "tcp_wstamp_ns", 8),
    ("unix_sock", "peer", 8),
    ("unix_sock", "addr", 8),
    ("unix_address", "len", 4),
    ("unix_address", "name", 0),
    ("socket", "sk", 8),
    ("socket_alloc", "vfs_inode", ANY),
    ("inode", "i_ino", 8),
    ("inode", "i_mode", 2),
    ("file", "f_inode", 8),
    ("file", "private_data", 8),
    ("files_struct", "fdt", 8),
    ("fdtable", "fd", 8),
    ("fdtable", "max_fds", 4),
    ("task_struct", "files", 8),
    ("task_struct", "pid", 4),
    ("task_struct", "tgid", 4),
    ("task_struct", "group_leader", 8),
    ("task_struct", "start_boottime", 8),
    ("task_struct", "signal", 8),
    ("task_struct", "flags", 4),
    ("task_struct", "io_uring", 8),
    ("signal_struct", "live", 4),
    // The system call's own registers.
    ("pt_regs", "dx", 8),
    ("pt_regs", "si", 8),
    ("pt_regs", "di", 8),
    ("pt_regs", "orig_ax", 8),
    ("pt_regs", "r10", 8),
];
/// A structure of whatever size.
const ANY: i64 = -1;

/// Fields that the agent can do without, or that only another architecture or an older kernel has.
const ELSEWHERE: [(&str, &str); 3] =
    [("task_struct", "real_start_time"), ("pt_regs", "regs"), ("pt_regs", "syscallno")];

/// A pointer to the outer structure is a pointer to the inner one.
const FIRST: [(&str, &str); 6] = [
    ("sock", "__sk_common"),
    ("inet_sock", "sk"),
    ("inet_connection_sock", "icsk_inet"),
    ("tcp_sock", "inet_conn"),
    ("unix_sock", "sk"),
    ("socket_alloc", "socket"),
];

/// Tracepoints, and the arguments that the probes read, in their order.
const TRACEPOINTS: [(&str, &[&str]); 8] = [
    ("sock_send_length", &["struct sock *", "int", "int"]),
    ("sock_recv_length", &["struct sock *", "int", "int"]),
    ("inet_sock_set_state", &["const struct sock *", "const int", "const int"]),
    ("sys_enter", &["struct pt_regs *", "long int"]),
    ("sys_exit", &["struct pt_regs *", "long int"]),
    ("sched_process_fork", &["struct task_struct *", "struct task_struct *"]),
    ("sched_process_exec", &["struct task_struct *", "pid_t", "struct linux_binprm *"]),
    ("sched_process_exit", &["struct task_struct *"]),
];

#[test]
#[cfg(target_arch = "x86_64")]
fn every_field_that_the_probes_read_is_there_with_the_size_they_read() -> Result<()> {
    need!(Feature::Probes);
    let btf = Btf::of_kernel()?;
    for (structure, name, size) in FIELDS {
        let field = btf.field(structure, name)?;
        println!("{structure}.{name}: {field:?}");
        ensure!(size == ANY || field.size == size, "{structure}.{name} has {} bytes, not {size}", field.size);
    }
    for (outer, inner) in FIRST {
        let offset = btf.field(outer, inner)?.offset;
        ensure!(offset == 0, "{outer}.{inner} is at {offset}, not first");
    }
    let start = btf.field("pt_regs", "dx")?.offset;
    for (name, behind) in [("si", 8), ("di", 16), ("orig_ax", 24)] {
        ensure!(btf.field("pt_regs", name)?.offset == start + behind, "pt_regs.{name} is elsewhere");
    }
    // The family stands before the path, in two bytes.
    ensure!(btf.field("sockaddr_un", "sun_path")?.offset == 2, "sun_path is elsewhere");
    Ok(())
}

#[test]
fn every_tracepoint_passes_the_arguments_that_the_probes_read() -> Result<()> {
    need!(Feature::Probes);
    let btf = Btf::of_kernel()?;
    let lacks_lengths = need::lack(Feature::SocketTier);
    for (name, expected) in TRACEPOINTS {
        if let Some(reason) = lacks_lengths.as_ref().filter(|_| name.ends_with("_length")) {
            println!("{name} is not looked at: {reason}");
            continue;
        }
        let found = btf.tracepoint(name)?;
        println!("{name}({})", found.join(", "));
        ensure!(found.len() >= expected.len(), "{name} has only {} arguments", found.len());
        let same = found.iter().zip(expected).all(|(found, expected)| found == expected);
        ensure!(same, "{name}: {found:?} is not {expected:?}");
    }
    Ok(())
}

/// The pairs of quoted names after `field(` or `offset(btf, ` in the agent's reader of BTF.
fn pairs_in(source: &str) -> BTreeSet<(String, String)> {
    let mut pairs = BTreeSet::new();
    for start in ["field(\"", "offset(btf, \""] {
        for rest in source.split(start).skip(1) {
            let mut parts = rest.split('"');
            if let (Some(structure), Some(", "), Some(field)) = (parts.next(), parts.next(), parts.next()) {
                pairs.insert((structure.to_owned(), field.to_owned()));
            }
        }
    }
    pairs
}

#[test]
fn no_field_that_the_agent_looks_up_is_missing_from_this_test() -> Result<()> {
    need!(Feature::Sources);
    let file = place::here().join("../poolwatch/src/probes/layout.rs");
    let source = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let pairs = pairs_in(&source);
    ensure!(pairs.len() >= 28, "only {} fields found in {}", pairs.len(), file.display());
    let known = |structure: &str, field: &str| {
        FIELDS.iter().map(|(s, f, _)| (*s, *f)).chain(ELSEWHERE).any(|pair| pair == (structure, field))
    };
    let unknown: Vec<_> = pairs.iter().filter(|(structure, field)| !known(structure, field)).collect();
    println!("{} fields looked up", pairs.len());
    ensure!(unknown.is_empty(), "not asserted here: {unknown:?}");
    Ok(())
}

/// The object with the probes under libbpf; closed when dropped.
struct Object(*mut sys::bpf_object);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: ours, opened below and closed once.
        unsafe { sys::bpf_object__close(self.0) };
    }
}

#[test]
fn the_object_is_taken_by_libbpf_and_by_the_kernel_through_it() -> Result<()> {
    need!(Feature::Probes, Feature::ProbeObject);
    let path = place::probes()?;
    let name = CString::new(path.display().to_string())?;
    // SAFETY: a C string that outlives the call; no options.
    let object = unsafe { sys::bpf_object__open_file(name.as_ptr(), std::ptr::null()) };
    if object.is_null() {
        let reason = std::io::Error::last_os_error();
        // What a linker of another language writes of maps is not always what libbpf reads.
        return need::skip(
            "layout::the_object_is_taken_by_libbpf",
            &format!("libbpf does not open it: {reason}"),
        );
    }
    let object = Object(object);
    // SAFETY: an open object.
    let failed = unsafe { sys::bpf_object__load(object.0) };
    let reason = std::io::Error::from_raw_os_error(-failed);
    println!("{}: {}", path.display(), if failed == 0 { "loaded".to_owned() } else { reason.to_string() });
    ensure!(failed == 0, "libbpf opens {} but the kernel refuses it: {reason}", path.display());
    Ok(())
}
