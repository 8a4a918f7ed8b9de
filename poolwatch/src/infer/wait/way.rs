//! How long one waited of which is known when its demand came and when it had a connection.
//!
//! Between the two lie its way to the pool and its wait. The way is a fixed time and another that is exponentially distributed;
//! the wait no longer than the pool was full, and within what its neighbours in the queue say. What is told is the mean of
//! what it may have been.

use super::{lent::ExchangeRef, nanoseconds};
use crate::event::Time;

/// So many times what varies above the mean is beyond chance: it was waited, whatever seemed idle for a while.
const CHANCE: f64 = 12.0;
/// So many times what varies after the quickest, nearly all have come to the pool.
const NEARLY_ALL: f64 = 5.0;
/// In so small a part of what varies each wait is as likely.
const EVEN: f64 = 1e-3;
/// What the newest estimate weighs.
const NEWEST: f64 = 0.005;

/// A route's way from its demand to the pool, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// That of the quickest.
    pub fixed: f64,
    /// How much longer it is on average.
    pub varies: f64,
}

/// A borrower: when it had its connection, and when it joined the queue at the earliest and at the latest.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    /// First byte sent on its connection.
    pub begun: Time,
    /// At the earliest.
    pub from: Time,
    /// At the latest.
    pub to: Time,
}

/// What one waited, as far as it can be told, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean of what it may have been.
    pub mean: f64,
    /// The standard deviation of that.
    pub doubt: f64,
}

/// How doubtful the newest estimates are.
#[derive(Debug, Default)]
pub struct Doubts {
    /// Their doubt and what they say, in nanoseconds: newer ones weigh more.
    doubt: f64,
    waited: f64,
}

impl Doubts {
    /// One more.
    pub fn see(&mut self, estimate: Estimate) {
        self.doubt += NEWEST * (estimate.doubt - self.doubt);
        self.waited += NEWEST * (estimate.mean - self.waited);
    }

    /// Their doubt as a share of what they say; of what is shorter than `short`, of that.
    pub fn share(&self, short: f64) -> f64 {
        self.doubt / self.waited.max(short)
    }
}

/// Where a wait lies, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Within {
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
}

impl Within {
    /// Nothing is known.
    pub const ANY: Self = Self { least: 0.0, most: f64::INFINITY };
}

impl Way {
    /// When one joined the queue whose exchange began so many nanoseconds after its demand.
    pub fn joined(self, begun: Time, before: f64) -> Joined {
        let after = |way: f64| begun.saturating_sub(nanoseconds(before - way));
        Joined { begun, from: after(self.fixed), to: after(self.fixed + NEARLY_ALL * self.varies) }
    }

    /// What it waited, `neighbours` being what those say that were served before and after it.
    pub fn waited(self, exchange: &ExchangeRef, before: f64, neighbours: Within) -> Estimate {
        let since = |at: Time| exchange.begun.saturating_sub(at) as f64;
        let left = before - self.fixed;
        let most = left.min(since(exchange.full.surely)).max(0.0);
        if left - self.varies > CHANCE * self.varies {
            return self.estimate(Within { least: 0.0, most });
        }
        let most = most.min(since(exchange.full.since));
        let bounded = Within { least: neighbours.least, most: most.min(neighbours.most) };
        let contradicted = bounded.least > bounded.most;
        self.estimate(if contradicted { Within { least: 0.0, most } } else { bounded })
    }

    /// The longer the wait, the shorter the way: each wait is as likely as its way is.
    fn estimate(self, within: Within) -> Estimate {
        let room = within.most - within.least;
        let times = room / self.varies.max(1.0);
        if times < EVEN {
            return Estimate { mean: within.least + room / 2.0, doubt: room / 12_f64.sqrt() };
        }
        let rest = (-times).exp();
        let longest = 1.0 - rest;
        let variance = 1.0 - times * times * rest / (longest * longest);
        let mean = within.least + room / longest - self.varies;
        Estimate { mean, doubt: self.varies * variance.max(0.0).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::SocketId, infer::wait::lending::Full};

    const MS: f64 = 1e6;
    const WAY: Way = Way { fixed: MS, varies: 4.0 * MS };

    /// Of a pool that was full for so many milliseconds, and surely for as long as it is known.
    fn waited(before: f64, full: f64, neighbours: Within) -> f64 {
        let begun = 1_000_000_000;
        let full = Full { since: begun - nanoseconds(full * MS), surely: 0 };
        let exchange = ExchangeRef { socket: SocketId(1), number: 0, begun, gated: true, full };
        WAY.waited(&exchange, before * MS, neighbours).mean / MS
    }

    #[test]
    fn a_wait_is_what_is_left_and_no_longer_than_the_pool_was_full() {
        let close = |one: f64, other: f64| assert!((one - other).abs() < 0.02, "{one} is not {other}");
        close(waited(45.0, 900.0, Within::ANY), 40.0);
        close(waited(65.0, 0.0, Within::ANY), 60.0);
        close(waited(14.0, 0.1, Within::ANY), 0.05);
        assert!(waited(14.0, 2.0, Within::ANY) < 2.0);
        close(waited(0.5, 900.0, Within::ANY), 0.0);
        let neighbours = Within { least: 6.0 * MS, most: 6.1 * MS };
        close(waited(14.0, 900.0, neighbours), 6.05);
        close(waited(14.0, 0.0, neighbours), 0.0);
    }

    #[test]
    fn doubt_is_told_against_what_was_waited() {
        let mut doubts = Doubts::default();
        assert!(doubts.share(MS) < 1e-9);
        (0..2000).for_each(|_| doubts.see(Estimate { mean: 4.0 * MS, doubt: MS }));
        assert!((doubts.share(MS) - 0.25).abs() < 0.01);
        assert!((doubts.share(10.0 * MS) - 0.1).abs() < 0.01, "short waits");
    }

    #[test]
    fn where_nothing_varies_the_rest_is_the_wait() {
        let way = Way { fixed: MS, varies: 0.0 };
        let within = Within { least: 0.0, most: 2.0 * MS };
        let told = way.estimate(within);
        assert!((told.mean - 2.0 * MS).abs() < 1.0 && told.doubt < 1.0, "{told:?}");
        let joined = way.joined(10_000_000, 3.0 * MS);
        assert_eq!((joined.from, joined.to), (8_000_000, 8_000_000));
        let quick = way.joined(10_000_000, 0.5 * MS);
        assert_eq!(quick.from, 10_000_000, "not after it had its connection");
    }
}
