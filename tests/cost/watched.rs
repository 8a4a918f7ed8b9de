//! poolwatch beside what is measured: absent, watching it, or watching somebody else.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use poolwatch_tests::{agent::Agent, process::TERMINATE};

use crate::group::Group;

/// What poolwatch does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does not run.
    Off,
    /// It watches the whole machine.
    On,
    /// It watches another process.
    Other,
}

/// What poolwatch used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Processor time in seconds.
    pub time: f64,
    /// Resident memory at the end, in MiB.
    pub memory: f64,
    /// Time in its probes, in seconds; 0 unless the kernel counts it.
    pub probes: f64,
}

/// Does the work with poolwatch beside it as the mode says; returns what poolwatch used meanwhile.
pub fn beside<T>(mode: Mode, options: &[&str], work: impl FnOnce() -> Result<T>) -> Result<(T, Used)> {
    if mode == Mode::Off {
        return Ok((work()?, Used::default()));
    }
    let own = std::process::id().to_string();
    let mut arguments = options.to_vec();
    if mode == Mode::Other {
        arguments.extend(["--pid", &own]);
    }
    let mut agent = Agent::start(&arguments)?;
    let group = Group::new("agent")?;
    group.add(agent.pid())?;
    let before = group.used()?;
    let done = work()?;
    let time = group.used()?.saturating_sub(before).as_secs_f64();
    let used = Used { time, memory: memory(agent.pid())?, probes: probes(agent.pid())? };
    agent.stop(TERMINATE)?;
    Ok((done, used))
}

/// Resident memory of a process, in MiB.
fn memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    Ok(kilobytes.context("VmRSS")?.parse::<f64>()? / 1024.0)
}

/// Time in the BPF programs that a process holds, in seconds, as the kernel counted it.
fn probes(pid: u32) -> Result<f64> {
    let mut sum = 0;
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fdinfo"))? {
        // A descriptor that is closed meanwhile is none of a probe.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let time =
            text.lines().find_map(|line| line.strip_prefix("run_time_ns:")?.trim().parse::<u64>().ok());
        sum += time.unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum).as_secs_f64())
}

/// The kernel counts the time of BPF programs; dropped, it does as it did before.
pub struct Counting {
    before: String,
}

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl Counting {
    /// From now on.
    pub fn start() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).context(SWITCH)?;
        fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Self { before })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, self.before.trim());
    }
}
