//! How large a pool may be, and what is worth a word about it.

use poolwatch::{
    event::{Declared, Event, Process},
    infer::{
        settings::{ServerSettings, Settings},
        snapshot::MaxSource,
    },
};

use crate::world::*;

fn numbers(min: Option<i64>, max: Option<i64>, wait: Option<i64>) -> Declared {
    Declared { min, max, connection_timeout: wait, ..Declared::default() }
}

fn declaring(pid: u32, declared: Declared) -> Event {
    let Event::Process(process) = process(id(pid), "api") else { unreachable!() };
    Event::Process(Box::new(Process { declared, ..*process }))
}

/// A world with one pool of idle connections, whose process declares this.
fn world(declared: Declared, sockets: &[u64]) -> World {
    let mut world = World::new();
    world.connect(sockets, "shop", 0).tell(&[declaring(1, declared)]);
    world
}

#[test]
fn what_a_process_declares_is_its_pools_limit() {
    let mut world = world(numbers(None, Some(4), None), &[1, 2]);
    world.tell(&[within(1, 10, 11), tick(20)]);
    let pool = world.pool(20);
    assert_eq!((pool.max, pool.utilization), (Some((4, MaxSource::Declared)), Some(0.25)));
    assert!(pool.findings.is_empty(), "{:?}", pool.findings);
}

#[test]
fn what_is_configured_goes_first() {
    let settings = Settings { pool_max: vec![(None, 8)], ..Settings::default() };
    let mut world = World::with(settings);
    world.connect(&[1], "shop", 0).tell(&[declaring(1, numbers(None, Some(4), None))]);
    assert_eq!(world.pool(20).max, Some((8, MaxSource::Configured)));
}

#[test]
fn a_pool_with_more_in_use_than_declared_has_another_limit() {
    let mut world = world(numbers(None, Some(2), None), &[1, 2, 3]);
    world.tell(&[within(1, 10, 11), within(2, 10, 12)]);
    assert_eq!(world.pool(13).max, Some((2, MaxSource::Declared)));
    world.tell(&[within(3, 13, 14), answered(3, 15, 16), answered(1, 15, 17), tick(20)]);
    let pool = world.pool(20);
    assert_eq!((pool.max, pool.connections.used), (None, 1));
    assert_eq!(pool.findings, ["used_above_declared"]);
    // A program that takes its place and declares another number begins anew.
    world.tell(&[declaring(1, numbers(None, Some(9), None))]);
    let pool = world.pool(21);
    assert_eq!((pool.max, pool.findings.len()), (Some((9, MaxSource::Declared)), 0));
}

#[test]
fn one_number_is_for_each_pool_of_its_process() {
    let mut world = world(numbers(None, Some(2), None), &[1]);
    world.connect(&[2, 3, 4], "jobs", 5).tell(&[declaring(1, numbers(None, Some(2), None))]);
    world.tell(&[within(2, 10, 11), within(3, 10, 11), within(4, 10, 11), tick(20)]);
    let pools = world.at(20).pools;
    let of = |database: &str| pools.iter().find(|pool| pool.labels.database == database).unwrap();
    assert_eq!((of("shop").max, of("jobs").max), (Some((2, MaxSource::Declared)), None));
}

#[test]
fn each_process_of_a_prefork_server_has_a_pool_of_that_size() {
    let allowed =
        ServerSettings { address: "10.0.0.1".into(), port: None, alias: None, max_connections: Some(7) };
    let mut world = World::with(Settings { servers: vec![allowed], ..Settings::default() });
    for pid in [1, 2] {
        let socket = u64::from(pid);
        world.tell(&[declaring(pid, numbers(None, Some(4), None)), open(socket, pid, 0)]);
        world.tell(&[startup(socket, "shop", 0)]);
    }
    let pools = world.at(10).pools;
    assert_eq!(pools.len(), 2);
    for pool in pools {
        assert_eq!(pool.max, Some((4, MaxSource::Declared)));
        assert_eq!(pool.findings, ["sum_of_max_above_server"]);
    }
}

#[test]
fn nonsense_is_a_finding_and_no_limit() {
    let check = |declared: Declared, expected: &[&str]| {
        let pool = world(declared, &[1]).pool(10);
        assert_eq!(pool.findings, expected, "{declared:?}");
        assert_eq!(
            pool.max.is_some(),
            declared.max.is_some_and(|max| (1..1 << 32).contains(&max)),
            "{declared:?}"
        );
    };
    check(Declared::default(), &[]);
    check(numbers(Some(0), Some(10), Some(1000)), &[]);
    check(numbers(Some(11), Some(10), None), &["declared_min_above_max"]);
    check(numbers(Some(10), Some(10), None), &[]);
    check(numbers(None, Some(0), None), &["declared_not_positive"]);
    check(numbers(None, Some(-1), None), &["declared_not_positive"]);
    check(numbers(Some(-1), None, None), &["declared_not_positive"]);
    check(numbers(Some(0), Some(-1), None), &["declared_min_above_max", "declared_not_positive"]);
    check(numbers(None, None, Some(0)), &["declared_not_positive"]);
    check(numbers(Some(51), None, None), &["min_above_50"]);
    check(numbers(Some(50), Some(100), None), &[]);
    check(numbers(None, Some(101), None), &["max_above_100"]);
    check(numbers(None, Some(i64::MAX), None), &["max_above_100"]);
    check(numbers(None, None, Some(999)), &["timeout_below_1s"]);
    let idle = |milliseconds| Declared { idle_timeout: Some(milliseconds), ..Declared::default() };
    check(idle(999), &["timeout_below_1s"]);
    check(idle(0), &[]);
    check(idle(-1), &["declared_not_positive"]);
}

#[test]
fn a_connection_for_each_query_is_a_finding() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    let one = |nth: u64| {
        let (socket, at) = (nth + 10, nth * 100);
        [
            open(socket, 1, at),
            startup(socket, "shop", at),
            ready(socket, at, at + 5),
            answered(socket, at + 6, at + 8),
            close(socket, at + 9),
        ]
    };
    for nth in 0..9 {
        world.tell(&one(nth));
    }
    world.tell(&[tick(900)]);
    assert!(world.pool(900).findings.is_empty());
    world.tell(&one(9)).tell(&[tick(1000)]);
    assert_eq!(world.pool(1000).findings, ["connection_per_query"]);
    world.tell(&[tick(62_000)]);
    assert!(world.pool(62_000).findings.is_empty());
}

#[test]
fn connections_with_many_leases_that_end_together_are_no_churn() {
    let mut world = World::new();
    let sockets: Vec<u64> = (1..=20).collect();
    world.connect(&sockets, "shop", 0);
    for socket in sockets {
        world.tell(&[answered(socket, 10, 11), answered(socket, 20, 21), close(socket, 30)]);
    }
    world.tell(&[tick(40)]);
    assert!(world.pool(40).findings.is_empty());
}
