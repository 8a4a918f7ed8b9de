//! The kernel side's maps: connections to scan, processes to list or deny, ports, books.

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray},
};
use poolwatch_ebpf::wire::{
    Connection, Counter, Deep, Half, Inbound, Startup, Thread, Waiting, family, phase, side, standing,
};

use crate::event::{ProcessId, Server, SocketId, Time};

/// The maps that the agent reads or writes while it runs.
pub struct Maps {
    connections: HashMap<MapData, u64, Connection>,
    deep: HashMap<MapData, Deep, Waiting>,
    startups: HashMap<MapData, u64, [u8; size_of::<Startup>()]>,
    inbound: HashMap<MapData, u64, Inbound>,
    threads: HashMap<MapData, u32, Thread>,
    processes: HashMap<MapData, u32, u32>,
    ports: HashMap<MapData, u16, u32>,
    ages: Array<MapData, u64>,
    /// How often something was said to the kernel side that makes more sockets of interest.
    age: u64,
    counters: PerCpuArray<MapData, u64>,
}

/// A UNIX socket that is no connection, as the kernel side remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its identity in the attached tier.
    pub socket: SocketId,
    /// Process that read from it last.
    pub pid: u32,
    /// Inode of its socket.
    pub inode: u64,
    /// A demand on it is open.
    pub asked: bool,
}

/// How a connection stands right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// First byte sent of the oldest request that is under way.
    pub since: Option<Time>,
    /// Records of it that were lost since the last that was not.
    pub missed: u32,
    /// Since when TCP has been done with it, its client not having read the end.
    pub done: Option<Time>,
}

/// A connection that is older than the probes.
#[derive(Clone, Copy, Debug)]
pub struct Older<'a> {
    /// Its identity in the attached tier.
    pub socket: SocketId,
    /// Who holds it.
    pub process: ProcessId,
    /// Inode of its socket.
    pub inode: u64,
    /// Where it leads.
    pub server: &'a Server,
    /// It leads to PostgreSQL, and user space knows it; else it only may, and is told when it proves to.
    pub certain: bool,
}

impl Older<'_> {
    /// The map value to begin with: messages follow, and where the server's begin is not known.
    fn connection(&self) -> Connection {
        let family = match self.server {
            Server::Unix(..) => family::UNIX,
            Server::Tcp(address, _) if address.is_ipv4() => family::INET,
            Server::Tcp(..) => family::INET6,
        };
        let certain = u8::from(self.certain);
        Connection {
            socket: self.socket.0,
            process_started: self.process.started_nanoseconds(),
            inode: self.inode,
            pid: self.process.pid,
            family,
            phase: phase::MESSAGES,
            told: certain,
            proven: certain,
            midstream: 1,
            rx: Half { lost: 1, ..Half::default() },
            ..Connection::EMPTY
        }
    }
}

/// The kernel side's totals, one slot per [`Counter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelBooks(pub [u64; Counter::SLOTS as usize]);

impl KernelBooks {
    fn named(&self, counters: &[(Counter, &str)]) -> Vec<(String, u64)> {
        let total = |counter: Counter| self.0.get(counter as usize).copied().unwrap_or(0);
        counters.iter().map(|(counter, name)| ((*name).to_owned(), total(*counter))).collect()
    }

    /// Losses by place.
    pub fn lost(&self) -> Vec<(String, u64)> {
        self.named(&[
            (Counter::RequestsRingFull, "ring_requests"),
            (Counter::TextsRingFull, "ring_texts"),
            (Counter::RingFull, "ring"),
            (Counter::ConnectionsFull, "kernel_connections"),
            (Counter::CandidatesFull, "kernel_candidates"),
            (Counter::ProcessesFull, "kernel_processes"),
            (Counter::InboundFull, "kernel_inbound"),
            (Counter::ThreadsFull, "kernel_threads"),
            (Counter::QueueFull, "requests_merged"),
        ])
    }

