//! Threads that sleep before they borrowed a connection: what they wait for is one.
//!
//! Only sleeps of a thread that works for a demand and has not borrowed yet, that began while no connection was
//! surely idle, and that another thread ended. A sleep that ends by itself is none: `Thread.sleep` sleeps like that,
//! each time at the same address of its thread, which is how the next one is told apart while it lasts.

use std::collections::HashMap;

use super::{Waits, thread::Thread};
use crate::event::{Parked, Parking, SECOND, Time};

/// Silence after which nobody is taken to watch threads any more.
const UNWATCHED: Time = 35 * SECOND;

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

    /// Time passed.
    pub fn tick(&mut self, now: Time) {
        if self.newest.saturating_add(UNWATCHED) < now {
            self.since = None;
        }
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
        let alarm = self.parkings.is_alarm(parked.address);
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let demand = thread.current.and_then(|demand| self.demands.get(demand));
        if saturated && demand.is_some_and(|demand| demand.lent.is_none()) && thread.asleep.is_none() {
            thread.asleep = Some((parked.at, alarm));
            self.parkings.asleep += u32::from(!alarm);
        }
    }

    fn awake(&mut self, parked: &Parked) {
        let Some(thread) = self.threads.get_mut(parked.thread) else { return };
        let Some((since, _)) = thread.asleep else { return };
        self.parkings.wake(thread);
        self.parkings.learn(parked.address, parked.parking == Parking::Woken);
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
