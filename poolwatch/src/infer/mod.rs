//! The pure core: events and time in, facts and snapshots out.
//!
//! No I/O, no clock, no panic; every table has a bound in [`limits`]. A word uses only words before it:
//!
//! | word | file | what it knows |
//! |---|---|---|
//! | process | `process.rs` | who is alive under which number, and what it is called |
//! | connection | `connection.rs` | one connection's state, and its named moves |
//! | query | `query.rs` | what statements are of, by fingerprint |
//! | request, statement | `request.rs`, `statement.rs` | what an answered, running or lost request does to it; what it executed |
//! | lease | `lease.rs` | stretches of use that belong to one borrower |
//! | pool | `pool.rs`, `pools.rs`, `membership.rs` | counts; the table; who belongs to which |
//! | wait | `wait/`, `borrowing.rs` | who waits for a connection, and how long |
//!
//! Beside them: `ending.rs` and `failure.rs` (how things end, and why), `tick.rs` (what time alone does),
//! `integral.rs`, `saturation.rs`, `window.rs` and `churn.rs` (sums over time), `size.rs`, `max.rs` and
//! `kept.rs` (how large a pool may be), `status.rs`, `findings.rs` and `given_up.rs` (judgements), `labels.rs`
//! and `operation.rs` (names), `books.rs` (losses), `view.rs` (the snapshot).

pub mod fact;
pub mod limits;
pub mod settings;
pub mod snapshot;

mod books;
mod borrowing;
mod churn;
mod connection;
mod ending;
mod failure;
mod findings;
mod given_up;
mod hidden;
mod integral;
mod kept;
mod key;
mod labels;
mod lease;
mod max;
mod membership;
mod operation;
mod pool;
mod pools;
mod process;
mod query;
mod request;
mod saturation;
mod size;
mod statement;
mod status;
mod tick;
mod view;
mod wait;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{
    books::Books,
    connection::{Connection, Identity},
    ending::Seen,
    fact::{Fact, Labels},
    kept::Limits,
    lease::Leases,
    pools::{PoolRef, Pools},
    process::Processes,
    query::Queries,
    settings::Settings,
    wait::{Waited, Waits},
};
use crate::event::{Event, HashMap, ProbeState, ProcessId, SocketId, Time};

/// Everything that is known about the watched processes' pools.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    /// The latest moment that was spoken of.
    now: Time,
    ready: bool,
    probes: Vec<ProbeState>,
    processes: Processes,
    queries: Queries,
    members: HashMap<SocketId, Member>,
    pools: Pools,
    /// Processes of which demands or borrowers were told.
    waits: HashMap<ProcessId, Waits>,
    waited: Vec<Waited>,
    /// Limits that pools have shown.
    shown: Limits,
    /// Connections whose last lease may still go on.
    settling: BTreeSet<SocketId>,
    strangers: BTreeMap<SocketId, u32>,
    books: Books,
}

/// A connection with its lease and its place.
#[derive(Debug)]
struct Member {
    connection: Connection,
    leases: Leases,
    /// The process that opened it, or was first known to hold it.
    opener: ProcessId,
    /// None for replication.
    pool: Option<PoolRef>,
    /// It was counted as opened, or was open before.
    announced: bool,
    /// What its request executed is what a pool's library does when it takes a connection back.
    taken_back: bool,
    /// It is among those whose last lease may still go on.
    settling: bool,
    /// When its current lease began, as its pool was told.
    lent: Option<Time>,
}

