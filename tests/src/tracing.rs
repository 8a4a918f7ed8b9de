//! The kernel's own tracepoints, counted as perf does: without BPF, and without poolwatch.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::place;

/// Where it mostly is.
const USUAL: &str = "/sys/kernel/tracing";

/// The list of tracepoints; mounted for as long as this lives, where it was not.
pub struct Tracing {
    at: PathBuf,
    own: Option<TempDir>,
}

impl Tracing {
    /// Finds or mounts it.
    pub fn open() -> Result<Self> {
        if has_events(Path::new(USUAL)) {
            return Ok(Self { at: PathBuf::from(USUAL), own: None });
        }
        let own = place::scratch()?;
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tracefs", "tracefs"]).arg(own.path()).output().context("mount")?;
        ensure!(done.status.success(), "tracefs: {}", String::from_utf8_lossy(&done.stderr).trim());
        ensure!(has_events(own.path()), "tracefs lists no tracepoints");
        Ok(Self { at: own.path().to_path_buf(), own: Some(own) })
    }

    /// The kernel has this one, such as `sched/sched_process_exit`.
    pub fn has(&self, tracepoint: &str) -> bool {
        self.at.join("events").join(tracepoint).exists()
    }

    fn number(&self, tracepoint: &str) -> Result<u64> {
        let file = self.at.join("events").join(tracepoint).join("id");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        text.trim().parse().with_context(|| file.display().to_string())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            let _ = Command::new("umount").arg(own.path()).status();
        }
    }
}

fn has_events(at: &Path) -> bool {
    at.join("events/sched").exists()
}

/// Why tracepoints cannot be counted here.
pub fn lack() -> Option<String> {
    Tracing::open().err().map(|error| format!("no list of tracepoints: {error:#}"))
}

/// One of the kernel's own counters, on a tracepoint, for this thread and its children.
pub struct Counter(OwnedFd);

impl Counter {
    /// Starts it at 0.
    ///
    /// Source: `struct perf_event_attr` of `include/uapi/linux/perf_event.h`, its first published size.
    pub fn start(tracing: &Tracing, tracepoint: &str) -> Result<Self> {
        #[repr(C)]
        struct Attributes {
            kind: u32,
            size: u32,
            config: u64,
            unused: [u64; 3],
            flags: u64,
            rest: [u64; 2],
        }
        const TRACEPOINT: u32 = 2;
        const INHERIT: u64 = 1 << 1;
        let size = u32::try_from(size_of::<Attributes>())?;
        let attributes = Attributes {
            kind: TRACEPOINT,
            size,
            config: tracing.number(tracepoint)?,
            unused: [0; 3],
            flags: INHERIT,
            rest: [0; 2],
        };
        // SAFETY: the attributes live until the call returns; this thread, any processor, no group, no flags.
        let opened = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0) };
        ensure!(opened >= 0, "{tracepoint}: {}", io::Error::last_os_error());
        // SAFETY: a descriptor that was just opened, and is nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(i32::try_from(opened)?) }))
    }

    /// What it has counted.
    pub fn count(&self) -> Result<u64> {
        let mut count = 0u64;
        // SAFETY: eight bytes of ours.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        ensure!(read == 8, "a counter tells {read} bytes: {}", io::Error::last_os_error());
        Ok(count)
    }
}