    /// What could not be read, by reason.
    pub fn unparsed(&self) -> Vec<(String, u64)> {
        self.named(&[
            (Counter::ClientUnparsed, "client_message"),
            (Counter::ServerUnparsed, "server_message"),
            (Counter::PayloadUnread, "payload_unread"),
            (Counter::WalkCapped, "walk_capped"),
        ])
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
            deep: take(ebpf, "DEEP")?,
            startups: take(ebpf, "STARTUPS")?,
            inbound: take(ebpf, "INBOUND")?,
            threads: take(ebpf, "THREADS")?,
            processes: take(ebpf, "PROCESSES")?,
            ports: take(ebpf, "PORTS")?,
            ages: Array::try_from(named(ebpf, ".data.age")?)?,
            age: 1,
            counters: PerCpuArray::try_from(named(ebpf, "COUNTERS")?)?,
        })
    }

    /// How a connection stands; `None` when the kernel side does not know it (any more).
    pub fn standing(&self, socket: SocketId) -> Option<Standing> {
        let connection = self.connections.get(&socket.0, 0).ok()?;
        Some(Standing { since: connection.since(), missed: connection.missed, done: connection.done() })
    }

    /// Adds a connection that is older than the probes.
    ///
    /// # Errors
    /// When the map is full.
    pub fn adopt(&mut self, older: &Older<'_>) -> Result<(), MapError> {
        const ONLY_NEW: u64 = 1;
        match self.connections.insert(older.socket.0, older.connection(), ONLY_NEW) {
            // Its first message came before the scan: the kernel side knows more.
            Err(MapError::SyscallError(call)) if call.io_error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            Ok(()) => self.another_age(),
            other => other,
        }
    }

    /// What the kernel side took for nothing may be something now.
    fn another_age(&mut self) -> Result<(), MapError> {
        // Odd: the kernel side's are even, and no age may come again.
        self.age += 2;
        self.ages.set(0, self.age, 0)
    }

    /// Forgets a connection.
    pub fn forget(&mut self, socket: SocketId) {
        let Ok(connection) = self.connections.get(&socket.0, 0) else { return };
        // What is gone already, is wanted to be.
        let _ = self.connections.remove(&socket.0);
        if connection.phase == phase::STARTUP {
            let _ = self.startups.remove(&socket.0);
        }
        for behind in 0..connection.deep {
            let index = connection.queue_tail.wrapping_sub(behind + 1);
            let _ = self.deep.remove(&Deep { socket: socket.0, index, reserved: 0 });
        }
    }

    /// Lists a process that `--pid` names.
    ///
    /// # Errors
    /// When the map is full.
    pub fn list(&mut self, pid: u32) -> Result<(), MapError> {
        self.processes.insert(pid, standing::LISTED | standing::HOLDS, 0)?;
        self.another_age()
    }

    /// Marks a process that holds a connection, so that its end is told.
    ///
    /// # Errors
    /// When the map is full.
    pub fn holds(&mut self, pid: u32) -> Result<(), MapError> {
        let standing = self.processes.get(&pid, 0).unwrap_or(0);
        if standing & standing::HOLDS != 0 {
            return Ok(());
        }
        self.processes.insert(pid, standing | standing::HOLDS, 0)?;
        self.another_age()
    }

    /// Watches a process no more.
    ///
    /// # Errors
    /// When the map is full.
    pub fn deny(&mut self, pid: u32) -> Result<(), MapError> {
        self.processes.insert(pid, standing::DENIED, 0)
    }

    /// Forgets a process that has ended.
    pub fn part(&mut self, pid: u32) {
        // What is gone already, is wanted to be.
        let _ = self.processes.remove(&pid);
    }

    /// Has a process's threads looked at, or not any more.
    ///
    /// # Errors
    /// When the kernel side does not know the process, which then holds no connections.
    pub fn press(&mut self, pid: u32, pressed: bool) -> Result<(), MapError> {
        const ONLY_KNOWN: u64 = 2;
        let standing = self.processes.get(&pid, 0)? & !standing::PRESSED;
        self.processes.insert(pid, standing | if pressed { standing::PRESSED } else { 0 }, ONLY_KNOWN)
    }

    /// Probes are attached in a process's TLS library, or no longer; `go` = in Go's own.
    ///
    /// # Errors
    /// When the kernel side does not know the process, which then holds no connections.
    pub fn reads_plain(&mut self, pid: u32, reads: bool, go: bool) -> Result<(), MapError> {
        const ONLY_KNOWN: u64 = 2;
        let before = self.processes.get(&pid, 0)? & !(standing::PLAIN | standing::GO);
        let own = if go { standing::GO } else { 0 };
        self.processes.insert(pid, before | if reads { standing::PLAIN | own } else { 0 }, ONLY_KNOWN)
    }

    /// Forgets of all threads that they sleep; those that did, with process and address.
    pub fn wake_all(&mut self) -> Vec<(u32, u32, u64)> {
        let asleep = |(_, thread): &(u32, Thread)| thread.asleep != 0;
        let sleepers: Vec<(u32, Thread)> =
            self.threads.iter().filter_map(Result::ok).filter(asleep).collect();
        for (thread, entry) in &sleepers {
            // A thread that has ended meanwhile sleeps no longer, either.
            let _ = self.threads.insert(thread, Thread { asleep: 0, ..*entry }, 2);
        }
        sleepers.into_iter().map(|(thread, entry)| (entry.pid, thread, entry.address)).collect()
    }

    /// UNIX sockets that are no connections: they may have ended without a sign.
    pub fn aside(&self) -> Vec<Aside> {
        let unix = |(_, inbound): &(u64, Inbound)| inbound.family == family::UNIX && inbound.inode != 0;
        let aside = |(socket, inbound): (u64, Inbound)| Aside {
            socket: SocketId(socket),
            pid: inbound.pid,
            inode: inbound.inode,
            asked: inbound.began != 0 && inbound.side == side::ACCEPTED,
        };
        self.inbound.iter().filter_map(Result::ok).filter(unix).map(aside).collect()
    }

    /// Forgets a socket that is no connection.
    pub fn forget_aside(&mut self, socket: SocketId) {
        // What is gone already, is wanted to be.
        let _ = self.inbound.remove(&socket.0);
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
