//! Any events in any order, with repetitions and gaps: counts stay counts.
//!
//! A small reference beside the core knows only which processes and connections live, by the contract's
//! words; each snapshot must have exactly those.

use std::collections::{BTreeMap, BTreeSet};

use poolwatch::{
    event::{
        Ending, Event, Outcome, ProcessId, Query, QueryId, Request, RequestKind, Server, SocketId, SqlState,
        Statement, Time, Transaction,
    },
    infer::{fact::Fact, settings::Settings, snapshot::Snapshot},
};
use proptest::prelude::*;

use crate::{
    living::{Living, time},
    world::{World, process, request, server},
};

/// Latest moment, in milliseconds: before an ended process is forgotten.
const HORIZON: u64 = 50_000;
const NS: Time = HORIZON * 1_000_000;

fn moment() -> impl Strategy<Value = Time> {
    (0..HORIZON).prop_map(|ms| ms * 1_000_000)
}

fn socket() -> impl Strategy<Value = SocketId> {
    (1..7_u64).prop_map(SocketId)
}

/// Two processes share a number.
fn holder() -> impl Strategy<Value = ProcessId> {
    prop_oneof![Just((1, 1)), Just((1, 5)), Just((2, 3))]
        .prop_map(|(pid, started)| ProcessId { pid, started })
}

fn place() -> impl Strategy<Value = Server> {
    prop_oneof![Just(server(1)), Just(Server::Unix("/tmp".to_owned(), 5432))]
}

fn told() -> impl Strategy<Value = Event> {
    (holder(), prop::sample::select(vec!["api", "worker"])).prop_map(|(id, service)| process(id, service))
}

fn opened() -> impl Strategy<Value = Event> {
    (socket(), holder(), place(), moment(), prop::option::of(moment()), any::<bool>()).prop_map(
        |(socket, process, server, at, connected, midstream)| Event::Open {
            socket,
            process,
            server,
            at,
            connected,
            midstream,
        },
    )
}

fn named() -> impl Strategy<Value = Event> {
    let text = |words: &'static [&str]| prop::sample::select(words).prop_map(str::to_owned);
    let (user, database) = (text(&["", "app", "other"]), text(&["", "shop", "stock"]));
    (socket(), moment(), user, database, prop::bool::weighted(0.1)).prop_map(
        |(socket, at, user, database, replication)| Event::Startup {
            socket,
            at,
            user,
            database,
            replication,
        },
    )
}

fn answered() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just(RequestKind::Startup), Just(RequestKind::Query), Just(RequestKind::Sync)];
    let transaction = prop_oneof![
        Just(Transaction::Idle),
        Just(Transaction::Open),
        Just(Transaction::Failed),
        Just(Transaction::Unknown)
    ];
    let times = (prop::option::of(moment()), prop::option::of(moment()), moment());
    (socket(), 0..4_u32, 0..3_u32, times, kind, transaction, named_query()).prop_map(
        |(socket, pid, missed, (started, first_byte, ended), kind, transaction, query)| {
            let plain = request(0, 0, 0);
            Event::Request(Request {
                socket,
                pid,
                missed,
                started,
                first_byte,
                ended,
                kind,
                transaction,
                query,
                ..plain
            })
        },
    )
}

/// A few of many: some are told, some are not.
fn query() -> impl Strategy<Value = QueryId> {
    (0..4_u64).prop_map(QueryId)
}

fn named_query() -> impl Strategy<Value = Option<QueryId>> {
    prop::option::of(query())
}

fn told_of() -> impl Strategy<Value = Event> {
    let summary = prop::sample::select(vec!["SELECT a", "SELECT b"]);
    (query(), summary).prop_map(|(id, summary)| {
        let (summary, operation) = (summary.to_owned(), "SELECT".to_owned());
        Event::Query(Query { id, summary, operation })
    })
}

fn executed() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![Just(Outcome::Completed), Just(Outcome::Failed)];
    let (took, resumed) = (prop::option::of(moment()), 0..3_u32);
    (socket(), named_query(), moment(), took, any::<u64>(), outcome, resumed).prop_map(
        |(socket, query, ended, took, rows, outcome, resumed)| {
            let sqlstate = SqlState::new(*b"42P01").filter(|_| outcome == Outcome::Failed);
            Event::Statement(Statement {
                socket,
                pid: 42,
                query,
                ended,
                took,
                rows,
                outcome,
                resumed,
                sqlstate,
            })
        },
    )
}

