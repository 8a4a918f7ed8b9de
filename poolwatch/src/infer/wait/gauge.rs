//! How many wait now, and the integral of it over time.
//!
//! Open demands of routes that borrow, less what is lent, less what is usually outside a borrowing; and none
//! while some connection is surely idle. The integral takes the number as it is, below zero too: to cut it at
//! zero would add the noise's positive half. What is shown is cut and rounded, and leaves out who was given a
//! connection just now.

use std::collections::BTreeMap;

use super::{
    super::pools::PoolRef,
    Waits, follow,
    given::given,
    lending::{HANDED, Lending, PERHAPS},
    lent::State,
    nanoseconds,
    outside::Outside,
    rate::Rate,
};
use crate::event::{SECOND, Time};

/// How often routes are judged anew.
const JUDGED: Time = SECOND / 10;
/// So many that wait are no chance when none is outside on average.
const CROWD: f64 = 3.0;
/// Per event, what was learned while a connection was idle fades by so much.
const FADES: f64 = 0.9999;
/// Demands that came while a connection was idle, from which what is outside borrowings is known: a moment in which one seems
/// idle is not enough, as when the agent comes and not all are known.
const OUTSIDE_KNOWN: f64 = 10.0;
/// What [`PERHAPS`] leaves to the time of a handover.
const RETURNED: Time = PERHAPS - HANDED;

/// One pool's integrals, in nanoseconds of one request or connection.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    pending: f64,
    told: f64,
    silent: u64,
    saturated: Option<Time>,
}

/// The gauge of one process.
#[derive(Debug, Default)]
pub struct Gauge {
    level: f64,
    at: Time,
    judged: Time,
    outside: Outside,
    rate: Rate,
    /// Demands outside borrowings, and demands, integrated while a connection was surely idle.
    idle_outside: f64,
    idle_demands: f64,
    told: bool,
    unreadable: f64,
    /// How long each pool had a surely idle connection.
    idle: Time,
    /// Since when some wait, by what is shown.
    waiting: BTreeMap<PoolRef, Time>,
    sums: BTreeMap<PoolRef, Sums>,
}

impl Gauge {
    /// A demand came whose like usually borrow after so many nanoseconds.
    pub fn expect(&mut self, before: f64, at: Time) {
        self.outside.ask(before, at);
    }

    /// A demand came.
    pub fn asked(&mut self, at: Time, readable: bool) {
        self.told = true;
        self.rate.see(at);
        follow(&mut self.unreadable, !readable);
    }

    /// How long each pool of the process has had a surely idle connection until now.
    pub const fn idle(&self) -> Time {
        self.idle
    }

    /// Demands were counted.
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// Most demands have no readable route.
    pub fn is_blind(&self) -> bool {
        self.unreadable > 0.5
    }

    /// A borrower of this pool waited so long.
    pub fn add(&mut self, pool: PoolRef, waited: Time) {
        self.sums.entry(pool).or_default().pending += waited as f64;
    }

    /// Request-nanoseconds of waiting since the last call.
    pub fn take_pending(&mut self, pool: PoolRef) -> Time {
        let Some(sums) = self.sums.get_mut(&pool) else { return 0 };
        let new = (sums.pending - sums.told).max(0.0);
        sums.told += new;
        nanoseconds(new)
    }

    /// Connection-nanoseconds since the last call that were lent although nothing on the wire said so.
    pub fn take_silent(&mut self, pool: PoolRef) -> Time {
        self.sums.get_mut(&pool).map_or(0, |sums| std::mem::take(&mut sums.silent))
    }

    /// What [`Gauge::level`] has become since the last event: those on their way arrive.
    fn level_at(&self, at: Time) -> f64 {
        if self.is_blind() { self.level } else { self.level + self.outside.at(self.at) - self.outside.at(at) }
    }

    /// The mean of that.
    fn level_between(&self, from: Time, to: Time) -> f64 {
        if self.is_blind() {
            return self.level;
        }
        self.level + self.outside.at(from) - self.outside.between(from, to)
    }

