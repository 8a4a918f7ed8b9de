//! One walk over the processes: who holds which socket, which processes are servers, which network
//! namespaces there are.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fs::File,
};

use super::{
    namespace::{self, Network},
    process::{Holder, processes},
    trouble::Trouble,
};
use crate::event::ProcessId;

/// Command names of servers and poolers that speak PostgreSQL.
const SERVERS: [&str; 6] = ["postgres", "pgbouncer", "pgpool", "odyssey", "pgcat", "pgdog"];

/// What one walk found.
#[derive(Default)]
pub(super) struct Scan {
    /// The processes asked about, by number.
    pub ids: HashMap<u32, ProcessId>,
    /// Who holds a socket, by inode; of several the one that started first.
    pub holders: HashMap<u64, ProcessId>,
    /// Inodes of the sockets that servers hold.
    pub servers: HashSet<u64>,
    /// Network namespaces, each with a process that lives there.
    pub networks: HashMap<Network, (u32, File)>,
}

impl Scan {
    /// Walks over all processes. `pids` are those asked about, `None` = all; of others only the
    /// servers are looked at, because a client's socket is recognised by the other end.
    pub(super) fn run(pids: Option<&HashSet<u32>>, trouble: &mut Trouble) -> Self {
        let mut scan = Self::default();
        // UNIX sockets lead across namespaces, and most servers live in the machine's own.
        if let Some(own) = Holder::open(std::process::id()) {
            scan.live_in(&own);
        }
        for pid in processes() {
            if let Some(process) = Holder::open(pid) {
                scan.visit(&process, pids.is_none_or(|pids| pids.contains(&pid)), trouble);
            }
        }
        scan
    }

    fn visit(&mut self, process: &Holder, asked: bool, trouble: &mut Trouble) {
        let server = SERVERS.contains(&process.command.as_str());
        if !asked && !server {
            return;
        }
        if asked {
            self.ids.insert(process.id.pid, process.id);
        }
        let Ok(inodes) = process.sockets() else {
            trouble.denied += 1;
            return;
        };
        if inodes.is_empty() {
            return;
        }
        self.live_in(process);
        for inode in inodes {
            if server {
                self.servers.insert(inode);
            }
            if asked {
                self.hold(inode, process.id);
            }
        }
    }

    fn live_in(&mut self, process: &Holder) {
        let Some(file) = process.network() else { return };
        let Ok(network) = namespace::number(&file) else { return };
        self.networks.entry(network).or_insert((process.id.pid, file));
    }

    fn hold(&mut self, inode: u64, process: ProcessId) {
        let first = |process: ProcessId| (process.started, process.pid);
        match self.holders.entry(inode) {
            Entry::Vacant(entry) => _ = entry.insert(process),
            Entry::Occupied(mut entry) if first(process) < first(*entry.get()) => _ = entry.insert(process),
            Entry::Occupied(_) => {}
        }
    }
}
