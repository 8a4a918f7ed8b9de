//! How connections, pools and processes end.

use poolwatch::{
    event::{Ending, Event, ProcessId, SocketId, SqlState},
    infer::fact::{ConnectionError, Fact},
};

use crate::world::*;

fn ended(socket: u64, ms: u64, ending: Ending) -> Event {
    Event::Close { socket: SocketId(socket), at: ms * MS, ending }
}

#[test]
fn a_connection_that_ends_in_a_transaction_ends_its_lease() {
    let mut world = World::new();
    world.connect(&[1, 2], "shop", 0).tell(&[within(1, 10, 12), close(1, 30), tick(40)]);
    assert_eq!((world.leases(), world.elapsed().1), (vec![20], 20));
    assert_eq!(states(world.pool(40).connections), [0, 1, 0, 0, 0]);
    assert!(world.errors().is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::Closed { .. })), 1);
}

#[test]
fn an_end_that_was_not_seen_ends_no_lease() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[within(1, 10, 12)]);
    world.tell(&[Event::Gone { socket: SocketId(1), at: 30 * MS }, tick(40)]);
    assert!(world.leases().is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::Closed { .. })), 1);
    assert_eq!(world.pool(40).connections.total, 0);
}

#[test]
fn a_failed_startup_is_opened_failed_and_closed() {
    let mut world = World::new();
    let refused =
        Ending { startup: true, end_of_file: true, sqlstate: SqlState::new(*b"53300"), ..Ending::default() };
    world.tell(&[process(id(1), "api"), open(1, 1, 0), startup(1, "shop", 0), ended(1, 5, refused)]);
    assert_eq!(world.errors(), [ConnectionError::TooManyConnections]);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Opened { .. } | Fact::Closed { .. })), 2);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Created { .. })), 0);
}

#[test]
fn an_end_told_twice_is_one_end() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[close(1, 5), close(1, 5)]);
    world.tell(&[Event::Gone { socket: SocketId(1), at: 9 * MS }]);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Closed { .. })), 1);
    assert_eq!(world.pool(9).connections.total, 0);
    assert!(world.at(9).books.unparsed.is_empty());
}

#[test]
fn an_empty_pool_ends_after_ten_seconds() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[close(1, 1000), tick(10_999)]);
    assert_eq!(world.at(11_000).pools.len(), 1);
    world.tell(&[tick(11_000)]);
    assert!(world.at(11_000).pools.is_empty());
    assert_eq!(world.elapsed().0, 11_000);
}

#[test]
fn a_process_takes_its_pools_along_at_once() {
    let mut world = World::new();
    world.connect(&[1, 2], "shop", 0).tell(&[within(1, 10, 12)]);
    world.tell(&[Event::Exit { process: id(1), at: 30 * MS }]);
    assert!(world.at(30).pools.is_empty());
    assert_eq!((world.leases(), world.elapsed()), (vec![20], (30, 20, 0)));
    assert!(world.errors().is_empty());
    let told = Fact::ProcessEnded { pid: 1, name: "app1".to_owned(), connections: 2 };
    assert_eq!(world.facts.last(), Some(&told));
    world.tell(&[close(1, 31), close(2, 31), open(3, 1, 29), Event::Exit { process: id(1), at: 40 * MS }]);
    assert!(world.at(40).pools.is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::Closed { .. })), 2);
}

#[test]
fn a_reused_number_ends_the_older_process() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    let newer = ProcessId { pid: 1, started: 9 };
    world.tell(&[tick(50), process(newer, "other")]);
    assert!(world.at(50).pools.is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::ProcessEnded { .. })), 1);
    world.tell(&[open(2, 1, 60)]);
    assert!(world.at(60).pools.is_empty());
}

#[test]
fn a_connection_of_a_process_that_nobody_told_of_is_counted() {
    let mut world = World::new();
    world.tell(&[open(1, 1, 0), startup(1, "shop", 0)]);
    assert_eq!(world.pool(1).connections.total, 1);
    world.tell(&[process(id(1), "api")]);
    assert_eq!(world.pool(2).labels.service, "api");
}

#[test]
fn a_failed_connect_belongs_to_the_only_pool() {
    let failed = |errno| Event::ConnectFailed {
        process: id(1),
        server: server(1),
        at: 9 * MS,
        connected: 8 * MS,
        errno,
    };
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), failed(Some(111))]);
    assert_eq!(
        world.facts.iter().filter_map(labels).next_back().map(|l| l.pool.as_str()),
        Some("@10.0.0.1:5432/")
    );
    assert!(world.at(9).pools.is_empty());
    world.connect(&[1], "shop", 10).tell(&[failed(None)]);
    assert_eq!(world.facts.iter().filter_map(labels).next_back().map(|l| l.database.as_str()), Some("shop"));
    world.connect(&[2], "stock", 10).tell(&[failed(Some(113))]);
    assert_eq!(world.facts.iter().filter_map(labels).next_back().map(|l| l.database.as_str()), Some(""));
    let errors = [ConnectionError::Refused, ConnectionError::Timeout, ConnectionError::Other];
    assert_eq!(world.errors(), errors);
}

#[test]
fn a_server_that_goes_away_closes() {
    let mut world = World::new();
    let killed = Ending { end_of_file: true, sqlstate: SqlState::new(*b"57P01"), ..Ending::default() };
    world.connect(&[1, 2], "shop", 0).tell(&[ended(1, 5, killed)]);
    world.tell(&[ended(2, 6, Ending { reset: true, ..Ending::default() })]);
    assert_eq!(world.errors(), [ConnectionError::Closed, ConnectionError::Reset]);
}
