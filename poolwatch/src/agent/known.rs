//! The connections and processes that the agent has told the core of, with what the core must not
//! know: inodes, what a scan saw last.

use std::collections::BTreeSet;

use crate::event::{HashMap, ProcessId, Server, SocketId};

/// Connections remembered at once; further ones are told but not scanned, and counted.
const CONNECTIONS: usize = crate::infer::limits::CONNECTIONS;

/// One connection.
#[derive(Clone, Debug)]
pub struct KnownConnection {
    /// Process that opened it.
    pub process: ProcessId,
    /// Inode of its socket; 0 = not known.
    pub inode: u64,
    /// Where it leads.
    pub server: Server,
    /// Lost records that the core was told of.
    pub missed: u32,
    /// Process that encrypts it by TLS; 0 = none does.
    pub encrypts: u32,
}

/// Everything that was told and has not ended.
#[derive(Debug, Default)]
pub struct Known {
    connections: HashMap<SocketId, KnownConnection>,
    processes: HashMap<u32, ProcessId>,
    overflow: u64,
}

impl Known {
    /// Remembers a connection.
    pub fn open(&mut self, socket: SocketId, connection: KnownConnection) {
        if self.connections.len() >= CONNECTIONS && !self.connections.contains_key(&socket) {
            self.overflow += 1;
            return;
        }
        self.connections.insert(socket, connection);
    }

    /// Forgets a connection. False when it was not known.
    pub fn close(&mut self, socket: SocketId) -> bool {
        self.connections.remove(&socket).is_some()
    }

    /// A connection.
    pub fn connection(&mut self, socket: SocketId) -> Option<&mut KnownConnection> {
        self.connections.get_mut(&socket)
    }

    /// All connections, in the order of their identity.
    pub fn sockets(&self) -> Vec<SocketId> {
        let mut sockets: Vec<SocketId> = self.connections.keys().copied().collect();
        sockets.sort_unstable();
        sockets
    }

    /// Processes that encrypt a connection by TLS.
    pub fn encrypting(&self) -> BTreeSet<u32> {
        self.connections.values().map(|known| known.encrypts).filter(|pid| *pid != 0).collect()
    }

    /// UNIX connections by process and inode.
    pub fn unix(&self) -> Vec<(SocketId, (u32, u64))> {
        let unix = |(socket, known): (&SocketId, &KnownConnection)| {
            (matches!(known.server, Server::Unix(..)) && known.inode != 0)
                .then_some((*socket, (known.process.pid, known.inode)))
        };
        let mut sockets: Vec<_> = self.connections.iter().filter_map(unix).collect();
        sockets.sort_unstable();
        sockets
    }

    /// Remembers who has this number now. True when it is news.
    pub fn meet(&mut self, process: ProcessId) -> bool {
        self.processes.insert(process.pid, process) != Some(process)
    }

    /// Who has this number.
    pub fn process(&self, pid: u32) -> Option<ProcessId> {
        self.processes.get(&pid).copied()
    }

    /// All processes, in the order of their numbers.
    pub fn processes(&self) -> Vec<ProcessId> {
        let mut processes: Vec<ProcessId> = self.processes.values().copied().collect();
        processes.sort_unstable();
        processes
    }

    /// Forgets a process. Its connections are forgotten as they end.
    pub fn part(&mut self, process: ProcessId) {
        if self.processes.get(&process.pid) == Some(&process) {
            self.processes.remove(&process.pid);
        }
    }

    /// Connections that found no room here.
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }
}
