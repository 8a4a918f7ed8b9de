//! What one pool is told of its waits: how many wait, how long they waited, on what evidence.

use super::{
    super::{
        pools::PoolRef,
        snapshot::{Inferred, Waits as Shown},
    },
    Tally, Waits,
    confidence::Method,
    lending::CROWDED,
};
use crate::event::Time;

/// What is known of one pool's waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// Requests that wait.
    pub pending: Option<Inferred>,
    /// Since when some request has been waiting without a break.
    pub since: Option<Time>,
    /// Waits of the last 60 s.
    pub waits: Option<Shown>,
}

/// Time that was not told yet, in nanoseconds of one request or connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elapsed {
    /// Requests waited.
    pub pending: Time,
    /// Connections were lent although nothing on the wire said so.
    pub silent: Time,
}

impl Elapsed {
    /// More of it.
    pub const fn add(&mut self, more: Self) {
        self.pending = self.pending.saturating_add(more.pending);
        self.silent = self.silent.saturating_add(more.silent);
    }
}

impl Waiting {
    /// What follows from the connections alone, some having been idle without a break: nobody waits at `at`. One that
    /// is idle for moments is handed over.
    pub fn by_logic(idle_since: Option<Time>, at: Time) -> Self {
        let nobody =
            Inferred { value: 0.0, evidence: Method::Nothing.as_str(), confidence: Method::Nothing.trust() };
        let idle = idle_since.is_some_and(|since| since.saturating_add(CROWDED) <= at);
        Self { pending: idle.then_some(nobody), ..Self::default() }
    }
}

impl Waiting {
    /// The same, where all that is seen of the connections is who speaks. What a probe in the library says, or both
    /// sides of a pooler, or logic, does not rest on that.
    pub fn by_turns(self) -> Self {
        let rests = |evidence: &str| {
            ![Method::Uprobe, Method::Pooler, Method::Nothing]
                .iter()
                .any(|method| method.as_str() == evidence)
        };
        let (turns, trust) = (Method::Turns.as_str(), Method::Turns.trust());
        let pending = self.pending.map(|pending| {
            let Inferred { value, evidence, confidence } = pending;
            let told = Inferred { value, evidence: turns, confidence: confidence * trust };
            if rests(evidence) { told } else { pending }
        });
        let waits = self.waits.map(|waits| {
            let told = Shown { evidence: turns, confidence: waits.confidence * trust, ..waits };
            if rests(waits.evidence) { told } else { waits }
        });
        Self { pending, waits, ..self }
    }
}

impl Waits {
    /// Time passed.
    pub fn tick(&mut self, at: Time) {
        self.advance(at);
        self.parkings.tick(at);
        self.forget_answered(at);
        self.weigh(at);
    }

    /// What elapsed since the last call.
    pub fn take_elapsed(&mut self, pool: PoolRef) -> Elapsed {
        Elapsed { pending: self.gauge.take_pending(pool), silent: self.gauge.take_silent(pool) }
    }

    /// Demands of routes that borrow, served since the last call: told of the largest pool.
    pub fn take_served(&mut self, pool: PoolRef) -> u64 {
        if self.largest() == Some(pool) { std::mem::take(&mut self.served) } else { 0 }
    }

    /// When some pool was saturated last.
    pub fn saturated_at(&self) -> Option<Time> {
        self.lendings.keys().filter_map(|pool| self.gauge.saturated(*pool)).max()
    }

    /// Something is seen of who waits for a pool. Where no demand can be counted nobody is seen to wait, and that says nothing.
    pub fn sees(&self, pool: PoolRef) -> bool {
        self.gauge.is_told() || self.borrowers.knows(pool)
    }

    /// What the pool is told at `at`, its waits of the last minute being in `tally`.
    pub fn waiting(&mut self, pool: PoolRef, tally: &Tally, at: Time) -> Waiting {
        let (mean, agreement) = (tally.mean_of_queued(at), tally.sums(at).agreement());
        let value = self.waiting_now(pool, at);
        let never = self.gauge.saturated(pool).is_none() && value == 0.0;
        let method = if never { Method::Nothing } else { self.method_of_pending(pool) };
        let confidence = self.confidence_of_pending(method, mean, agreement);
        let pending = Inferred { value, evidence: method.as_str(), confidence };
        let of_waits = self.method_of_waits(pool);
        let trust = self.confidence(of_waits, mean, agreement);
        Waiting {
            pending: Some(pending),
            since: self.gauge.waiting_since(pool),
            waits: tally.shown(at, of_waits.as_str(), trust),
        }
    }
}