fn ended() -> impl Strategy<Value = Event> {
    let ending = any::<[bool; 5]>().prop_map(|[terminate, end_of_file, reset, startup, said]| Ending {
        terminate,
        end_of_file,
        reset,
        startup,
        errno: reset.then_some(104),
        sqlstate: SqlState::new(*b"57P01").filter(|_| said),
    });
    (socket(), moment(), ending).prop_map(|(socket, at, ending)| Event::Close { socket, at, ending })
}

fn event() -> impl Strategy<Value = Event> {
    let failed = (holder(), place(), moment(), prop::option::of(0..200_u16)).prop_map(
        |(process, server, at, errno)| Event::ConnectFailed { process, server, at, connected: at, errno },
    );
    let secured =
        (socket(), moment()).prop_map(|(socket, at)| Event::Secured { socket, at, by: "tls".into() });
    let missed = (socket(), moment(), 0..5_u32).prop_map(|(socket, at, records)| Event::Missed {
        socket,
        at,
        records,
    });
    prop_oneof![
        2 => told(),
        6 => opened(),
        4 => named(),
        12 => answered(),
        2 => told_of(),
        6 => executed(),
        3 => (socket(), moment(), moment()).prop_map(|(socket, at, since)| Event::Inflight { socket, at, since }),
        1 => missed,
        1 => secured,
        2 => ended(),
        1 => (socket(), moment()).prop_map(|(socket, at)| Event::Gone { socket, at }),
        1 => (holder(), moment()).prop_map(|(process, at)| Event::Exit { process, at }),
        1 => failed,
        2 => moment().prop_map(|at| Event::Tick { at }),
        1 => moment().prop_map(|at| Event::Scrape { at }),
    ]
}

fn totals(snapshot: &Snapshot) -> BTreeMap<(ProcessId, String), u32> {
    let mut totals = BTreeMap::new();
    for pool in snapshot.pools.iter().filter(|pool| pool.connections.total > 0) {
        *totals.entry((pool.process.id, pool.labels.server_address.clone())).or_default() +=
            pool.connections.total;
    }
    totals
}

/// Holds after any event. Returns the used time that was told, and the time that connections lived.
fn check(events: &[Event]) -> (u128, u128) {
    let mut world = World::with(Settings { pool_max: vec![(None, 2)], ..Settings::default() });
    let mut living = Living::default();
    let mut queries = BTreeSet::new();
    for event in events {
        let before = world.facts.len();
        world.tell(std::slice::from_ref(event));
        living.apply(event);
        check_query(event, &mut queries, world.facts.get(before..).unwrap_or_default());
        let snapshot = world.core.snapshot(NS);
        let mut series = BTreeSet::new();
        for pool in &snapshot.pools {
            let counts = pool.connections;
            assert_eq!(counts.total, counts.used + counts.idle + counts.opening + counts.unknown);
            assert!(counts.idle_in_transaction <= counts.used);
            assert!(living.processes.values().any(|process| *process == pool.process.id));
            assert!(series.insert((pool.labels.clone(), pool.process.id.pid)), "two pools, one series");
        }
        assert_eq!(totals(&snapshot), living.totals(), "after {event:?}");
    }
    world.tell(&[Event::Tick { at: NS }]);
    (check_facts(&world.facts, living.opens), living.lived(NS))
}

/// A statement's query is known just when it was told.
fn check_query(event: &Event, queries: &mut BTreeSet<QueryId>, facts: &[Fact]) {
    match (event, facts.last()) {
        (Event::Query(query), _) => drop(queries.insert(query.id)),
        (Event::Statement(statement), Some(Fact::Statement { query, .. })) => {
            let known = statement.query.filter(|query| queries.contains(query));
            assert_eq!(query.as_ref().map(|query| query.id), known);
        }
        _ => {}
    }
}

/// The same events, in the order of their time.
fn in_order(events: &[Event]) -> Vec<Event> {
    let place = |index: usize| NS / 60 * u64::try_from(index).unwrap_or(0);
    let mut events: Vec<_> = events
        .iter()
        .enumerate()
        .map(|(index, event)| (time(event).unwrap_or_else(|| place(index)), event.clone()))
        .collect();
    events.sort_by_key(|(at, _)| *at);
    events.into_iter().map(|(_, event)| event).collect()
}

