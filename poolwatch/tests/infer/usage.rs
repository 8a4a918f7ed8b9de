//! Used, idle, unknown; leases; what is hidden.

use poolwatch::{
    event::{Event, Request, RequestKind, SocketId, SqlState, Transaction},
    infer::fact::Fact,
};

use crate::world::*;

fn now(world: &World, ms: u64) -> [u32; 5] {
    states(world.pool(ms).connections)
}

#[test]
fn a_connection_opens_and_is_idle() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), open(1, 1, 10), startup(1, "shop", 12)]);
    assert_eq!(now(&world, 13), [0, 0, 1, 0, 0]);
    world.tell(&[ready(1, 12, 17), tick(20)]);
    assert_eq!(now(&world, 20), [0, 1, 0, 0, 0]);
    let created = |fact: &Fact| matches!(fact, Fact::Created { took, .. } if *took == 7 * MS);
    assert_eq!(world.count(created), 1);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Request { .. })), 0);
    assert_eq!(world.elapsed(), (10, 0, 0));
}

#[test]
fn a_transaction_is_one_lease() {
    let mut world = World::new();
    world.connect(&[1, 2], "shop", 0).tell(&[within(1, 10, 12)]);
    assert_eq!(now(&world, 15), [1, 1, 0, 0, 1]);
    assert_eq!(world.pool(15).oldest_lease, 5 * MS);
    world.tell(&[inflight(1, 16, 18)]);
    assert_eq!(now(&world, 18), [1, 1, 0, 0, 0]);
    world.tell(&[tick(19), within(1, 16, 20), answered(1, 21, 30), tick(40)]);
    assert_eq!(now(&world, 40), [0, 2, 0, 0, 0]);
    assert_eq!(world.leases(), [20]);
    assert_eq!(world.elapsed(), (40, 20, 0));
    assert_eq!(world.pool(40).oldest_lease, 0);
}

#[test]
fn a_failed_transaction_is_used() {
    let mut world = World::new();
    let failed = Request { transaction: Transaction::Failed, errors: 1, ..request(1, 10, 12) };
    world.connect(&[1], "shop", 0).tell(&[Event::Request(failed)]);
    assert_eq!(now(&world, 15), [1, 0, 0, 0, 1]);
}

#[test]
fn a_request_under_way_is_used_from_its_first_byte() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[inflight(1, 10, 1000), tick(1000)]);
    assert_eq!(now(&world, 1000), [1, 0, 0, 0, 0]);
    assert_eq!((world.elapsed().1, world.pool(1000).oldest_lease), (990, 990 * MS));
    world.tell(&[answered(1, 10, 1500), tick(2000)]);
    assert_eq!(now(&world, 2000), [0, 1, 0, 0, 0]);
    assert_eq!((world.elapsed().1, world.leases()), (1490, vec![1490]));
}

#[test]
fn a_scan_that_comes_after_the_answer_says_nothing() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[answered(1, 10, 20), inflight(1, 10, 21)]);
    assert_eq!(now(&world, 21), [0, 1, 0, 0, 0]);
}

#[test]
fn an_answer_that_comes_late_does_not_end_the_request_under_way() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[inflight(1, 30, 40), answered(1, 10, 20)]);
    assert_eq!(now(&world, 40), [1, 0, 0, 0, 0]);
    world.tell(&[answered(1, 30, 50), tick(60)]);
    assert_eq!((now(&world, 60), world.leases()), ([0, 1, 0, 0, 0], vec![20]));
}

#[test]
fn pipelined_requests_are_one_lease_and_counted_once() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    world.tell(&[answered(1, 10, 15), answered(1, 11, 18), answered(1, 12, 18), answered(1, 30, 31)]);
    world.tell(&[tick(40)]);
    assert_eq!(world.leases(), [8, 1]);
    assert_eq!(world.elapsed().1, 9);
    assert_eq!(world.pool(40).requests.total, 4);
}

#[test]
fn midstream_is_unknown_until_the_next_answer() {
    let mut world = World::new();
    world.tell(&[process(id(1), "api"), midstream(1, 1, 0), inflight(1, 2, 3)]);
    assert_eq!(now(&world, 3), [0, 0, 0, 1, 0]);
    world.tell(&[answered(1, 2, 6), tick(10)]);
    assert_eq!(now(&world, 10), [0, 1, 0, 0, 0]);
    assert_eq!(world.elapsed().1, 4);
    // Whether a transaction was open before is not known, so neither is the length of the lease.
    assert!(world.leases().is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::Opened { .. } | Fact::Created { .. })), 0);
}

#[test]
fn a_loss_makes_it_unknown_until_the_next_answer() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[within(1, 10, 12)]);
    world.tell(&[Event::Missed { socket: SocketId(1), at: 20 * MS, records: 3 }, tick(30)]);
    assert_eq!(now(&world, 30), [0, 0, 0, 1, 0]);
    assert_eq!((world.lost("request"), world.elapsed().1), (3, 10));
    world.tell(&[answered(1, 40, 42), tick(50)]);
    assert_eq!(now(&world, 50), [0, 1, 0, 0, 0]);
    assert_eq!(world.elapsed().1, 12);
    assert!(world.leases().is_empty());
}

