//! Sleeps that are waits, and sleeps that are not.

use super::{super::super::pools::PoolRef, *};
use crate::event::{Begun, Demand, Protocol, SocketId, Turn};

const MS: Time = SECOND / 1000;
const POOL: PoolRef = PoolRef::new(1);

/// Thread 5 uses the only connection, and thread 6 has read a demand.
fn saturated() -> Waits {
    let mut waits = Waits::default();
    for (socket, thread) in [(50, 5), (51, 6)] {
        let (socket, turn) = (SocketId(socket), Turn { thread, nth: 0 });
        waits.ask(&Demand { socket, pid: 1, at: 1, turn, protocol: Protocol::Http, route: Some(9) });
    }
    waits.enter(SocketId(1), POOL, false, 2);
    let turn = Turn { thread: 5, nth: 0 };
    waits.begin(&Begun { socket: SocketId(1), at: 3, turn, letter: b'Q', bytes: 20 });
    waits
}

/// How long thread 6 is taken to have waited: it slept from 1 ms until time was over at 6 ms, and from `again` at
/// another address until it was woken at 9 ms.
fn waited(again: Time, address: u64) -> Time {
    let mut waits = saturated();
    let sleeps = [
        (MS, 640, Parking::Asleep),
        (6 * MS, 640, Parking::Over),
        (again, address, Parking::Asleep),
        (9 * MS, address, Parking::Woken),
    ];
    let mut waited = 0;
    for (at, address, parking) in sleeps {
        waits.park(&Parked { pid: 1, thread: 6, address, at, parking });
        // What was counted before sleeps were told is another's evidence.
        waited = waits.take_elapsed(POOL).pending;
    }
    waited
}

#[test]
fn a_sleep_that_goes_on_at_once_is_the_same() {
    assert_eq!(waited(6 * MS + 50_000, 648), 8 * MS);
}

/// What thread 6 waited, that slept twice from before the only connection was lent.
fn waited_before(since: Time) -> Time {
    let mut waits = Waits::default();
    let demand = |socket, thread| {
        let (socket, turn) = (SocketId(socket), Turn { thread, nth: 0 });
        Demand { socket, pid: 1, at: 1, turn, protocol: Protocol::Http, route: Some(9) }
    };
    waits.enter(SocketId(1), POOL, false, 1);
    let park = |at, parking| Parked { pid: 1, thread: 6, address: 640, at, parking };
    waits.ask(&demand(50, 5));
    waits.ask(&demand(51, 6));
    waits.park(&park(since, Parking::Asleep));
    let turn = Turn { thread: 5, nth: 0 };
    waits.begin(&Begun { socket: SocketId(1), at: 40 * MS, turn, letter: b'Q', bytes: 20 });
    waits.park(&park(50 * MS, Parking::Woken));
    waits.take_elapsed(POOL).pending
}

#[test]
fn of_a_crowd_the_last_sleeps_before_the_first_has_asked_the_database() {
    assert_eq!(waited_before(30 * MS), 20 * MS);
    assert_eq!(waited_before(10 * MS), 0);
}

const fn park(thread: u32, address: u64, at: Time, parking: Parking) -> Parked {
    Parked { pid: 1, thread, address, at, parking }
}

/// What a thread is asked on a socket of its own.
fn demand(thread: u32, at: Time) -> Demand {
    let (socket, turn) = (SocketId(u64::from(thread)), Turn { thread, nth: 0 });
    Demand { socket, pid: 1, at, turn, protocol: Protocol::Http, route: Some(9) }
}