    /// Since when some wait without a break.
    pub fn waiting_since(&self, pool: PoolRef) -> Option<Time> {
        self.waiting.get(&pool).copied()
    }

    /// When no connection was surely idle last.
    pub fn saturated(&self, pool: PoolRef) -> Option<Time> {
        self.sums.get(&pool)?.saturated
    }

    /// A pool is gone.
    pub fn end(&mut self, pool: PoolRef) {
        self.sums.remove(&pool);
        self.waiting.remove(&pool);
    }
}

impl Waits {
    /// Sums up to `at`: what holds now has held since the last event.
    pub fn advance(&mut self, at: Time) {
        while let Some((when, socket)) = self.lendings.values().filter_map(Lending::next_returned).min()
            && when <= at
        {
            self.sum(when);
            let answered = self.lent.get(&socket).map_or(when, |lent| lent.since);
            self.place(socket, State::Idle, answered.saturating_add(RETURNED));
        }
        self.sum(at);
    }

    fn sum(&mut self, at: Time) {
        let from = self.gauge.at;
        if at <= from {
            return;
        }
        let saturated = self.saturated(from);
        for (pool, lending) in &self.lendings {
            let idle = lending.idle_from();
            let until = idle.map_or(at, |idle| idle.clamp(from, at));
            let is_saturated = lending.is_saturated(from);
            // Better evidence adds each wait as it ends.
            let counts = is_saturated && !self.is_exact(*pool);
            // The mean is dear, and most moments have none.
            let level = if counts { self.gauge.level_between(from, until) } else { 0.0 };
            let level = level / f64::from(saturated.max(1));
            let lasted = (until - from) as f64;
            let given = if self.shows_given() { given(lending, level) * lasted } else { 0.0 };
            let sums = self.gauge.sums.entry(*pool).or_default();
            sums.silent += u64::from(lending.silent()) * (at - from) + nanoseconds(given);
            if is_saturated {
                sums.saturated = Some(until);
            }
            if counts {
                sums.pending += level * lasted;
            }
            if idle.is_some_and(|idle| idle <= at) {
                self.gauge.waiting.remove(pool);
            }
        }
        self.gauge.idle += at - self.idle_from().unwrap_or(at).clamp(from, at);
        if saturated == 0 && !self.lendings.is_empty() {
            self.borrowers.relax();
            let lent = self.lent_now();
            let gauge = &mut self.gauge;
            let lasted = (at - from) as f64;
            let outside = (self.demands.count() as f64 - lent).max(0.0);
            gauge.idle_outside = gauge.idle_outside * FADES + outside * lasted;
            gauge.idle_demands = gauge.idle_demands * FADES + gauge.rate.at(at) * lasted;
        }
        self.gauge.at = at;
    }

    /// Since when each pool that has connections has an idle one; `None` = some pool has none, or none has connections.
    fn idle_from(&self) -> Option<Time> {
        let pools = self.lendings.values().filter(|lending| lending.count() > 0);
        pools.map(Lending::idle_from).try_fold(None, |latest, from| Some(latest.max(Some(from?))))?
    }

    /// No more connections are held than there are demands: of those whose return is not proven, the ones that were
    /// answered longest ago were returned.
    fn settle(&mut self) {
        let held = |waits: &Self| {
            let perhaps: usize = waits.lendings.values().map(Lending::perhaps).sum();
            let lent: u32 = waits.lendings.values().map(Lending::lent).sum();
            perhaps > 0 && lent as usize > waits.demands.count()
        };
        while held(self) {
            let oldest = self.lendings.values().filter_map(Lending::oldest_perhaps).min();
            let Some((answered, socket)) = oldest else { return };
            if let Some(lent) = self.lent.get_mut(&socket) {
                lent.borrowed = false;
            }
            self.place(socket, State::Idle, answered);
        }
    }

