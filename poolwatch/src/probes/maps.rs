//! The kernel side's maps: connections to scan, processes to list or deny, ports, books.

use aya::{
    Ebpf, Pod,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray},
};
use poolwatch_ebpf::wire::{Connection, Counter, standing};

use crate::event::SocketId;

/// The maps that the agent reads or writes while it runs.
pub struct Maps {
    connections: HashMap<MapData, u64, Connection>,
    processes: HashMap<MapData, u32, u32>,
    ports: HashMap<MapData, u16, u32>,
    counters: PerCpuArray<MapData, u64>,
}

/// The kernel side's totals, in the order of [`Counter::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelBooks(pub [u64; Counter::SLOTS as usize]);

impl KernelBooks {
    /// One total.
    pub fn of(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }
}

fn take<K: Pod, V: Pod>(ebpf: &mut Ebpf, name: &str) -> Result<HashMap<MapData, K, V>, MapError> {
    HashMap::try_from(named(ebpf, name)?)
}

fn named(ebpf: &mut Ebpf, name: &str) -> Result<Map, MapError> {
    ebpf.take_map(name).ok_or_else(|| MapError::InvalidName { name: name.to_owned() })
}

impl Maps {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, MapError> {
        Ok(Self {
            connections: take(ebpf, "CONNECTIONS")?,
            processes: take(ebpf, "PROCESSES")?,
            ports: take(ebpf, "PORTS")?,
            counters: PerCpuArray::try_from(named(ebpf, "COUNTERS")?)?,
        })
    }

    /// How a connection stands; `None` when the kernel side does not know it (any more).
    pub fn connection(&self, socket: SocketId) -> Option<Connection> {
        self.connections.get(&socket.0, 0).ok()
    }

    /// Adds a connection that is older than the probes.
    ///
    /// # Errors
    /// When the map is full.
    pub fn adopt(&mut self, connection: &Connection) -> Result<(), MapError> {
        const ONLY_NEW: u64 = 1;
        match self.connections.insert(connection.socket, connection, ONLY_NEW) {
            // Its first message came before the scan: the kernel side knows more.
            Err(MapError::SyscallError(call)) if call.io_error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Forgets a connection.
    pub fn forget(&mut self, socket: SocketId) {
        // It may be gone already, which is what is wanted.
        let _ = self.connections.remove(&socket.0);
    }

    /// Lists a process that `--pid` names.
    ///
    /// # Errors
    /// When the map is full.
    pub fn list(&mut self, pid: u32) -> Result<(), MapError> {
        self.processes.insert(pid, standing::LISTED | standing::HOLDS, 0)
    }

    /// Marks a process that holds a connection, so that its end is told.
    ///
    /// # Errors
    /// When the map is full.
    pub fn holds(&mut self, pid: u32) -> Result<(), MapError> {
        let standing = self.processes.get(&pid, 0).unwrap_or(0);
        self.processes.insert(pid, standing | standing::HOLDS, 0)
    }

    /// Watches a process no more.
    ///
    /// # Errors
    /// When the map is full.
    pub fn deny(&mut self, pid: u32) -> Result<(), MapError> {
        self.processes.insert(pid, standing::DENIED, 0)
    }

    /// Wants to be told of failed connects to this port.
    ///
    /// # Errors
    /// When the map is full.
    pub fn tell_failures(&mut self, port: u16) -> Result<(), MapError> {
        self.ports.insert(port, 1, 0)
    }

    /// The kernel side's totals.
    pub fn books(&self) -> KernelBooks {
        let mut books = KernelBooks::default();
        for (slot, total) in (0u32..).zip(books.0.iter_mut()) {
            *total = self.counters.get(&slot, 0).map_or(0, |cpus| cpus.iter().sum());
        }
        books
    }
}
