//! Processes and directories that do not outlive the demonstration.
//!
//! Each process leads its own group, so that Ctrl-C reaches us alone and we end the group, by its id.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

use crate::{command, stopwatch::Stopwatch};

/// How long a process may take to end as it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process of ours; it ends when this is dropped.
pub struct Running {
    name: &'static str,
    child: Child,
    /// What it takes as a request to end.
    request: Signal,
    log: PathBuf,
}

impl Running {
    /// Starts it, with its output in a file.
    pub fn start(name: &'static str, command: &mut Command, request: Signal, log: PathBuf) -> Result<Self> {
        println!("+ {}", command::shown(command));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, request, log })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its output, when it has ended.
    pub fn alive(&self) -> Result<()> {
        if self.ended() {
            bail!("{} has ended:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Looks without taking its number away: until then nobody else can get it.
    pub fn ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.group()), flags), Ok(WaitStatus::StillAlive))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = killpg(self.group(), self.request);
        let waited = Stopwatch::start();
        while !self.ended() && waited.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        if !self.ended() {
            println!("{} did not end within {} s: killed", self.name, PATIENCE.as_secs());
        }
        // What it left behind in its group, and itself, if it did not listen.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A directory of ours; it is removed when this is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes it.
    pub fn create(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> Directory {
        let own = format!("poolwatch-guard-{name}-{}", std::process::id());
        Directory::create(std::env::temp_dir().join(own)).unwrap()
    }

    fn exists(pid: &str) -> bool {
        // A zombie without a parent that waits is not running any more.
        fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn what_a_process_started_ends_with_it() {
        let place = directory("group");
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $!; exec sleep 600"]);
        let running = Running::start("sh", &mut shell, Signal::SIGTERM, place.path().join("log")).unwrap();
        let waited = Stopwatch::start();
        while running.output().is_empty() && waited.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        let (own, inner) = (running.pid().to_string(), running.output());
        assert!(exists(&own) && exists(&inner) && !running.ended());
        drop(running);
        assert!(!exists(&own));
        let waited = Stopwatch::start();
        while exists(&inner) && waited.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!exists(&inner));
    }

    #[test]
    fn a_process_that_ended_tells_its_last_words() {
        let place = directory("words");
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo no such thing; exit 3"]);
        let running = Running::start("sh", &mut shell, Signal::SIGTERM, place.path().join("log")).unwrap();
        let waited = Stopwatch::start();
        while !running.ended() && waited.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(running.alive().unwrap_err().to_string().contains("no such thing"));
    }

    #[test]
    fn a_directory_goes() {
        let place = directory("gone");
        let path = place.path().to_path_buf();
        assert!(path.is_dir());
        drop(place);
        assert!(!path.exists());
    }
}
