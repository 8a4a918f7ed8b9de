//! Processes, as `/proc` shows them: who one is, which exist, which sockets one holds.
//!
//! Process numbers come in, [`Seen`] goes out. Nothing is cached, and nothing of a process's
//! arguments or environment is kept but the names derived from them, and numbers.

use std::{collections::BTreeSet, ffi::OsStr, fmt, fs::File, io::Read, path::Path};

use procfs::{
    ProcError, ProcResult,
    process::{self, FDTarget, Stat},
};

use super::{
    NAME_BYTES, PROCESS_BYTES,
    cgroup::{self, Cgroup},
    declared::{Program, declared},
    inside, name,
    seen::Seen,
    service::{self, Surroundings},
};
use crate::event::ProcessId;

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The process is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanished;

impl fmt::Display for Vanished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process is not there any more")
    }
}

impl std::error::Error for Vanished {}

/// What stands behind a number given as a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process.
    Existing,
    /// Nothing.
    Missing,
    /// A thread of the kernel: it holds no socket of a client.
    KernelThread,
    /// A thread of the process with this number.
    ThreadOf(u32),
}

/// What stands behind `pid`.
pub fn kind_of(pid: u32) -> Kind {
    let Ok(process) = open(pid) else { return Kind::Missing };
    let Ok(stat) = process.stat() else { return Kind::Missing };
    if stat.flags & KERNEL_THREAD != 0 {
        return Kind::KernelThread;
    }
    match process.status().map(|status| u32::try_from(status.tgid)) {
        Ok(Ok(group)) if group != pid => Kind::ThreadOf(group),
        _ => Kind::Existing,
    }
}

/// When the process with this number started, in hundredths of a second since boot.
pub fn started(pid: u32) -> Option<u64> {
    Some(open(pid).ok()?.stat().ok()?.starttime)
}

/// Nothing of the process runs any more: it has gone, or only waits for its parent to learn of its end.
pub fn is_over(pid: u32) -> bool {
    let Some(stat) = open(pid).ok().and_then(|process| process.stat().ok()) else { return true };
    // The first thread may end before the others.
    matches!(stat.state, 'Z' | 'X') && stat.num_threads <= 1
}

/// Processes that descend from one of `pids`, themselves included, in the order of their numbers.
pub fn family(pids: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = processes()
        .into_iter()
        .filter_map(|pid| Some((pid, u32::try_from(open(pid).ok()?.stat().ok()?.ppid).ok()?)))
        .collect();
    let mut family: BTreeSet<u32> = pids.iter().copied().collect();
    loop {
        let children = parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(pid, _)| *pid);
        let with_children: BTreeSet<u32> = family.iter().copied().chain(children).collect();
        if with_children.len() == family.len() {
            return family.into_iter().collect();
        }
        family = with_children;
    }
}

/// The numbers of all processes, kernel threads included.
pub fn processes() -> Vec<u32> {
    let Ok(processes) = process::all_processes() else { return Vec::new() };
    processes.flatten().filter_map(|process| u32::try_from(process.pid).ok()).collect()
}

/// Who the process with this number is.
pub fn process(pid: u32) -> Result<Seen, Vanished> {
    let process = open(pid).map_err(|_| Vanished)?;
    let stat = process.stat().map_err(|_| Vanished)?;
    let executable = process.exe().ok().and_then(|path| executable(&path)).unwrap_or(stat.comm);
    let (arguments, environment) = (bytes(&process, "cmdline"), bytes(&process, "environ"));
    let name = cut(name::name(&executable, &words(&arguments)));
    let program = Program { executable: &executable, environment: &environment, arguments: &arguments };
    let Cgroup { container, unit, .. } = cgroup::read(&String::from_utf8_lossy(&bytes(&process, "cgroup")));
    Ok(Seen {
        id: ProcessId { pid, started: stat.starttime },
        name,
        surroundings: Surroundings {
            declared: service::declared(&environment),
            workload: None,
            unit,
            container: None,
        },
        container,
        declared: declared(&program, &mut |path| inside::read(&process, path)),
    })
}

/// A process at one moment, as far as a scan of sockets wants to know it.
pub(super) struct Holder {
    process: process::Process,
    /// Which one.
    pub id: ProcessId,
    /// The command name: at most 15 bytes.
    pub command: String,
}

impl Holder {
    /// Opens the process; `None` when it vanished or is a thread of the kernel.
    pub(super) fn open(pid: u32) -> Option<Self> {
        let process = open(pid).ok()?;
        let Stat { starttime, flags, comm, .. } = process.stat().ok()?;
        let id = ProcessId { pid, started: starttime };
        (flags & KERNEL_THREAD == 0).then_some(Self { process, id, command: comm })
    }

    /// Inodes of the sockets that it holds. An error means that they may not be read;
    /// a process that vanished holds none.
    pub(super) fn sockets(&self) -> Result<Vec<u64>, Denied> {
        let descriptors = match self.process.fd() {
            Ok(descriptors) => descriptors,
            Err(ProcError::PermissionDenied(_)) => return Err(Denied),
            Err(_) => return Ok(Vec::new()),
        };
        let targets: Vec<FDTarget> = descriptors.flatten().map(|descriptor| descriptor.target).collect();
        // procfs leaves out what it may not read. The right to read one of a process's links is the right to read them all.
        if targets.is_empty() && matches!(self.process.root(), Err(ProcError::PermissionDenied(_))) {
            return Err(Denied);
        }
        let inode = |target| if let FDTarget::Socket(inode) = target { Some(inode) } else { None };
        Ok(targets.into_iter().filter_map(inode).collect())
    }