    /// Counts anew after something happened at `at`.
    pub fn weigh(&mut self, at: Time) {
        self.settle();
        if at.saturating_sub(self.gauge.judged) > JUDGED {
            self.forget_astray(at);
            self.routes.judge(self.serves_by_threads());
            self.gauge.outside.learn(self.routes.outside(at), at);
            self.gauge.judged = at;
        }
        let (open, outside) = if self.gauge.is_blind() {
            let gauge = &self.gauge;
            let known = gauge.idle_demands > OUTSIDE_KNOWN;
            let each = if known { gauge.idle_outside / gauge.idle_demands } else { 0.0 };
            (self.demands.count() as f64, gauge.rate.at(at) * each)
        } else {
            (f64::from(self.routes.open()), self.gauge.outside.at(at))
        };
        self.gauge.level = open - self.lent_now() - outside;
        // More wait than can be outside by chance: then a connection that was idle for moments is one that is handed
        // over. An open demand is seen; that a connection was given back is inferred.
        let crowded = self.gauge.level > CROWD + 2.0 * outside.max(0.0).sqrt();
        for lending in self.lendings.values_mut() {
            lending.crowded = crowded;
        }
        self.wait_early(at);
        self.note_waiting(at);
    }

    fn note_waiting(&mut self, at: Time) {
        let mut waiting = std::mem::take(&mut self.gauge.waiting);
        for pool in self.lendings.keys() {
            if self.waiting_now(*pool, at) > 0.0 {
                waiting.entry(*pool).or_insert(at);
            } else {
                waiting.remove(pool);
            }
        }
        self.gauge.waiting = waiting;
    }

    /// Requests of a pool that wait at `at`, whole ones.
    pub fn waiting_now(&self, pool: PoolRef, at: Time) -> f64 {
        if self.borrowers.knows(pool) {
            return self.asking(pool);
        }
        if self.queue.is_pooler() {
            return self.share(pool, self.queue.count() as f64);
        }
        if self.counts_sleepers() {
            return self.share(pool, f64::from(self.parkings.asleep)).round();
        }
        let Some(lending) = self.lendings.get(&pool) else { return 0.0 };
        let queued = self.queued(lending, at);
        (queued - given(lending, queued)).max(0.0).round()
    }

    /// Demands that ask for a connection of this pool and have sent nothing through one.
    pub(super) fn queued(&self, lending: &Lending, at: Time) -> f64 {
        if !lending.is_saturated(at) {
            return 0.0;
        }
        self.gauge.level_at(at) / f64::from(self.saturated(at).max(1))
    }

    /// Better evidence than open demands says how many wait for it.
    pub(super) fn is_exact(&self, pool: PoolRef) -> bool {
        self.queue.is_pooler() || self.counts_sleepers() || self.borrowers.knows(pool)
    }

    /// Its threads serve a demand each, and their sleeps are told.
    pub(super) fn watches_threads(&self) -> bool {
        self.parkings.is_watched() && self.serves_by_threads()
    }

    /// How many sleep says how many wait.
    pub(super) fn counts_sleepers(&self) -> bool {
        self.watches_threads() && self.parkings.are_told_apart()
    }

    /// What belongs to the process belongs to its largest pool.
    fn share(&self, pool: PoolRef, all: f64) -> f64 {
        if self.largest() == Some(pool) { all } else { 0.0 }
    }

    /// The pool with most connections.
    pub(super) fn largest(&self) -> Option<PoolRef> {
        self.largest_of(|_| true)
    }

    /// Of some pools, the one with most connections.
    pub(super) fn largest_of(&self, some: impl Fn(&Lending) -> bool) -> Option<PoolRef> {
        let count = |(pool, lending): &(&PoolRef, &Lending)| (lending.most, std::cmp::Reverse(**pool));
        self.lendings.iter().filter(|(_, lending)| some(lending)).max_by_key(count).map(|(pool, _)| *pool)
    }

    /// Pools of which no connection is surely idle.
    pub(super) fn saturated(&self, at: Time) -> u32 {
        let saturated = self.lendings.values().filter(|lending| lending.is_saturated(at)).count();
        u32::try_from(saturated).unwrap_or(u32::MAX)
    }

    fn lent_now(&self) -> f64 {
        self.lendings.values().map(|lending| f64::from(lending.lent().min(lending.most))).sum()
    }
}
