//! Which pool a connection belongs to.

use poolwatch::{
    event::{Event, ProcessId, Request, Server, SocketId},
    infer::{
        fact::Fact,
        settings::{ServerSettings, Settings},
    },
};

use crate::world::*;

fn one(database: &str, total: u32) -> Vec<(String, u32)> {
    vec![(database.to_owned(), total)]
}

#[test]
fn connections_of_one_name_are_one_pool() {
    let mut world = World::new();
    world.connect(&[1, 2, 3], "shop", 0);
    let pool = world.pool(5);
    assert_eq!(pool.labels.pool, "app@10.0.0.1:5432/shop");
    assert_eq!((pool.process.id, pool.labels.service.as_str()), (id(1), "api"));
    assert_eq!(states(pool.connections), [0, 3, 0, 0, 0]);
}

#[test]
fn databases_users_servers_and_processes_are_pools_of_their_own() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).connect(&[2], "stock", 0);
    world.tell(&[process(id(2), "api"), open(3, 2, 0), startup(3, "shop", 0)]);
    let elsewhere = Event::Open {
        socket: SocketId(4),
        process: id(1),
        server: Server::Unix("/tmp".to_owned(), 5432),
        at: 0,
        connected: None,
        midstream: false,
    };
    world.tell(&[elsewhere, startup(4, "shop", 0)]);
    let named = ("other".to_owned(), "shop".to_owned());
    let other =
        Event::Startup { socket: SocketId(5), at: 0, user: named.0, database: named.1, replication: false };
    world.tell(&[open(5, 1, 0), other]);
    let pools = world.at(1).pools;
    assert_eq!(pools.len(), 5);
    assert!(pools.iter().all(|pool| pool.connections.total == 1));
    assert!(pools.is_sorted_by(|one, other| one.id < other.id));
}

#[test]
fn app_first_then_agent_then_one_new_connection_is_one_pool() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), midstream(1, 1, 0), midstream(2, 1, 0)]);
    assert_eq!(world.pools(1), one("", 2));
    world.connect(&[3], "shop", 5);
    assert_eq!(world.pools(10), one("shop", 3));
    assert_eq!(states(world.pool(10).connections), [0, 1, 0, 2, 0]);
}

#[test]
fn a_connection_that_is_found_later_joins_the_known_pool() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[midstream(2, 1, 5)]);
    assert_eq!(world.pools(6), one("shop", 2));
}

#[test]
fn with_several_known_pools_a_nameless_connection_stays_apart() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).connect(&[2], "stock", 0).tell(&[midstream(3, 1, 5)]);
    let pools = vec![(String::new(), 1), ("shop".to_owned(), 1), ("stock".to_owned(), 1)];
    assert_eq!(world.pools(6), pools);
    world.tell(&[startup(3, "stock", 7)]);
    assert_eq!(world.pools(8), vec![("shop".to_owned(), 1), ("stock".to_owned(), 2)]);
}

#[test]
fn those_that_joined_stay_when_a_second_pool_is_identified() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), midstream(1, 1, 0)]);
    world.connect(&[2], "shop", 1).connect(&[3], "stock", 2);
    assert_eq!(world.pools(5), vec![("shop".to_owned(), 2), ("stock".to_owned(), 1)]);
}

#[test]
fn nothing_is_told_of_a_pool_that_was_nameless_for_a_moment() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), open(1, 1, 0), tick(1), startup(1, "shop", 2), ready(1, 2, 3)]);
    world.tell(&[tick(10)]);
    assert!(world.facts.iter().filter_map(labels).all(|labels| labels.database == "shop"));
    assert_eq!(world.count(|fact| matches!(fact, Fact::Opened { .. })), 1);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Seen(_))), 1);
}

#[test]
fn a_cut_startup_names_nobody() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), open(1, 1, 0), startup(1, "", 0), ready(1, 0, 1)]);
    assert_eq!(world.pools(1), one("", 1));
    assert_eq!(world.count(|fact| matches!(fact, Fact::Created { .. })), 1);
    world.connect(&[2], "shop", 2);
    assert_eq!(world.pools(3), one("shop", 2));
}

#[test]
fn replication_is_no_member() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    let (user, database) = ("app".to_owned(), "shop".to_owned());
    let replication = Event::Startup { socket: SocketId(2), at: 0, user, database, replication: true };
    world.tell(&[open(2, 1, 0), replication, ready(2, 0, 1), within(2, 2, 3)]);
    assert_eq!(world.pools(5), one("shop", 1));
    world.tell(&[close(2, 6)]);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Opened { .. } | Fact::Closed { .. })), 1);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Request { .. } | Fact::Lease { .. })), 0);
}

