//! How far to trust what is inferred: each method's own measured accuracy, less what this process makes uncertain.

use super::{super::pools::PoolRef, Waits};

/// Methods, best first (contract §3), and how far each is trusted at its best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A probe in the pool's library.
    Uprobe,
    /// Both sides of a pooler.
    Pooler,
    /// Threads that sleep and are woken.
    Futex,
    /// Causes and effects of one turn.
    Causal,
    /// Open demands, by route.
    Demand,
    /// Open demands of unknown routes.
    DemandBlind,
    /// Any of these four, of connections of which nothing but turns is seen.
    Turns,
    /// Never saturated: nobody waits.
    Nothing,
}

impl Method {
    /// The value of the label `evidence`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uprobe => "uprobe",
            Self::Pooler => "pooler",
            Self::Futex => "futex",
            Self::Causal => "causal",
            Self::Demand => "demand",
            Self::DemandBlind => "demand_blind",
            Self::Turns => "turns",
            Self::Nothing => "none",
        }
    }

    /// How far it is trusted at its best.
    pub const fn trust(self) -> f64 {
        match self {
            Self::Uprobe | Self::Pooler | Self::Nothing => 0.99,
            Self::Futex => 0.97,
            Self::Turns => 0.95,
            Self::Causal => 0.9,
            Self::Demand => 0.8,
            Self::DemandBlind => 0.6,
        }
    }
}

/// Share of the trust that a lost share of the records costs: of what is left when one in twenty is lost, waits are off
/// by a quarter.
const LOST: f64 = 10.0;
/// Share of demands that cannot be counted, from which what is told of the others is trusted half: each of them may
/// stand for many.
const UNCOUNTED: f64 = 0.05;
/// Share of demands of which the borrowing is recognised where nothing stands in the way.
const MOST: f64 = 0.7;
/// How doubtful the waits may be, as a share of them, that half of the trust is left.
const DOUBTFUL: f64 = 0.18;
/// Share of the waits that threads spent on going on, from which half of the trust is left.
const DELAYED: f64 = 0.08;
/// Mean wait below which its share in the uncertainty is that of this, in nanoseconds.
const SHORT: f64 = 1_000_000.0;

impl Waits {
    /// The method that speaks of pending requests of a pool.
    pub fn method_of_pending(&self, pool: PoolRef) -> Method {
        if self.borrowers.knows(pool) {
            Method::Uprobe
        } else if self.queue.is_pooler() {
            Method::Pooler
        } else if self.counts_sleepers() {
            Method::Futex
        } else if self.gauge.is_blind() {
            Method::DemandBlind
        } else {
            Method::Demand
        }
    }

    /// The method that speaks of waiting times of a pool.
    pub fn method_of_waits(&self, pool: PoolRef) -> Method {
        match self.method_of_pending(pool) {
            exact @ (Method::Uprobe | Method::Pooler) => exact,
            _ if self.watches_threads() => Method::Futex,
            _ => Method::Causal,
        }
    }

    /// How far to trust a method, `mean` being the mean wait of those that had to queue, in nanoseconds, and `agreement`
    /// that of the integral with the waits: where the integral is made of the waits it says nothing, nor where several pools share the demands.
    pub fn confidence(&mut self, method: Method, mean: f64, agreement: f64) -> f64 {
        let several = self.lendings.values().filter(|lending| lending.count() > 0).count() > 1;
        let shared = if several { 0.5 } else { 1.0 };
        let agreement = if several { 1.0 } else { agreement };
        let uncertain = match method {
            Method::Uprobe | Method::Pooler | Method::Turns | Method::Nothing => 1.0,
            Method::Futex => (1.0 - self.further) * (1.0 - self.further) * self.readiness(),
            Method::Causal => {
                self.routes.linked().sqrt() * self.steadiness() * self.grounds(mean) * agreement
            }
            Method::Demand => self.recognised() * self.steadiness() * self.grounds(mean) * agreement,
            Method::DemandBlind => self.steadiness() * self.grounds(mean) * agreement,
        };
        let whole = if method == Method::Nothing { 1.0 } else { 1.0 - LOST * self.loss };
        let counted = match method {
            Method::Uprobe | Method::Pooler | Method::Nothing => 1.0,
            _ if self.uncountable > UNCOUNTED => (1.0 - self.uncountable) / 2.0,
            _ => 1.0,
        };
        (method.trust() * uncertain * shared * whole * counted).clamp(0.0, 1.0)
    }

    /// How far to trust how many are said to wait, beside how long those did that were served.
    pub fn confidence_of_pending(&mut self, method: Method, mean: f64, agreement: f64) -> f64 {
        let clarity = if method == Method::Futex { self.parkings.clarity() } else { 1.0 };
        clarity * self.confidence(method, mean, agreement)
    }

    /// Close to 1 where threads that have a connection go on at once: else the library may have counted less, or more.
    fn readiness(&self) -> f64 {
        1.0 / (1.0 + self.parkings.delayed() / DELAYED)
    }

    /// Close to 1 where what was waited is bounded well: else the time before the pool varies as much as the wait, and may be
    /// taken for it.
    fn steadiness(&self) -> f64 {
        1.0 / (1.0 + (self.doubts.share(SHORT) / DOUBTFUL).powi(3))
    }

    /// 1 where the borrowings of most demands were recognised: of the others it is taken for usual when they began to wait.
    fn recognised(&self) -> f64 {
        (self.routes.linked() / MOST).min(1.0)
    }

    /// Close to 1 where the usual time before a borrowing is known well enough for waits so long.
    fn grounds(&mut self, mean: f64) -> f64 {
        self.routes.grounds(mean.max(SHORT))
    }
}
