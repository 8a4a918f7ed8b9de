//! Threads that sleep before they borrowed a connection: what they wait for is one.
//!
//! Only sleeps of a thread that works for a demand and has not borrowed yet, that began while no connection was
//! surely idle, and that another thread ended. A sleep that ends by itself is none: `Thread.sleep` sleeps like that,
//! each time at the same address of its thread, which is how the next one is told apart while it lasts. One that
//! goes on at once where it ended is the same: who waits for an interpreter's lock looks up every few milliseconds.

use super::{
    Waits,
    thread::{Overslept, Thread},
};
use crate::event::{HashMap, Parked, Parking, SECOND, Time};

/// Silence after which nobody is taken to watch threads any more.
const UNWATCHED: Time = 35 * SECOND;

/// A sleep goes on that begins so soon after its end,
const SOON: Time = 200_000;
/// and so near in memory: a condition variable sleeps at several words of its own.
const NEAR: u64 = 48;

/// Addresses that are told apart; sleeps at further ones are taken for waits.
const ADDRESSES: usize = 16_384;

/// Sleeping threads of a process.
#[derive(Debug, Default)]
pub struct Parkings {
    /// Threads that sleep now.
    pub asleep: u32,
    /// Since when threads are watched.
    since: Option<Time>,
    newest: Time,
    /// How often a sleep at an address was ended by another thread, and by itself.
    ends: HashMap<u64, (u32, u32)>,
}

impl Parkings {
    /// Sleeps are told, and were at `at`.
    pub fn watched_since(&self, at: Time) -> bool {
        self.since.is_some_and(|since| since <= at)
    }

    /// Sleeps are told.
    pub const fn is_watched(&self) -> bool {
        self.since.is_some()
    }

    /// A sleep ended.
    fn learn(&mut self, address: u64, woken: bool) {
        if address == 0 || (self.ends.len() >= ADDRESSES && !self.ends.contains_key(&address)) {
            return;
        }
        let (by_others, by_itself) = self.ends.entry(address).or_default();
        *(if woken { by_others } else { by_itself }) += 1;
    }

    /// The sleep at this address that ended by itself was a wait nevertheless.
    pub fn forgive(&mut self, address: u64) {
        if let Some((by_others, by_itself)) = self.ends.get_mut(&address) {
            *by_others += 1;
            *by_itself = by_itself.saturating_sub(1);
        }
    }

    /// Sleeps at this address end by themselves.
    fn is_alarm(&self, address: u64) -> bool {
        self.ends.get(&address).is_some_and(|(by_others, by_itself)| by_itself > by_others)
    }

    /// The thread does not sleep any more.
    pub fn wake(&mut self, thread: &mut Thread) {
        if let Some((_, false)) = thread.asleep.take() {
            self.asleep = self.asleep.saturating_sub(1);
        }
    }

    /// A sleep that ended by itself does not go on.
    pub fn settle(&mut self, thread: &mut Thread) {
        if let Some(Overslept { address, .. }) = thread.overslept.take() {
            self.learn(address, false);
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Time) {
        if self.newest.saturating_add(UNWATCHED) < now {
            self.since = None;
        }
    }
}

impl Overslept {
    fn goes_on(&self, parked: &Parked) -> bool {
        parked.at.saturating_sub(self.until) < SOON && parked.address.abs_diff(self.address) < NEAR
    }
}

impl Waits {
    /// A thread goes to sleep, or woke.
    pub fn park(&mut self, parked: &Parked) {
        self.advance(parked.at);
        self.parkings.since = self.parkings.since.or(Some(parked.at));
        self.parkings.newest = parked.at;
        if parked.parking == Parking::Asleep {
            self.sleep(parked);
        } else {
            self.awake(parked);
        }
        self.weigh(parked.at);
    }

    fn sleep(&mut self, parked: &Parked) {
        let saturated = self.lendings.values().any(|lending| lending.is_saturated(parked.at));
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let goes_on = thread.overslept.filter(|before| before.goes_on(parked));
        if goes_on.is_some() {
            thread.overslept = None;
        } else {
            self.parkings.settle(thread);
        }
        let alarm = self.parkings.is_alarm(parked.address);
        let demand = thread.current.and_then(|demand| self.demands.get(demand));
        if saturated && demand.is_some_and(|demand| demand.lent.is_none()) && thread.asleep.is_none() {
            thread.asleep = Some((goes_on.map_or(parked.at, |before| before.since), alarm));
            self.parkings.asleep += u32::from(!alarm);
        }
    }

    fn awake(&mut self, parked: &Parked) {
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let Some((since, _)) = thread.asleep else { return };
        self.parkings.wake(thread);
        if parked.parking == Parking::Woken {
            self.parkings.learn(parked.address, true);
        } else if parked.parking == Parking::Over {
            thread.overslept = Some(Overslept { address: parked.address, since, until: parked.at });
        }
        let demand = thread.current.and_then(|demand| self.demands.get_mut(demand));
        let Some(demand) = demand else { return };
        if parked.parking == Parking::Over {
            demand.overslept = Some(parked.address);
        } else if parked.parking == Parking::Woken {
            let slept = parked.at.saturating_sub(since);
            demand.slept = demand.slept.saturating_add(slept);
            if let Some(pool) = self.largest().filter(|_| self.watches_threads()) {
                self.gauge.add(pool, slept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::pools::PoolRef;
    use super::*;
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

    #[test]
    fn a_sleep_that_ended_by_itself_is_no_wait() {
        assert_eq!(waited(7 * MS, 648), 2 * MS);
        assert_eq!(waited(6 * MS + 50_000, 6400), 3 * MS - 50_000);
    }
}
