//! The capabilities that the agent needs, why, and how it gives up all others.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One capability and its reason.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The capability.
    pub capability: Capability,
    /// The agent runs without it, and sees less.
    pub optional: bool,
    /// Another that the kernel takes in its place.
    pub instead: Option<Capability>,
    /// It is still needed once the probes are attached.
    pub lasting: bool,
    /// What is lost without it.
    pub lost: &'static str,
}

/// Every capability that is ever used.
pub const NEEDS: [Need; 6] = [
    Need {
        capability: Capability::CAP_BPF,
        optional: false,
        instead: Some(Capability::CAP_SYS_ADMIN),
        lasting: true,
        lost: "no probe can be loaded, attached while a pool is saturated, or read",
    },
    Need {
        capability: Capability::CAP_PERFMON,
        optional: false,
        instead: Some(Capability::CAP_SYS_ADMIN),
        // Not where no probe of waiting is wanted: those in pools' libraries are attached later.
        lasting: true,
        lost: "no probe can be attached or read kernel memory",
    },
    Need {
        capability: Capability::CAP_SYS_PTRACE,
        optional: true,
        instead: None,
        lasting: true,
        lost: "names of other users' processes, and their connections that are older than the agent",
    },
    Need {
        capability: Capability::CAP_DAC_READ_SEARCH,
        optional: true,
        instead: None,
        lasting: true,
        lost: "what other users' processes declare in their environment, and their connections that are older than the agent",
    },
    Need {
        capability: Capability::CAP_SYS_ADMIN,
        optional: true,
        instead: None,
        lasting: true,
        lost: "connections in other network namespaces that are older than the agent, and since kernel 6.16 evidence from the \
               pools' own libraries (Go)",
    },
    Need {
        capability: Capability::CAP_SYS_RESOURCE,
        optional: true,
        instead: None,
        lasting: false,
        lost: "nothing since kernel 5.11; before, the limit of locked memory must be raised from outside",
    },
];

/// What the kernel shows at `/proc/self/ns/pid` of the machine's own PID namespace.
/// Source: <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h#L42>.
const MACHINE: &str = "pid:[4026531836]";
/// What somebody does who reads that it is another.
pub const GIVE_MACHINE: &str = "give it the machine's PID namespace (hostPID: true, --pid host)";

/// Process numbers are the machine's, as the probes tell them. Where `/proc` does not say it, they are taken to be.
pub fn counts_as_machine() -> bool {
    fs::read_link("/proc/self/ns/pid").map_or(true, |namespace| namespace == Path::new(MACHINE))
}

/// Allows this process as many open files as the system grants it: each client, and each probe in a library, is one.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn raise_files() -> Result<()> {
    let granted = getrlimit(Resource::Nofile);
    let all = Rlimit { current: granted.maximum, ..granted };
    setrlimit(Resource::Nofile, all).context("cannot raise the limit of open files")
}

/// The agent has this capability.
pub fn holds(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// Gives up, for good, every capability that is not needed once the probes are attached; `later` = some will be
/// attached later.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn drop_others(later: bool) -> Result<()> {
    let lasting: CapsHashSet = NEEDS.iter().filter(|need| need.lasting).map(|need| need.capability).collect();
    let idle = (!later).then_some(Capability::CAP_PERFMON);
    let held = caps::read(None, CapSet::Permitted).context("cannot read own capabilities")?;
    let kept: CapsHashSet =
        held.intersection(&lasting).filter(|held| idle != Some(**held)).copied().collect();
    keep(&kept)
}

/// Gives up every capability of the calling thread, and of those that it will begin, for good.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn drop_all() -> Result<()> {
    keep(&CapsHashSet::new())
}

fn keep(kept: &CapsHashSet) -> Result<()> {
    let none = CapsHashSet::new();
    for (set, kept) in [(CapSet::Effective, kept), (CapSet::Permitted, kept), (CapSet::Inheritable, &none)] {
        caps::set(None, set, kept).context("cannot give up capabilities")?;
    }
    Ok(())
}
