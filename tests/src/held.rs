//! What a process holds: memory, descriptors, and of the kernel's BPF programs, maps and links which.
//!
//! The kernel itself is asked (`/proc/PID/fdinfo` names what a descriptor leads to, `bpf(2)` walks a map), so that
//! nothing here believes what the agent says of itself.

use std::{
    collections::BTreeSet,
    fs,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use aya::{
    maps::{MapInfo, MapType, loaded_maps},
    programs::{loaded_links, loaded_programs},
};

/// One map of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Entries, now.
    pub entries: usize,
    /// Entries at most.
    pub most: u32,
}

/// The numbers of all BPF programs, maps and links of the machine that somebody still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Maps.
    pub maps: BTreeSet<u32>,
    /// Links.
    pub links: BTreeSet<u32>,
}

impl Loaded {
    /// As of now.
    pub fn now() -> Self {
        // What ends between its number and the question about it, is none.
        Self {
            programs: loaded_programs().filter_map(Result::ok).map(|program| program.id()).collect(),
            maps: loaded_maps().filter_map(Result::ok).map(|map| map.id()).collect(),
            links: loaded_links().filter_map(Result::ok).map(|link| link.id()).collect(),
        }
    }

    /// Those of a process.
    pub fn of(pid: u32) -> Result<Self> {
        Ok(Self { programs: ids(pid, "prog_id:")?, maps: ids(pid, "map_id:")?, links: ids(pid, "link_id:")? })
    }

    /// Those that are here too.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Self {
        let both = |one: &BTreeSet<u32>, two: &BTreeSet<u32>| one.intersection(two).copied().collect();
        Self {
            programs: both(&self.programs, &other.programs),
            maps: both(&self.maps, &other.maps),
            links: both(&self.links, &other.links),
        }
    }

    /// How many of each.
    pub fn counts(&self) -> [usize; 3] {
        [self.programs.len(), self.maps.len(), self.links.len()]
    }
}

/// The values of a field of `/proc/PID/fdinfo`.
fn ids(pid: u32, field: &str) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(of(pid, "fdinfo")).with_context(|| format!("process {pid}"))? {
        // A descriptor that is closed meanwhile leads nowhere.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        ids.extend(text.lines().find_map(|line| line.strip_prefix(field)?.trim().parse::<u32>().ok()));
    }
    Ok(ids)
}

/// A process's maps of keys, with what is in them, by name.
pub fn tables(pid: u32) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for id in ids(pid, "map_id:")? {
        let map = MapInfo::from_id(id).with_context(|| format!("map {id}"))?;
        if map.map_type().is_ok_and(|kind| kind == MapType::Hash) {
            let entries = entries(&map)?;
            let name = map.name_as_str().unwrap_or_default().to_owned();
            tables.push(Table { name, entries, most: map.max_entries() });
        }
    }
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tables)
}

/// Entries of a map: its keys are walked. One that is removed meanwhile makes the kernel begin anew, so keys are told apart.
fn entries(map: &MapInfo) -> Result<usize> {
    let file = map.fd().context("a map's descriptor")?;
    let size = usize::try_from(map.key_size())?;
    let (mut seen, mut key) = (BTreeSet::new(), None);
    for _ in 0..u64::from(map.max_entries()) * 2 {
        let Some(next) = next_key(file.as_fd(), key.as_ref(), size) else { break };
        seen.insert(next.clone());
        key = Some(next);
    }
    Ok(seen.len())
}

/// The key behind this one, or the first.
fn next_key(map: BorrowedFd<'_>, key: Option<&Vec<u8>>, size: usize) -> Option<Vec<u8>> {
    /// Source: `union bpf_attr` in include/uapi/linux/bpf.h, its part for elements of maps.
    #[repr(C)]
    struct Question {
        map: u32,
        reserved: u32,
        key: u64,
        next: u64,
        flags: u64,
    }
    const GET_NEXT_KEY: libc::c_long = 4;
    let mut next = vec![0u8; size];
    let question = Question {
        map: u32::try_from(map.as_raw_fd()).ok()?,
        reserved: 0,
        key: key.map_or(0, |key| key.as_ptr() as u64),
        next: next.as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY: the question and both keys live until the call returns, and the keys have the map's own size.
    let found =
        unsafe { libc::syscall(libc::SYS_bpf, GET_NEXT_KEY, &raw const question, size_of::<Question>()) };
    (found == 0).then_some(next)
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(of(pid, "fd")).with_context(|| format!("process {pid}"))?.count())
}

/// Threads of a process.
pub fn threads(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(of(pid, "task")).with_context(|| format!("process {pid}"))?.count())
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(of(pid, "status")).with_context(|| format!("process {pid}"))?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    Ok(field.context("no VmRSS")?.parse::<u64>()? * 1024)
}

/// Processor time that a process has used, in seconds.
pub fn processor(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(of(pid, "stat")).with_context(|| format!("process {pid}"))?;
    // Its name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    // SAFETY: reads a number of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks as f64 / per_second as f64)
}

fn of(pid: u32, what: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(what)
}
