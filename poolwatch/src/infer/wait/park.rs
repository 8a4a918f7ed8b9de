//! Threads that sleep before they borrowed a connection: what they wait for is one.
//!
//! Only sleeps of a thread that works for a demand and has not borrowed yet, that another thread ended, and that began while
//! no connection was surely idle, or just before: of a crowd that comes at once the last may sleep before the first
//! have asked the database. Which sleeps are no waits is known by their address ([`address`]). Who is woken with a
//! connection uses it at once, when it runs: until then it waited, for the interpreter's lock too, but for the time that
//! the quickest need.

mod address;

use std::collections::VecDeque;

use self::address::Addresses;
use super::{
    super::limits,
    Waits,
    demand::Open,
    thread::{Overslept, Sleep, Thread},
};
use crate::event::{Parked, Parking, SECOND, Time};

/// Silence after which nobody is taken to watch threads any more.
const UNWATCHED: Time = 35 * SECOND;

/// A sleep goes on that begins so soon after its end,
const SOON: Time = 200_000;
/// and so near in memory: a condition variable sleeps at several words of its own.
const NEAR: u64 = 48;
/// A wait goes on that is followed so soon by another sleep, or lasts until the borrowing that begins so soon.
const AT_ONCE: Time = 1_000_000;
/// What the quickest need grows by one part in so many with each that takes longer.
const SLOWER: Time = 64;
/// Per wait, what is known of earlier ones fades by so much.
const FADES: f64 = 0.999;
/// Share of the waits that sleeps may come to that were counted with them, and were none.
const MISTAKEN: f64 = 0.05;
/// So much of it, in nanoseconds, is no share of anything yet.
const FEW: f64 = 2e8;
/// A sleep that began so long before the last idle connection was lent is a wait for one.
const EARLY: Time = 20_000_000;

/// Sleeping threads of a process.
#[derive(Debug, Default)]
pub struct Parkings {
    /// Threads that wait now.
    pub asleep: u32,
    /// Since when threads are watched.
    since: Option<Time>,
    newest: Time,
    addresses: Addresses,
    /// Threads that went to sleep while a connection seemed idle, and when; the first one that did comes first.
    early: VecDeque<(u32, Time)>,
    /// What the quickest need from being woken to the first use of the connection.
    quickest: Option<Time>,
    /// What was waited lately, in nanoseconds, and how much of it was no sleep for the connection itself.
    waited: f64,
    delays: f64,
    /// What was counted as waits meanwhile, and was none.
    mistaken: f64,
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

    /// The sleep that ended by itself was a wait nevertheless.
    pub fn forgive(&mut self, overslept: &Overslept) {
        self.addresses.forgive(overslept.address);
        let counted = overslept.counted() as f64;
        self.mistaken = (self.mistaken - counted).max(0.0);
        self.waited += counted;
    }

    /// Sleeps that are no waits are told from those that are while they last, but for a few.
    pub fn are_told_apart(&self) -> bool {
        self.clarity() >= 0.5
    }

    /// How far to trust the count of sleepers: half where as many are mistaken as may be.
    pub fn clarity(&self) -> f64 {
        1.0 / (1.0 + self.mistaken / (FEW + MISTAKEN * self.waited))
    }

    /// The thread does not sleep any more.
    pub fn wake(&mut self, thread: &mut Thread) {
        if let Some((_, Sleep::Wait)) = thread.asleep.take() {
            self.asleep = self.asleep.saturating_sub(1);
        }
    }

    /// A sleep that ended by itself does not go on.
    pub fn settle(&mut self, thread: &mut Thread) {
        if let Some(overslept) = thread.overslept.take() {
            self.addresses.end_by_itself(overslept.address, overslept.idle);
            self.mistaken += overslept.counted() as f64;
        }
    }

    fn sleep(&mut self, thread: &mut Thread, id: u32, since: Time, sleep: Sleep) {
        thread.asleep = Some((since, sleep));
        match sleep {
            Sleep::Wait => self.asleep += 1,
            Sleep::Early => {
                let over = |early: &VecDeque<(u32, Time)>| {
                    early.len() >= limits::THREADS
                        || early.front().is_some_and(|(_, first)| since.saturating_sub(*first) > EARLY)
                };
                while over(&self.early) {
                    self.early.pop_front();
                }
                self.early.push_back((id, since));
            }
            Sleep::Alarm | Sleep::Other => {}
        }
    }

    /// The share of waits that threads spent on going on.
    pub fn delayed(&self) -> f64 {
        self.delays / self.waited.max(1.0)
    }

    fn wait(&mut self, took: Time, delay: Time) {
        self.waited = self.waited * FADES + took as f64;
        self.delays = self.delays * FADES + delay as f64;
        self.mistaken *= FADES;
    }