    /// Its network namespace.
    pub(super) fn network(&self) -> Option<File> {
        self.process.open_relative("ns/net").ok()
    }
}

/// The agent may not look into this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denied;

pub(super) fn open(pid: u32) -> ProcResult<process::Process> {
    process::Process::new(i32::try_from(pid).map_err(|_| ProcError::NotFound(None))?)
}

/// The file name; the kernel marks the path of a replaced executable.
fn executable(path: &Path) -> Option<String> {
    let name = path.file_name().map(OsStr::to_string_lossy)?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned())
}

/// The arguments; procfs's own reader refuses those that are not UTF-8.
fn words(line: &[u8]) -> Vec<String> {
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The head of one of the process's files; nothing when it may not be read.
fn bytes(process: &process::Process, file: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = process.open_relative(file) {
        // A process that ends while it is read has nothing more to say.
        let _ = file.take(PROCESS_BYTES).read_to_end(&mut bytes);
    }
    bytes
}

pub(super) fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    name
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A `cat` that waits until it is told to end.
    struct Waiting(Child);

    impl Waiting {
        fn start(command: &mut Command) -> Self {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            // Once it answers, its exec is over: the kernel fills /proc/PID/environ only at the end.
            child.stdin.as_mut().unwrap().write_all(b"?").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            Self(child)
        }

        fn pid(&self) -> u32 {
            self.0.id()
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_has_its_executables_name_and_its_start() {
        let child = Waiting::start(Command::new("cat").env("OTEL_SERVICE_NAME", "checkout"));
        let seen = process(child.pid()).unwrap();
        let own = process(std::process::id()).unwrap();
        assert_eq!(seen.id.pid, child.pid());
        assert!(seen.id.started >= own.id.started);
        assert_eq!(seen.name, "cat");
        assert_eq!(seen.named(None).service, "checkout");
    }

    #[test]
    fn a_process_declares_its_pools() {
        let mut command = Command::new("cat");
        command.env("DATABASE_POOL_MIN", "2").env("DB_POOL_MAX_CONNECTIONS", "20");
        command.env("DATABASE_URL", "postgres://app:secret@db/shop?pool_timeout=10");
        let child = Waiting::start(&mut command);
        let declared = process(child.pid()).unwrap().declared;
        assert_eq!((declared.min, declared.max), (Some(2), Some(20)));
        assert_eq!((declared.idle_timeout, declared.connection_timeout), (None, Some(10_000)));
    }

    #[test]
    fn without_a_declared_name_or_unit_the_service_is_the_name() {
        let child = Waiting::start(Command::new("cat").env_remove("OTEL_SERVICE_NAME"));
        let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", child.pid())).unwrap();
        let expected = cgroup::read(&cgroup).unit.unwrap_or("cat".into());
        assert_eq!(process(child.pid()).unwrap().named(None).service, expected);
    }

    #[test]
    fn an_ended_process_has_vanished() {
        let child = Waiting::start(&mut Command::new("cat"));
        let pid = child.pid();
        assert_eq!(kind_of(pid), Kind::Existing);
        assert!(processes().contains(&pid));
        drop(child);
        assert_eq!(process(pid), Err(Vanished));
        assert_eq!(kind_of(pid), Kind::Missing);
        assert!(!processes().contains(&pid));
    }

    #[test]
    fn numbers_that_are_no_process_are_told_apart() {
        assert_eq!(kind_of(0), Kind::Missing);
        assert_eq!(kind_of(u32::MAX), Kind::Missing);
        let (tell, told) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _ = tell.send(rustix::thread::gettid().as_raw_nonzero().get());
            let _ = wait.recv();
        });
        let number = u32::try_from(told.recv().unwrap()).unwrap();
        assert_eq!(kind_of(number), Kind::ThreadOf(std::process::id()));
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn the_kernels_own_threads_are_recognised() {
        // Number 2 is kthreadd, unless this runs in a pid namespace of its own.
        let Ok(name) = std::fs::read_to_string("/proc/2/comm") else {
            return println!("skipped: no process 2 here");
        };
        if name.trim() != "kthreadd" {
            return println!("skipped: process 2 is {name}");
        }
        assert_eq!(kind_of(2), Kind::KernelThread);
        assert!(Holder::open(2).is_none());
    }

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(NAME_BYTES);
        assert_eq!(cut(long.clone()).len(), NAME_BYTES);
        assert_eq!(cut(format!("x{long}")).len(), NAME_BYTES - 1);
        assert_eq!(cut("short".into()), "short");
    }

    #[test]
    fn a_replaced_executable_keeps_its_name() {
        assert_eq!(executable(Path::new("/opt/shop (deleted)")).as_deref(), Some("shop"));
        assert_eq!(executable(Path::new("/")), None);
    }
}