#[test]
fn an_answer_after_a_loss_is_exact_itself() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    world.tell(&[Event::Request(Request { missed: 2, ..request(1, 10, 15) }), answered(1, 20, 21), tick(30)]);
    assert_eq!((world.lost("request"), world.elapsed().1), (2, 6));
    assert_eq!(world.leases(), [1]);
    assert_eq!(now(&world, 30), [0, 1, 0, 0, 0]);
}

#[test]
fn an_answer_whose_start_was_not_seen_has_no_duration() {
    let mut world = World::new();
    let unseen = Request { started: None, first_byte: Some(14 * MS), ..request(1, 0, 15) };
    world.connect(&[1], "shop", 0).tell(&[Event::Request(unseen), tick(20)]);
    let timeless = |fact: &Fact| matches!(fact, Fact::Request { took: None, first_byte: None, .. });
    assert_eq!(world.count(timeless), 1);
    assert!(world.leases().is_empty());
    assert_eq!((world.pool(20).requests.total, world.elapsed().1), (1, 1));
}

#[test]
fn a_request_tells_what_it_was() {
    let mut world = World::new();
    let code = SqlState::new(*b"23505");
    let first_byte = Some(13 * MS);
    let failed =
        Request { first_byte, errors: 1, sqlstate: code, operation: "ODD".into(), ..request(1, 10, 130) };
    world.connect(&[1], "shop", 0).tell(&[Event::Request(failed), answered(1, 200, 201)]);
    let told: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Request { took, first_byte, operation, error, slow, .. } => {
                Some((*took, *first_byte, *operation, *error, *slow))
            }
            _ => None,
        })
        .collect();
    let first = (Some(120 * MS), Some(3 * MS), "_OTHER", code, true);
    assert_eq!(told, [first, (Some(MS), None, "SELECT", None, false)]);
    let requests = world.pool(1000).requests;
    assert_eq!((requests.slow, requests.errors, requests.total), (1, 1, 2));
    assert!((requests.error_ratio - 0.5).abs() < 1e-9 && (requests.mean_seconds - 0.0605).abs() < 1e-9);
    assert!((requests.per_second - 2.0).abs() < 1e-9);
}

#[test]
fn a_hidden_connection_is_counted_and_named() {
    let mut world = World::new();
    let gss = |at| Event::Secured { socket: SocketId(1), at, by: "gss".to_owned() };
    world.tell(&[process(id(1), "api"), open(1, 1, 0), gss(MS), gss(2 * MS)]);
    assert_eq!(now(&world, 5), [0, 0, 0, 1, 0]);
    let blind = world.at(5).blind;
    assert_eq!(blind.len(), 1);
    assert_eq!((blind[0].reason.as_str(), blind[0].connections), ("gss", 1));
    let readable = Request { kind: RequestKind::Startup, ..request(1, 6, 9) };
    world.tell(&[Event::Request(readable)]);
    assert!(world.at(10).blind.is_empty());
    assert_eq!(now(&world, 10), [0, 1, 0, 0, 0]);
    world.tell(&[gss(20 * MS), close(1, 30)]);
    assert!(world.at(30).blind.is_empty());
}

#[test]
fn an_encrypted_connection_is_used_by_turns() {
    let turn = |kind, from, to, merged| {
        let transaction = Transaction::Unknown;
        Event::Request(Request { kind, transaction, merged, approximate: true, ..request(1, from, to) })
    };
    let mut world = World::new();
    let tls = Event::Secured { socket: SocketId(1), at: MS, by: "tls".to_owned() };
    world.tell(&[process(id(1), "api"), open(1, 1, 0), tls]);
    assert_eq!(now(&world, 5), [0, 0, 1, 0, 0]);
    world.tell(&[
        turn(RequestKind::Startup, 1, 9, 1),
        Event::Inflight { socket: SocketId(1), at: 12 * MS, since: 11 * MS },
    ]);
    assert_eq!(now(&world, 12), [1, 0, 0, 0, 0]);
    // The answer goes on after it was told, which is neither another request nor another lease.
    world.tell(&[turn(RequestKind::Query, 11, 14, 1), turn(RequestKind::Query, 11, 17, 0)]);
    assert_eq!(now(&world, 20), [0, 1, 0, 0, 0]);
    assert_eq!(world.pool(21).requests.total, 1);
    assert_eq!(world.at(21).blind.len(), 1);
    world.tell(&[Event::Tick { at: 30 * MS }]);
    let lease = |fact: &Fact| matches!(fact, Fact::Lease { took, .. } if *took == 6 * MS);
    assert_eq!(world.count(lease), 1);
}

#[test]
fn a_second_telling_of_the_same_connection_changes_nothing() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0).tell(&[within(1, 10, 12), open(1, 1, 13), midstream(1, 1, 14)]);
    world.tell(&[startup(1, "shop", 15), ready(1, 15, 16)]);
    assert_eq!(now(&world, 20), [1, 0, 0, 0, 1]);
    assert_eq!(world.count(|fact| matches!(fact, Fact::Opened { .. } | Fact::Created { .. })), 2);
}