impl Core {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: 0,
            ready: false,
            probes: Vec::new(),
            processes: Processes::default(),
            queries: Queries::default(),
            members: HashMap::default(),
            pools: Pools::default(),
            waits: HashMap::default(),
            waited: Vec::new(),
            shown: Limits::default(),
            settling: BTreeSet::new(),
            strangers: BTreeMap::new(),
            books: Books::default(),
        }
    }

    /// Learns that something happened; what ended with it is pushed to `facts`.
    ///
    /// Any order, repetition or absence of events is taken. Sums are exact when events come in the order of
    /// their time and no event that is older than a `Tick` or `Scrape` comes after it.
    pub fn apply(&mut self, event: &Event, facts: &mut Vec<Fact>) {
        self.now = self.now.max(event.at().unwrap_or(0));
        match event {
            Event::Probes(probes) => self.probes.clone_from(probes),
            Event::Ready { .. } => self.ready = true,
            Event::Process(process) => {
                self.tell_process(process, facts);
            }
            Event::Open { socket, process, server, at, connected, midstream } => {
                let server = self.settings.place(server);
                let connection = if *midstream {
                    Connection::midstream(*process, server, *at)
                } else {
                    Connection::opening(*process, server, *at, *connected)
                };
                self.open(*socket, connection, *midstream, facts);
            }
            Event::Startup { socket, at, user, database, replication } => {
                self.identify(*socket, identity(user, database, *replication), *at, facts);
            }
            Event::Secured { socket, at, by } => self.hide(*socket, by, *at, facts),
            Event::Query(query) => self.queries.tell(query),
            Event::Statement(statement) => self.statement(statement, facts),
            Event::Request(request) => self.request(request, facts),
            Event::Inflight { socket, at, since } => self.inflight(*socket, *since.min(at), facts),
            Event::Begun(begun) => self.begun(begun, facts),
            Event::Demand(demand) => self.with_waits(demand.pid, facts, |waits| waits.ask(demand)),
            Event::Served(served) => self.with_waits(served.pid, facts, |waits| waits.serve(served)),
            Event::Parked(parked) => self.with_waits(parked.pid, facts, |waits| waits.park(parked)),
            Event::Borrow(borrow) => self.with_waits(borrow.pid, facts, |waits| waits.borrow(borrow)),
            Event::Borrowers { pid, at, told } => {
                self.with_waits(*pid, facts, |waits| waits.watch_borrowers(*at, *told));
            }
            Event::Missed { socket, at, records } => self.miss(*socket, *records, *at, facts),
            Event::Close { socket, at, ending } => self.close(*socket, *at, Seen::Ending(ending), facts),
            Event::Gone { socket, at } => self.close(*socket, *at, Seen::Absence, facts),
            Event::ConnectFailed { process, server, at, errno, .. } => {
                self.fail(*process, server, *errno, *at, facts);
            }
            Event::Exit { process, at } => self.end_process(*process, *at, facts),
            Event::Books { events, lost, unparsed } => {
                self.books.tell(*events, lost, unparsed);
                let share = self.books.lately_lost();
                self.waits.values_mut().for_each(|waits| waits.lose(share));
            }
            Event::Tick { at } | Event::Scrape { at } => self.tick(*at, facts),
        }
    }

    /// Sockets with a process that used them, of which one was not introduced, since the last call. Where
    /// the system still knows them, tell [`Event::Process`], and [`Event::Open`] with `midstream`.
    pub fn strangers(&mut self) -> Vec<(SocketId, u32)> {
        std::mem::take(&mut self.strangers).into_iter().collect()
    }

    fn meet(&mut self, socket: SocketId, pid: u32) {
        if self.strangers.len() < limits::STRANGERS {
            self.strangers.insert(socket, pid);
        }
    }

    /// Tells a fact about a pool. A connection without one, a replication's, has none to tell.
    fn tell(&mut self, pool: Option<PoolRef>, facts: &mut Vec<Fact>, fact: impl FnOnce(Arc<Labels>) -> Fact) {
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.announce(facts);
            facts.push(fact(Arc::clone(&pool.labels)));
        }
    }

    fn lease(&mut self, pool: Option<PoolRef>, took: Option<Time>, facts: &mut Vec<Fact>) {
        if let Some(took) = took
            && let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool))
        {
            pool.lease(took, self.now, facts);
        }
    }
}

/// A cut startup names nobody; the server takes the user for a database that is not named, and so does
/// whoever told of it.
fn identity(user: &str, database: &str, replication: bool) -> Identity {
    if replication {
        return Identity::Replication;
    }
    if user.is_empty() || database.is_empty() {
        return Identity::Unidentified;
    }
    Identity::Named { database: database.to_owned(), user: user.to_owned() }
}
