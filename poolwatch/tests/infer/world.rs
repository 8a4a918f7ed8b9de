//! A core with the events that stories are told in. Times are in milliseconds.

use std::net::{IpAddr, Ipv4Addr};

use poolwatch::{
    event::{
        Declared, Ending, Event, Process, ProcessId, Request, RequestKind, Server, SocketId, Time,
        Transaction,
    },
    infer::{
        Core,
        fact::{ConnectionError, Fact, Labels},
        settings::Settings,
        snapshot::{Connections, PoolSnapshot, Snapshot},
    },
};

/// One millisecond.
pub const MS: Time = 1_000_000;

/// A core and everything that it has told.
pub struct World {
    pub core: Core,
    pub facts: Vec<Fact>,
}

pub fn server(number: u8) -> Server {
    Server::Tcp(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), 5432)
}

/// The first process that has this number.
pub fn id(pid: u32) -> ProcessId {
    ProcessId { pid, started: 1 }
}

pub fn process(id: ProcessId, service: &str) -> Event {
    let (name, service) = (format!("app{}", id.pid), service.to_owned());
    Event::Process(Box::new(Process {
        id,
        name,
        service,
        container: None,
        pod: None,
        namespace: None,
        declared: Declared::default(),
    }))
}

pub fn open(socket: u64, pid: u32, ms: u64) -> Event {
    let (socket, process, server) = (SocketId(socket), id(pid), server(1));
    Event::Open { socket, process, server, at: ms * MS, connected: Some(ms * MS), midstream: false }
}

pub fn midstream(socket: u64, pid: u32, ms: u64) -> Event {
    let (socket, process, server) = (SocketId(socket), id(pid), server(1));
    Event::Open { socket, process, server, at: ms * MS, connected: None, midstream: true }
}

pub fn startup(socket: u64, database: &str, ms: u64) -> Event {
    let (user, database) = ("app".to_owned(), database.to_owned());
    Event::Startup { socket: SocketId(socket), at: ms * MS, user, database, replication: false }
}

/// A request of process 1, from and to a moment.
pub fn request(socket: u64, from: u64, to: u64) -> Request {
    Request {
        socket: SocketId(socket),
        pid: 1,
        missed: 0,
        started: Some(from * MS),
        first_byte: None,
        ended: to * MS,
        kind: RequestKind::Query,
        transaction: Transaction::Idle,
        merged: 1,
        executes: 0,
        completions: 1,
        rows: 1,
        errors: 0,
        sent: 20,
        received: 60,
        operation: "SELECT".into(),
        sqlstate: None,
        query: None,
        approximate: false,
        turn: None,
    }
}

pub fn answered(socket: u64, from: u64, to: u64) -> Event {
    Event::Request(request(socket, from, to))
}

/// A request that leaves a transaction open.
pub fn within(socket: u64, from: u64, to: u64) -> Event {
    Event::Request(Request { transaction: Transaction::Open, ..request(socket, from, to) })
}

pub fn ready(socket: u64, from: u64, to: u64) -> Event {
    Event::Request(Request { kind: RequestKind::Startup, ..request(socket, from, to) })
}

pub fn inflight(socket: u64, since: u64, ms: u64) -> Event {
    Event::Inflight { socket: SocketId(socket), at: ms * MS, since: since * MS }
}

pub fn close(socket: u64, ms: u64) -> Event {
    let ending = Ending { terminate: true, ..Ending::default() };
    Event::Close { socket: SocketId(socket), at: ms * MS, ending }
}

pub fn tick(ms: u64) -> Event {
    Event::Tick { at: ms * MS }
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        Self { core: Core::new(settings), facts: Vec::new() }
    }

    pub fn tell(&mut self, events: &[Event]) -> &mut Self {
        for event in events {
            self.core.apply(event, &mut self.facts);
        }
        self
    }

    /// Process 1, and connections that have said that they want `database` and are ready after 1 ms.
    pub fn connect(&mut self, sockets: &[u64], database: &str, ms: u64) -> &mut Self {
        self.tell(&[process(id(1), "api")]);
        for socket in sockets {
            self.tell(&[open(*socket, 1, ms), startup(*socket, database, ms), ready(*socket, ms, ms + 1)]);
        }
        self
    }

    pub fn at(&self, ms: u64) -> Snapshot {
        self.core.snapshot(ms * MS)
    }

    /// The only pool.
    pub fn pool(&self, ms: u64) -> PoolSnapshot {
        let mut pools = self.at(ms).pools;
        assert_eq!(pools.len(), 1, "{pools:#?}");
        pools.remove(0)
    }

    /// Database and connections of each pool, in the order of databases.
    pub fn pools(&self, ms: u64) -> Vec<(String, u32)> {
        let pools = self.at(ms).pools;
        let mut pools: Vec<_> =
            pools.iter().map(|pool| (pool.labels.database.clone(), pool.connections.total)).collect();
        pools.sort();
        pools
    }

    pub fn leases(&self) -> Vec<u64> {
        let lease = |fact: &Fact| match fact {
            Fact::Lease { took, .. } => Some(took / MS),
            _ => None,
        };
        self.facts.iter().filter_map(lease).collect()
    }

    pub fn errors(&self) -> Vec<ConnectionError> {
        let error = |fact: &Fact| match fact {
            Fact::ConnectionError { error, .. } => Some(*error),
            _ => None,
        };
        self.facts.iter().filter_map(error).collect()
    }

    /// Sums of `Elapsed`: lifetime, used, saturated, in milliseconds.
    pub fn elapsed(&self) -> (u64, u64, u64) {
        let mut sums = (0, 0, 0);
        for fact in &self.facts {
            if let Fact::Elapsed { lifetime, used, saturated, .. } = fact {
                sums = (sums.0 + lifetime / MS, sums.1 + used / MS, sums.2 + saturated / MS);
            }
        }
        sums
    }

    pub fn count(&self, is: impl Fn(&Fact) -> bool) -> usize {
        self.facts.iter().filter(|fact| is(fact)).count()
    }

    pub fn lost(&self, name: &str) -> u64 {
        let books = self.at(0).books;
        books.lost.iter().find(|(place, _)| place == name).map_or(0, |(_, count)| *count)
    }
}

/// Connections by state: used, idle, opening, unknown, idle in transaction.
pub fn states(counts: Connections) -> [u32; 5] {
    assert_eq!(counts.total, counts.used + counts.idle + counts.opening + counts.unknown);
    [counts.used, counts.idle, counts.opening, counts.unknown, counts.idle_in_transaction]
}

/// Labels that a fact carries.
pub fn labels(fact: &Fact) -> Option<&Labels> {
    match fact {
        Fact::Seen(labels)
        | Fact::Opened { labels }
        | Fact::Created { labels, .. }
        | Fact::Closed { labels }
        | Fact::ConnectionError { labels, .. }
        | Fact::Statement { labels, .. }
        | Fact::Request { labels, .. }
        | Fact::Lease { labels, .. }
        | Fact::Waited { labels, .. }
        | Fact::TimedOut { labels }
        | Fact::Elapsed { labels, .. }
        | Fact::StatusChanged { labels, .. } => Some(labels),
        Fact::ProcessEnded { .. } => None,
    }
}
