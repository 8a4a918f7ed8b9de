//! poolwatch beside what is measured: absent, watching it, or watching somebody else.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, loaded_programs};
use poolwatch_tests::{
    agent::Agent,
    process::{Process, TERMINATE},
};

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
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Processor time in seconds.
    pub time: f64,
    /// Resident memory at the end, in MiB.
    pub memory: f64,
    /// Its probes.
    pub probes: Vec<Probe>,
}

/// One probe, as the kernel counted it: nothing unless it was told to.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Name of its program.
    pub name: String,
    /// Time in it, in seconds.
    pub time: f64,
    /// How often it ran.
    pub runs: f64,
}

/// Does the work with poolwatch beside it as the mode says; returns what poolwatch used meanwhile.
pub fn beside<T>(mode: Mode, options: &[&str], work: impl FnOnce() -> Result<T>) -> Result<(T, Used)> {
    beside_warm(mode, options, || Ok(()), work)
}

/// The same after something that is not counted, so that poolwatch has looked at the programs already.
pub fn beside_warm<T>(
    mode: Mode,
    options: &[&str],
    warm: impl FnOnce() -> Result<()>,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Used)> {
    if mode == Mode::Off {
        warm()?;
        return Ok((work()?, Used::default()));
    }
    // None of this process's own: whoever watches that watches its children, too.
    let other = Process::start("sleep", Command::new("sleep").arg("infinity"))?;
    let pid = other.pid().to_string();
    let mut arguments = options.to_vec();
    if mode == Mode::Other {
        arguments.extend(["--pid", &pid]);
    }
    let group = Group::new("agent")?;
    let mut agent = Agent::start(&arguments)?;
    group.add(agent.pid())?;
    warm()?;
    let before = group.used()?;
    let done = work()?;
    let time = group.used()?.saturating_sub(before).as_secs_f64();
    let used = Used { time, memory: memory(agent.pid())?, probes: probes(agent.pid())? };
    agent.stop(TERMINATE)?;
    Ok((done, used))
}

/// Resident memory of a process, in MiB.
pub fn memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    Ok(kilobytes.context("VmRSS")?.parse::<f64>()? / 1024.0)
}

/// The BPF programs that a process holds, and that ran.
fn probes(pid: u32) -> Result<Vec<Probe>> {
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fdinfo"))? {
        // A descriptor that is closed meanwhile is none of a probe.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        held.extend(text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()));
    }
    let probe = |program: ProgramInfo| Probe {
        name: program.name_as_str().unwrap_or_default().to_owned(),
        time: program.run_time().as_secs_f64(),
        runs: program.run_count() as f64,
    };
    let all = loaded_programs().filter_map(Result::ok).filter(|program| held.contains(&program.id()));
    Ok(all.map(probe).filter(|probe| probe.runs > 0.0).collect())
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
