//! What `infer` is told: the one vocabulary between the left of the house and the right.
//!
//! Events are plain data without pointers or file descriptors, so that a recording of them replays
//! anywhere. They carry no SQL but summaries without literals, no password and no environment value.

mod declared;
mod demand;
mod request;
mod server;
mod statement;

use serde::{Deserialize, Serialize};

pub use self::{
    declared::Declared,
    demand::{Begun, Borrow, Borrowing, Demand, Parked, Parking, Protocol, Served, Turn},
    request::{Request, RequestKind, SqlState, Transaction},
    server::Server,
    statement::{Outcome, Query, QueryId, Statement},
};

/// A table that is asked for every event. Its keys are the kernel's or of a bounded number, so a quick hash will do.
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// The same of keys alone.
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub type Time = u64;

/// One second as a [`Time`].
pub const SECOND: Time = 1_000_000_000;

/// Queries that are remembered: of more, the one that was told first is forgotten, and told again
/// before the next statement of it.
pub const QUERIES: usize = 32_768;

/// A socket's identity, never used twice while the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SocketId(pub u64);

/// A process: its number, and its start so that a reused number is another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// Thread group in the initial pid namespace.
    pub pid: u32,
    /// Start since boot, in hundredths of a second, as in `/proc/PID/stat`.
    pub started: u64,
}

impl ProcessId {
    /// Nanoseconds in a hundredth of a second.
    const TICK: u64 = 10_000_000;

    /// From the kernel's own start of the process, nanoseconds since boot.
    pub const fn from_kernel(pid: u32, nanoseconds: u64) -> Self {
        Self { pid, started: nanoseconds / Self::TICK }
    }

    /// Start in nanoseconds since boot, as far as it is known.
    pub const fn started_nanoseconds(self) -> u64 {
        self.started.saturating_mul(Self::TICK)
    }
}

/// How a connection ended: everything that was seen before the end.
#[allow(clippy::struct_excessive_bools, reason = "four independent sightings, not a state")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The client sent Terminate.
    pub terminate: bool,
    /// The client read end of file.
    pub end_of_file: bool,
    /// The peer reset the connection.
    pub reset: bool,
    /// The connection never became ready.
    pub startup: bool,
    /// `errno` of the socket.
    pub errno: Option<u16>,
    /// SQLSTATE of an error after the last `ReadyForQuery`.
    pub sqlstate: Option<SqlState>,
}

