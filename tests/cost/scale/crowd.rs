//! A made-up crowd: services, their processes, pools, connections and queries, as the events that an agent is told.
//!
//! The same crowd tells the same events, in the order of their time. Every connection is visited in turn, and every
//! second process serves demands, so that its waits are inferred.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

use poolwatch::event::{
    Begun, Declared, Demand, Event, Outcome, Process, ProcessId, Protocol, QUERIES, Query, QueryId, Request,
    RequestKind, SECOND, Served, Server, SocketId, Statement, Time, Transaction, Turn,
};

/// From one visit to the next, in nanoseconds.
pub const STEP: Time = 50_000;
/// How long a request takes, and how long after its demand it begins.
const TOOK: Time = 250_000;
const BEFORE: Time = 50_000;
/// One of so many connections stays in a transaction: its lease never ends.
const HELD: u64 = 16;
/// Sockets on which demands come are numbered from here.
const ACCEPTED: u64 = 1 << 40;
const FIRST_PID: u32 = 1000;

/// How many there are of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Numbers {
    /// Connections, spread evenly.
    pub connections: u32,
    /// Processes.
    pub processes: u32,
    /// Pools of each process.
    pub pools_each: u32,
    /// Services, to which the processes belong in turn.
    pub services: u32,
    /// Distinct statements.
    pub queries: u32,
    /// Each process is a pod, with the labels that come of it.
    pub kubernetes: bool,
}

/// The crowd at work.
pub struct Crowd {
    numbers: Numbers,
    now: Time,
    visits: u64,
    /// Queries that were told, the first first: told anew as [`QUERIES`] demands.
    told: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Crowd {
    /// Nobody has come yet.
    pub fn new(numbers: Numbers) -> Self {
        Self { numbers, now: SECOND, visits: 0, told: HashSet::new(), order: VecDeque::new() }
    }

    /// Its latest moment.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Everybody comes: processes, their connections, and the first `ReadyForQuery` of each.
    pub fn arrival(&mut self, mut tell: impl FnMut(Event)) {
        for process in 0..self.numbers.processes {
            tell(self.process(process));
        }
        for nth in 0..u64::from(self.numbers.connections) {
            let at = self.pass();
            let (socket, process) = (SocketId(nth + 1), self.holder(nth));
            let server = self.server(process.pid);
            tell(Event::Open { socket, process, server, at, connected: Some(at), midstream: false });
            let (user, database) = ("app".to_owned(), self.database(nth));
            tell(Event::Startup { socket, at, user, database, replication: false });
            tell(Event::Request(self.request(nth, RequestKind::Startup, at, at + TOOK, None)));
        }
        self.now += SECOND;
        tell(Event::Ready { at: self.now });
    }

    /// So many visits of the connections in turn, and a tick wherever a second is over.
    pub fn work(&mut self, visits: u64, mut tell: impl FnMut(Event)) {
        for _ in 0..visits {
            let before = self.now / SECOND;
            let at = self.pass();
            if at / SECOND > before {
                tell(Event::Tick { at });
            }
            self.visit(&mut tell);
        }
    }

    /// One request of one connection, and the demand that it belongs to.
    fn visit(&mut self, tell: &mut impl FnMut(Event)) {
        let nth = self.visits % u64::from(self.numbers.connections);
        let query = self.visits % u64::from(self.numbers.queries);
        self.visits += 1;
        let (ended, process) = (self.now, self.holder(nth));
        let begun = ended - TOOK;
        let (socket, accepted) = (SocketId(nth + 1), SocketId(ACCEPTED + nth));
        let (pid, serves) = (process.pid, process.pid.is_multiple_of(2));
        let turn = Turn { thread: pid, nth: self.visits };
        if serves {
            let (at, protocol, route) = (begun - BEFORE, Protocol::Http, Some(1));
            tell(Event::Demand(Demand { socket: accepted, pid, at, turn, protocol, route }));
            tell(Event::Begun(Begun { socket, at: begun, turn, letter: b'Q', bytes: 30 }));
        }
        self.tell_query(query, tell);
        tell(statement(socket, pid, query, ended));
        let mut request = self.request(nth, RequestKind::Query, begun, ended, Some(query));
        let later = Turn { nth: turn.nth + 1, ..turn };
        request.turn = serves.then_some(later);
        tell(Event::Request(request));
        if serves {
            tell(Event::Served(Served { socket: accepted, pid, at: ended, turn: Some(later) }));
        }
    }

    fn pass(&mut self) -> Time {
        self.now += STEP;
        self.now
    }

    fn process(&self, process: u32) -> Event {
        let service = process % self.numbers.services;
        let declared = Declared { min: Some(2), max: Some(i64::from(self.members())), ..Declared::default() };
        let service = format!("service-{service:02}");
        let pod = |name: String| self.numbers.kubernetes.then_some(name);
        Event::Process(Box::new(Process {
            id: id(process),
            name: "node".to_owned(),
            container: pod("application".to_owned()),
            pod: pod(format!("{service}-7d9f8b6c5d-{process:05}")),
            namespace: pod("production".to_owned()),
            service,
            declared,
        }))
    }

    /// Connections of a pool.
    fn members(&self) -> u32 {
        self.numbers.connections.div_ceil(self.numbers.processes * self.numbers.pools_each)
    }

    fn holder(&self, nth: u64) -> ProcessId {
        id(u32::try_from(nth % u64::from(self.numbers.processes)).unwrap_or(0))
    }

    fn database(&self, nth: u64) -> String {
        let pool = nth / u64::from(self.numbers.processes) % u64::from(self.numbers.pools_each);
        format!("shop{pool}")
    }

    /// Ten services share a server.
    fn server(&self, pid: u32) -> Server {
        let service = (pid - FIRST_PID) % self.numbers.services;
        let last = u8::try_from(service / 10 % 250).unwrap_or(0);
        Server::Tcp(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + last)), 5432)
    }

    fn request(&self, nth: u64, kind: RequestKind, from: Time, to: Time, query: Option<u64>) -> Request {
        let held = kind == RequestKind::Query && nth.is_multiple_of(HELD);
        Request {
            socket: SocketId(nth + 1),
            pid: self.holder(nth).pid,
            missed: 0,
            started: Some(from),
            first_byte: Some(to - 1000),
            ended: to,
            kind,
            transaction: if held { Transaction::Open } else { Transaction::Idle },
            merged: 1,
            executes: 0,
            completions: 1,
            rows: 1,
            errors: 0,
            sent: 30,
            received: 60,
            operation: "SELECT".into(),
            sqlstate: None,
            query: query.map(QueryId),
            approximate: false,
            turn: None,
        }
    }

    fn tell_query(&mut self, query: u64, tell: &mut impl FnMut(Event)) {
        if !self.told.insert(query) {
            return;
        }
        if self.order.len() >= QUERIES
            && let Some(first) = self.order.pop_front()
        {
            self.told.remove(&first);
        }
        self.order.push_back(query);
        let summary = format!("SELECT customers JOIN orders_of_shard_{query}");
        tell(Event::Query(Query { id: QueryId(query), summary, operation: "SELECT".to_owned() }));
    }
}