#[test]
fn a_lock_is_no_pool_but_for_who_waited_before() {
    let mut waits = Waits::default();
    waits.enter(SocketId(1), POOL, false, 1);
    for thread in 10..30 {
        let at = Time::from(thread) * MS;
        waits.ask(&demand(thread, at));
        waits.park(&park(thread, 77, at + 1, Parking::Asleep));
        waits.park(&park(thread, 77, at + 2, Parking::Woken));
    }
    let turn = Turn { thread: 10, nth: 0 };
    waits.begin(&Begun { socket: SocketId(1), at: 100 * MS, turn, letter: b'Q', bytes: 20 });
    waits.take_elapsed(POOL);
    waits.park(&park(11, 77, 101 * MS, Parking::Asleep));
    waits.park(&park(11, 77, 102 * MS, Parking::Woken));
    assert_eq!(waits.take_elapsed(POOL).pending, 0, "the interpreter's");
    waits.park(&park(11, 640, 103 * MS, Parking::Asleep));
    waits.park(&park(11, 640, 105 * MS, Parking::Woken));
    waits.park(&park(11, 77, 105 * MS + 1, Parking::Asleep));
    waits.park(&park(11, 77, 106 * MS, Parking::Woken));
    assert_eq!(waits.take_elapsed(POOL).pending, 3 * MS, "until it could go on");
}

#[test]
fn a_sleep_that_ended_by_itself_is_no_wait() {
    assert_eq!(waited(7 * MS, 648), 2 * MS);
    assert_eq!(waited(6 * MS + 50_000, 6400), 3 * MS - 50_000);
}

/// Threads let time pass beside an idle connection, each at an address of its own, before the only connection is lent to
/// thread 5. What thread 6 waited, that slept until time was over at 6 ms and went on at once.
#[test]
fn time_that_passes_at_a_threads_own_address_is_no_part_of_the_wait_that_follows() {
    let mut waits = Waits::default();
    waits.enter(SocketId(1), POOL, true, 1);
    for thread in 10..20 {
        let (address, at) = (1000 * u64::from(thread), 10 * MS * Time::from(thread));
        waits.ask(&demand(thread, at));
        waits.park(&park(thread, address, at + 1, Parking::Asleep));
        waits.park(&park(thread, address, at + MS, Parking::Over));
        waits.park(&park(thread, address, at + 3 * MS, Parking::Asleep));
        waits.park(&park(thread, address, at + 4 * MS, Parking::Woken));
    }
    // One mistake is a small share of what others waited.
    waits.parkings.waited = SECOND as f64;
    let begin = SECOND;
    for thread in [5, 6] {
        waits.ask(&demand(thread, begin));
    }
    let turn = Turn { thread: 5, nth: 0 };
    waits.begin(&Begun { socket: SocketId(1), at: begin + 1, turn, letter: b'Q', bytes: 20 });
    let _ = waits.take_elapsed(POOL);
    waits.park(&park(6, 640, begin + MS, Parking::Asleep));
    waits.park(&park(6, 640, begin + 6 * MS, Parking::Over));
    waits.park(&park(6, 640, begin + 6 * MS + 50_000, Parking::Asleep));
    waits.park(&park(6, 640, begin + 9 * MS, Parking::Woken));
    assert_eq!(waits.take_elapsed(POOL).pending, 3 * MS - 50_000);
}

#[test]
fn where_sleepers_are_not_told_apart_demands_are_counted() {
    let mut waits = saturated();
    let park = |at, parking| Parked { pid: 1, thread: 6, address: 640, at, parking };
    waits.park(&park(MS, Parking::Asleep));
    waits.park(&park(9 * MS, Parking::Woken));
    assert_eq!(waits.method_of_pending(POOL), super::super::confidence::Method::Futex);
    assert!(waits.parkings.clarity() >= 1.0, "all of it");
    waits.park(&park(10 * MS, Parking::Asleep));
    waits.park(&park(410 * MS, Parking::Over));
    waits.park(&park(420 * MS, Parking::Asleep));
    assert_ne!(waits.method_of_pending(POOL), super::super::confidence::Method::Futex);
    assert!(waits.parkings.clarity() < 0.5);
    assert_eq!(waits.method_of_waits(POOL), super::super::confidence::Method::Futex);
}
