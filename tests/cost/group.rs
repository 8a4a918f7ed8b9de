//! The processor time of processes, by the kernel's own count of a group of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// A control group of its own; removed when dropped, if it is empty by then.
pub struct Group {
    directory: PathBuf,
}

impl Group {
    /// A new one.
    pub fn new(name: &str) -> Result<Self> {
        let directory = mount()?.join(format!("poolwatch-cost-{name}-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        Ok(Self { directory })
    }

    /// Puts a process and its children into it.
    pub fn add(&self, pid: u32) -> Result<()> {
        for pid in family(pid) {
            let file = self.directory.join("cgroup.procs");
            match fs::write(&file, pid.to_string()) {
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                done => done.with_context(|| format!("{pid} into {}", file.display()))?,
            }
        }
        Ok(())
    }

    /// What its processes used until now, those that ended included.
    pub fn used(&self) -> Result<Duration> {
        let file = self.directory.join("cpu.stat");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let used = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).context("no usage_usec")?;
        Ok(Duration::from_micros(used.trim().parse()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

/// Where the unified hierarchy is.
fn mount() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let unified =
        mounts.lines().map(fields).find(|fields| fields.get(2).is_some_and(|kind| kind == "cgroup2"));
    let place = unified.and_then(|fields| fields.get(1).cloned()).context("no cgroup2 is mounted")?;
    Ok(PathBuf::from(place))
}

/// A process and its children, and theirs.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        let file = Path::new("/proc").join(pid.to_string()).join(format!("task/{pid}/children"));
        // One that has ended has none.
        let children = fs::read_to_string(file).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    all
}