fn id(process: u32) -> ProcessId {
    ProcessId { pid: FIRST_PID + process, started: 100 }
}

fn statement(socket: SocketId, pid: u32, query: u64, ended: Time) -> Event {
    Event::Statement(Statement {
        socket,
        pid,
        query: Some(QueryId(query)),
        ended,
        took: Some(TOOK),
        rows: 1,
        outcome: Outcome::Completed,
        resumed: 0,
        sqlstate: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers =
        Numbers { connections: 40, processes: 4, pools_each: 2, services: 2, queries: 10, kubernetes: false };

    #[test]
    fn a_crowd_is_as_large_as_it_says() {
        use poolwatch::infer::{Core, settings::Settings};
        let (mut core, mut facts) = (Core::new(Settings::default()), Vec::new());
        let mut crowd = Crowd::new(NUMBERS);
        crowd.arrival(|event| core.apply(&event, &mut facts));
        crowd.work(1000, |event| core.apply(&event, &mut facts));
        let snapshot = core.snapshot(crowd.now());
        let totals: Vec<u32> = snapshot.pools.iter().map(|pool| pool.connections.total).collect();
        assert_eq!(totals, [5; 8]);
        assert!(snapshot.books.lost.is_empty() && snapshot.books.unparsed.is_empty(), "{:?}", snapshot.books);
    }

    #[test]
    fn a_query_is_told_before_its_statements_and_anew_when_it_is_forgotten() {
        let queries = u32::try_from(QUERIES).unwrap() + 1;
        let mut crowd = Crowd::new(Numbers { queries, ..NUMBERS });
        let mut told = 0;
        crowd.work(2 * u64::from(queries), |event| told += u32::from(matches!(event, Event::Query(_))));
        assert_eq!(told, 2 * queries);
    }
}