    /// What a thread waited, of the time from being woken to the first use of its connection.
    fn delay(&mut self, took: Time) -> Time {
        let slower = |quickest: Time| quickest.saturating_add(quickest / SLOWER);
        let quickest = self.quickest.map_or(took, |quickest| slower(quickest).min(took));
        self.quickest = Some(quickest);
        took.saturating_sub(quickest)
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
        let saturated = self.saturated(parked.at) > 0;
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let addresses = &self.parkings.addresses;
        let goes_on =
            thread.overslept.filter(|before| before.goes_on(parked) && addresses.goes_on(before.address));
        if goes_on.is_some() {
            thread.overslept = None;
        } else {
            self.parkings.settle(thread);
        }
        let demand = thread.current.and_then(|demand| self.demands.get(demand));
        let Some(demand) = demand.filter(|demand| demand.lent.is_none() && thread.asleep.is_none()) else {
            return;
        };
        let addresses = &self.parkings.addresses;
        let alarm = addresses.is_alarm(parked.address);
        let sleep = if addresses.is_lock(parked.address) {
            if demand.woke.is_some() { Sleep::Wait } else { Sleep::Other }
        } else {
            match (saturated, alarm) {
                (true, false) => Sleep::Wait,
                (true, true) => Sleep::Alarm,
                (false, false) => Sleep::Early,
                (false, true) => Sleep::Other,
            }
        };
        let since = goes_on.map_or(parked.at, |before| before.since);
        self.parkings.sleep(thread, parked.thread, since, sleep);
    }

    /// No connection is idle: who went to sleep just before waits for one.
    pub(super) fn wait_early(&mut self, at: Time) {
        if self.parkings.early.is_empty() || self.saturated(at) == 0 {
            return;
        }
        for (id, since) in std::mem::take(&mut self.parkings.early) {
            if let Some(thread) = self.threads.get_mut(id)
                && thread.asleep == Some((since, Sleep::Early))
                && at.saturating_sub(since) <= EARLY
            {
                self.parkings.sleep(thread, id, since, Sleep::Wait);
            }
        }
    }

    fn awake(&mut self, parked: &Parked) {
        let saturated = self.lendings.keys().filter_map(|pool| self.gauge.saturated(*pool)).max();
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let Some((since, sleep)) = thread.asleep else { return };
        self.parkings.wake(thread);
        let idle = saturated.is_none_or(|saturated| saturated <= since);
        if parked.parking == Parking::Woken {
            self.parkings.addresses.end_by_another(parked.address, parked.thread, idle);
        } else if parked.parking == Parking::Over {
            let (address, until, counted) = (parked.address, parked.at, sleep == Sleep::Wait);
            thread.overslept = Some(Overslept { address, since, until, idle, counted });
        }
        let demand = thread.current.and_then(|demand| self.demands.get_mut(demand));
        let Some(demand) = demand.filter(|_| matches!(sleep, Sleep::Wait | Sleep::Alarm)) else { return };
        if parked.parking == Parking::Over {
            demand.overslept = thread.overslept;
        } else if parked.parking == Parking::Woken {
            let from = demand.wait_ended_before(since).unwrap_or(since);
            let took = parked.at.saturating_sub(from);
            let goes_on = demand.woke.is_some() && self.parkings.addresses.is_lock(parked.address);
            demand.woke = Some(parked.at);
            self.parkings.wait(took, if goes_on { took } else { since.saturating_sub(from) });
            self.lengthen(parked.thread, took);
        }
    }

    /// The thread uses a connection: if it waited for one, it did until now.
    pub(super) fn wait_until(&mut self, thread: u32, at: Time) {
        let current = self.threads.get(thread).and_then(|thread| thread.current);
        let demand = current.and_then(|demand| self.demands.get(demand));
        let woke =
            demand.filter(|demand| demand.lent.is_none()).and_then(|demand| demand.wait_ended_before(at));
        if let Some(woke) = woke {
            let delay = self.parkings.delay(at.saturating_sub(woke));
            self.parkings.wait(delay, delay);
            self.lengthen(thread, delay);
        }
    }

    fn lengthen(&mut self, thread: u32, by: Time) {
        let current = self.threads.get(thread).and_then(|thread| thread.current);
        let Some(demand) = current.and_then(|demand| self.demands.get_mut(demand)) else { return };
        demand.slept = demand.slept.saturating_add(by);
        if let Some(pool) = self.largest().filter(|_| self.counts_sleepers()) {
            self.gauge.add(pool, by);
        }
    }
}

impl Open {
    /// When its thread was woken, if that was just before.
    fn wait_ended_before(&self, at: Time) -> Option<Time> {
        self.woke.filter(|woke| at.saturating_sub(*woke) < AT_ONCE)
    }
}

#[cfg(test)]
mod tests;