#[test]
fn an_inherited_socket_belongs_to_the_process_that_uses_it() {
    let mut world = World::new();
    world.connect(&[1, 2], "shop", 0);
    let used = Event::Request(Request { pid: 2, ..request(1, 10, 12) });
    world.tell(std::slice::from_ref(&used));
    assert_eq!(world.pools(13), one("shop", 2));
    assert_eq!(world.core.strangers(), [(SocketId(1), 2)]);
    world.tell(&[process(id(2), "worker")]);
    world.tell(&[Event::Request(Request { pid: 2, ..request(1, 14, 16) })]);
    let totals: Vec<_> =
        world.at(20).pools.iter().map(|pool| (pool.process.id.pid, pool.connections.total)).collect();
    assert_eq!(totals.len(), 2);
    assert!(totals.contains(&(1, 1)) && totals.contains(&(2, 1)));
    world.tell(&[tick(20)]);
    assert_eq!(world.elapsed().1, 4);
}

#[test]
fn a_socket_goes_back_to_its_opener_when_the_heir_ends() {
    let mut world = World::new();
    world.connect(&[1, 2], "shop", 0).tell(&[process(id(2), "worker")]);
    world.tell(&[Event::Request(Request { pid: 2, ..request(1, 10, 12) })]);
    world.tell(&[Event::Exit { process: id(2), at: 13 * MS }, answered(1, 14, 16)]);
    assert_eq!(world.pools(17), one("shop", 2));
    assert!(world.at(17).books.unparsed.is_empty());
    world.tell(&[Event::Exit { process: id(1), at: 18 * MS }]);
    assert!(world.at(19).pools.is_empty());
}

#[test]
fn a_socket_that_nobody_introduced_is_asked_for() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[answered(7, 1, 2), answered(7, 3, 4)]);
    assert_eq!(world.core.strangers(), [(SocketId(7), 1)]);
    assert!(world.core.strangers().is_empty());
    assert_eq!(world.at(5).books.unparsed, [("unknown_connection".to_owned(), 2)]);
    world.tell(&[midstream(7, 1, 6)]);
    assert_eq!(world.pools(7), one("shop", 2));
    for socket in 100..5000 {
        world.tell(&[answered(socket, 8, 9)]);
    }
    assert_eq!(world.core.strangers().len(), 1024);
}

#[test]
fn addresses_with_one_alias_are_one_server() {
    let named = |number: u8| ServerSettings {
        address: format!("10.0.0.{number}"),
        port: None,
        alias: Some("db".to_owned()),
        max_connections: Some(30),
    };
    let settings =
        Settings { servers: vec![named(1), named(2)], pool_max: vec![(None, 20)], ..Settings::default() };
    let mut world = World::with(settings);
    world.connect(&[1], "shop", 0);
    let second = Event::Open {
        socket: SocketId(2),
        process: id(1),
        server: server(2),
        at: 0,
        connected: None,
        midstream: false,
    };
    world.tell(&[second, startup(2, "shop", 0)]);
    let pool = world.pool(1);
    assert_eq!((pool.labels.pool.as_str(), pool.connections.total), ("app@db:5432/shop", 2));
    assert_eq!(world.at(1).server_max, [("db".to_owned(), 5432, 30)]);
    assert!(pool.findings.is_empty());
    world.connect(&[3], "stock", 2);
    assert!(world.at(3).pools.iter().all(|pool| pool.findings == ["sum_of_max_above_server"]));
}

#[test]
fn the_id_is_stable_and_says_who() {
    let ids = |started| {
        let mut world = World::new();
        let process_id = ProcessId { pid: 1, started };
        let opened = Event::Open {
            socket: SocketId(1),
            process: process_id,
            server: server(1),
            at: 0,
            connected: None,
            midstream: false,
        };
        world.tell(&[process(process_id, "api"), opened, startup(1, "shop", 0)]);
        world.pool(1).id
    };
    assert_eq!(ids(1), "87c9f05288c07b64");
    assert_ne!(ids(1), ids(2));
}

#[test]
fn a_process_that_runs_another_program_keeps_its_connections() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[tick(10), process(id(1), "worker"), answered(1, 12, 14)]);
    assert_eq!(world.pool(15).labels.service, "worker");
    let last = world.facts.iter().filter_map(labels).next_back();
    assert_eq!(last.map(|labels| labels.service.as_str()), Some("worker"));
    assert_eq!(world.count(|fact| matches!(fact, Fact::Seen(_))), 2);
}