/// What is known of a process from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Which one.
    pub id: ProcessId,
    /// Name of the executable; for interpreters the script, module or jar.
    pub name: String,
    /// The service that it belongs to (contract §1).
    pub service: String,
    /// Container name, where known.
    pub container: Option<String>,
    /// Pod name, where known.
    pub pod: Option<String>,
    /// Kubernetes namespace, where known.
    pub namespace: Option<String>,
    /// What it declares of its pools.
    pub declared: Declared,
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeState {
    /// The program's name in the catalogue.
    pub probe: String,
    /// It is attached and sees what it should.
    pub attached: bool,
    /// One of `ok`, `unsupported`, `not_applicable`, `broken`.
    pub verdict: String,
    /// Why it is not attached; empty when it is.
    pub reason: String,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The probes were attached, or one of them changed.
    Probes(Vec<ProbeState>),
    /// The first scan of older connections is done.
    Ready {
        /// When.
        at: Time,
    },
    /// A process that holds a connection, told before the connection; again after `exec`.
    Process(Box<Process>),
    /// A connection exists.
    Open {
        /// The connection.
        socket: SocketId,
        /// Who holds it.
        process: ProcessId,
        /// Where it leads.
        server: Server,
        /// When it was recognised.
        at: Time,
        /// `connect()`, where it was seen; else the StartupMessage.
        connected: Option<Time>,
        /// It is older than the agent: its state is unknown until its next `ReadyForQuery`.
        midstream: bool,
    },
    /// A connection said who it is.
    Startup {
        /// The connection.
        socket: SocketId,
        /// When.
        at: Time,
        /// Role; empty when the message was cut before it.
        user: String,
        /// Database; equals the role where the message names none, as the server does it.
        database: String,
        /// A replication connection: recognised, never part of a pool.
        replication: bool,
    },
    /// A connection cannot be read any more, or can again.
    Secured {
        /// The connection.
        socket: SocketId,
        /// When.
        at: Time,
        /// `tls`, `gss` or `io_uring`; `plain` = TLS hides it no longer, since its library is seen.
        by: String,
    },
    /// A query of which statements follow; told anew when [`QUERIES`] others were told since.
    Query(Query),
    /// A statement ended.
    Statement(Statement),
    /// A request was answered.
    Request(Request),
    /// Seen by a scan: a request is under way that has no [`Event::Request`] yet.
    Inflight {
        /// The connection.
        socket: SocketId,
        /// When the scan looked.
        at: Time,
        /// First byte sent.
        since: Time,
    },
    /// A request began, told at once.
    Begun(Begun),
    /// The process itself was asked for something.
    Demand(Demand),
    /// It answered, or will not.
    Served(Served),
    /// A thread went to sleep, or woke.
    Parked(Parked),
    /// A borrower asked its pool's library, or was answered.
    Borrow(Borrow),
    /// A record of this connection was lost: its state is unknown until its next `ReadyForQuery`.
    Missed {
        /// The connection.
        socket: SocketId,
        /// When it was noticed.
        at: Time,
        /// How many.
        records: u32,
    },
    /// A connection ended.
    Close {
        /// The connection.
        socket: SocketId,
        /// When.
        at: Time,
        /// What was seen before.
        ending: Ending,
    },
    /// A scan did not find the connection any more: it ended at an unseen moment.
    Gone {
        /// The connection.
        socket: SocketId,
        /// When the scan looked.
        at: Time,
    },
    /// `connect()` failed before a byte was sent.
    ConnectFailed {
        /// Who tried.
        process: ProcessId,
        /// Where to.
        server: Server,
        /// When it failed.
        at: Time,
        /// When it began.
        connected: Time,
        /// `errno`; `None` when the client gave up waiting.
        errno: Option<u16>,
    },
    /// A process ended, and with it all its connections.
    Exit {
        /// Which one.
        process: ProcessId,
        /// When.
        at: Time,
    },
    /// Totals of the kernel side's and the intake's own books since the start, by name.
    Books {
        /// Records taken from the ring.
        events: u64,
        /// Losses by place (contract: `poolwatch_events_lost_total{where}`).
        lost: Vec<(String, u64)>,
        /// What could not be read, by reason (contract: `poolwatch_unparsed_total{reason}`).
        unparsed: Vec<(String, u64)>,
    },
    /// Time passes, with nothing else to tell.
    Tick {
        /// Now.
        at: Time,
    },
    /// Somebody reads the page: gauges are taken at this moment.
    Scrape {
        /// Now.
        at: Time,
    },
    /// Borrowers of a process are told of from now on, each of them, or no longer.
    Borrowers {
        /// The process.
        pid: u32,
        /// When.
        at: Time,
        /// From now on.
        told: bool,
    },
}

impl Event {
    /// When it happened, or was noticed; `None` for what is told without a time.
    pub const fn at(&self) -> Option<Time> {
        match self {
            Self::Probes(_) | Self::Process(_) | Self::Query(_) | Self::Books { .. } => None,
            Self::Statement(statement) => Some(statement.ended),
            Self::Request(request) => Some(request.ended),
            Self::Begun(begun) => Some(begun.at),
            Self::Demand(demand) => Some(demand.at),
            Self::Served(served) => Some(served.at),
            Self::Parked(parked) => Some(parked.at),
            Self::Borrow(borrow) => Some(borrow.at),
            Self::Ready { at }
            | Self::Open { at, .. }
            | Self::Startup { at, .. }
            | Self::Secured { at, .. }
            | Self::Inflight { at, .. }
            | Self::Missed { at, .. }
            | Self::Close { at, .. }
            | Self::Gone { at, .. }
            | Self::ConnectFailed { at, .. }
            | Self::Exit { at, .. }
            | Self::Tick { at }
            | Self::Scrape { at }
            | Self::Borrowers { at, .. } => Some(*at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_server_is_known_by_its_sockets_name() {
        let check = |path: &[u8], directory: &str, port| {
            assert_eq!(Server::at_path(path), Some(Server::Unix(directory.into(), port)));
        };
        check(b"/var/run/postgresql/.s.PGSQL.5432", "/var/run/postgresql", 5432);
        check(b"/var/run/postgresql/.s.PGSQL.5432\0\0junk", "/var/run/postgresql", 5432);
        check(b"/.s.PGSQL.1", "/", 1);
        check(b".s.PGSQL.65535", ".", 65535);
        check(b"\0/tmp/x/.s.PGSQL.5432", "@/tmp/x", 5432);
    }

    #[test]
    fn other_names_are_no_servers() {
        for path in [
            &b"/run/.s.PGSQL.5432.lock"[..],
            b"/run/.s.PGSQL.",
            b"/run/.s.PGSQL.65536",
            b"/run/.s.PGSQL.+1",
            b"/run/x.s.PGSQL.5432",
            b"/run/.s.PGSQL.5432/other",
            b"\0",
            b"",
        ] {
            assert_eq!(Server::at_path(path), None, "{path:?}");
        }
    }
}