/// Returns the used time that was told.
fn check_facts(facts: &[Fact], opens: u64) -> u128 {
    let mut seen = BTreeSet::new();
    let (mut opened, mut closed, mut used) = (0, 0, 0_u128);
    for fact in facts {
        if let Fact::Seen(labels) = fact {
            seen.insert(labels.clone());
        } else if let Some(labels) = crate::world::labels(fact) {
            let told_before = matches!(fact, Fact::StatusChanged { .. }) || seen.contains(labels);
            assert!(told_before, "counters begin with {fact:?}");
        }
        match fact {
            Fact::Opened { .. } => opened += 1,
            Fact::Closed { .. } => closed += 1,
            Fact::Elapsed { used: time, lifetime, saturated, .. } => {
                used += u128::from(*time);
                assert!(*lifetime <= NS && *saturated <= NS);
            }
            Fact::Lease { took, .. } => assert!(*took <= NS),
            _ => {}
        }
    }
    assert!(opened <= opens && closed <= opens);
    used
}

#[test]
fn regression_a_start_after_its_end_uses_no_time() {
    let within = |ended| {
        let kind = RequestKind::Startup;
        Event::Request(Request { kind, transaction: Transaction::Open, ..request(1, 0, ended) })
    };
    let ahead = Event::Request(Request { missed: 1, ended: 5_000_000, ..request(1, 20_000, 0) });
    let (used, lived) = check(&[crate::world::open(1, 1, 5), within(5), ahead, crate::world::close(1, 5)]);
    assert_eq!((used, lived), (0, 0));
}

#[test]
fn regression_time_told_for_one_holder_is_not_told_for_the_next() {
    let used = |pid, from, to, kind, transaction| {
        Event::Request(Request { pid, kind, transaction, ..request(5, from, to) })
    };
    let events = [
        crate::world::process(crate::world::id(1), "api"),
        crate::world::process(crate::world::id(2), "api"),
        crate::world::open(5, 2, 0),
        used(1, 0, 417, RequestKind::Startup, Transaction::Idle),
        used(1, 0, 12_695, RequestKind::Query, Transaction::Open),
        Event::Scrape { at: 12_695 * 1_000_000 },
        used(2, 0, 35_131, RequestKind::Query, Transaction::Open),
    ];
    let (used, lived) = check(&events);
    assert_eq!((used, lived), (u128::from(NS - 417 * 1_000_000), u128::from(NS)));
}

#[test]
fn regression_time_told_out_of_order_is_not_wrong_by_more_than_the_disorder() {
    let startup = Request { kind: RequestKind::Startup, transaction: Transaction::Open, ..request(2, 0, 0) };
    let id = crate::world::id(1);
    let events = [
        crate::world::open(2, 1, 0),
        Event::Request(startup),
        crate::world::inflight(1, 0, 32_435),
        crate::world::process(id, "api"),
        crate::world::startup(2, "shop", 0),
        Event::Exit { process: id, at: 17_566 * 1_000_000 },
    ];
    let (used, lived) = check(&events);
    assert_eq!((used, lived), ((32_435 + 17_566) * 1_000_000, 17_566 * 1_000_000));
    let (used, lived) = check(&in_order(&events));
    assert_eq!(used, lived);
}

#[test]
fn regression_an_older_process_of_a_number_is_not_raised_after_a_newer_one() {
    let told = |started| crate::world::process(ProcessId { pid: 1, started }, "api");
    let exit = Event::Exit { process: ProcessId { pid: 1, started: 5 }, at: 0 };
    check(&[told(5), exit, crate::world::open(1, 1, 0), told(5)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_stay_counts(events in prop::collection::vec(event(), 0..60)) {
        check(&events);
    }

    #[test]
    fn in_order_no_connection_is_used_longer_than_it_lives(events in prop::collection::vec(event(), 0..60)) {
        let (used, lived) = check(&in_order(&events));
        prop_assert!(used <= lived, "used {used} of {lived}");
    }

    #[test]
    fn the_same_events_tell_the_same(events in prop::collection::vec(event(), 0..60)) {
        let (mut one, mut other) = (World::new(), World::new());
        prop_assert_eq!(&one.tell(&events).facts, &other.tell(&events).facts);
        prop_assert_eq!(one.core.snapshot(NS), other.core.snapshot(NS));
    }
}
