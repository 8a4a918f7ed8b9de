//! What time alone does: sums, status, findings, bounds.

use poolwatch::{
    event::{Event, ProcessId, Request},
    infer::{
        fact::{Fact, Status},
        limits,
        settings::Settings,
        snapshot::MaxSource,
    },
};

use crate::world::*;

fn sized(max: u32) -> World {
    World::with(Settings { pool_max: vec![(Some("api".to_owned()), max)], ..Settings::default() })
}

fn changes(world: &World) -> Vec<(Status, Status)> {
    let change = |fact: &Fact| match fact {
        Fact::StatusChanged { from, to, pid: 1, .. } => Some((*from, *to)),
        _ => None,
    };
    world.facts.iter().filter_map(change).collect()
}

#[test]
fn utilization_and_status_need_a_size() {
    let mut world = sized(2);
    world.connect(&[1, 2], "shop", 0).tell(&[within(1, 10, 12), tick(20)]);
    let pool = world.pool(20);
    assert_eq!((pool.max, pool.utilization), (Some((2, MaxSource::Configured)), Some(0.5)));
    assert_eq!((pool.utilization_status, pool.status), (Some(Status::Normal), Status::Normal));
    world.tell(&[within(2, 20, 22)]);
    assert_eq!(world.pool(25).status, Status::Critical);
    world.tell(&[tick(25), tick(30), answered(2, 31, 32), tick(40)]);
    assert_eq!(changes(&world), [(Status::Normal, Status::Critical), (Status::Critical, Status::Normal)]);
    let mut unsized_pool = World::new();
    unsized_pool.connect(&[1], "shop", 0).tell(&[within(1, 10, 12), tick(20)]);
    let pool = unsized_pool.pool(20);
    assert_eq!((pool.max, pool.utilization, pool.utilization_status), (None, None, None));
}

#[test]
fn slow_and_failing_requests_are_a_warning_for_a_minute() {
    let mut world = World::new();
    world.connect(&[1], "shop", 0);
    for turn in 0..20 {
        let failed = Request { errors: 1, ..request(1, 10 + turn * 10, 15 + turn * 10) };
        world.tell(&[Event::Request(failed)]);
    }
    world.tell(&[tick(1000)]);
    assert_eq!(changes(&world), [(Status::Normal, Status::Warning)]);
    world.tell(&[tick(61_000)]);
    assert_eq!(changes(&world).last(), Some(&(Status::Warning, Status::Normal)));
}

#[test]
fn saturated_time_is_exact_though_short_requests_are_known_late() {
    let mut world = sized(2);
    world.connect(&[1, 2], "shop", 0);
    world.tell(&[answered(2, 120, 180), answered(1, 100, 200), tick(1000)]);
    assert_eq!(world.elapsed().2, 0);
    world.tell(&[tick(5000)]);
    assert_eq!((world.elapsed().1, world.elapsed().2), (160, 60));
    assert_eq!(world.lost("edges"), 0);
}

#[test]
fn a_start_that_comes_too_late_is_counted() {
    let mut world = sized(1);
    world.connect(&[1], "shop", 0).tell(&[tick(9000), answered(1, 1000, 9500), tick(20_000)]);
    assert_eq!(world.elapsed(), (20_000, 8500, 2500));
    assert_eq!(world.lost("edges"), 1);
}

#[test]
fn an_old_lease_and_a_large_pool_are_findings() {
    let mut world = sized(101);
    world.connect(&[1], "shop", 0).tell(&[within(1, 10, 12)]);
    assert_eq!(world.pool(300_010).findings, ["max_above_100"]);
    assert_eq!(world.pool(300_011).findings, ["max_above_100", "lease_older_than_5m"]);
}

#[test]
fn books_and_probes_are_shown() {
    let mut world = World::new();
    assert!(!world.at(0).ready);
    let lost = vec![("ring_requests".to_owned(), 2)];
    world.tell(&[Event::Ready { at: 1 }, Event::Books { events: 9, lost: lost.clone(), unparsed: vec![] }]);
    let shown = world.at(1);
    assert!(shown.ready);
    assert_eq!((shown.books.events, shown.books.lost), (9, lost));
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut world = World::new();
    let processes = u32::try_from(limits::PROCESSES).unwrap_or(0);
    for pid in 1..=processes {
        world.tell(&[process(id(pid), "api"), open(u64::from(pid), pid, 0)]);
    }
    world.tell(&[open(99_999, 99_999, 0)]);
    assert_eq!(world.lost("processes"), 1);
    for pid in 1..=processes {
        for turn in 1..4_u64 {
            let socket = turn * 100_000 + u64::from(pid);
            world.tell(&[open(socket, pid, 0), startup(socket, &turn.to_string(), 0)]);
        }
    }
    let pools = world.at(1).pools;
    assert_eq!(pools.len(), limits::POOLS);
    assert!(world.lost("pools") > 0);
    let live: u32 = pools.iter().map(|pool| pool.connections.total).sum();
    assert_eq!(live, 4 * processes);
}

#[test]
fn a_late_process_is_told_by_its_own_start() {
    let mut world = World::new();
    let newer = ProcessId { pid: 1, started: 9 };
    world.tell(&[process(newer, "new"), process(id(1), "old"), open(1, 1, 0)]);
    assert!(world.at(1).pools.is_empty());
    assert_eq!(world.count(|fact| matches!(fact, Fact::ProcessEnded { .. })), 0);
}
