//! Two estimates of one thing, made of different evidence: the integral of those that wait, and the waits of those
//! that were served.
//!
//! In come both sums of the last minute; out goes how far they agree. A wait that could not be told leaves the
//! histogram with fewer borrowers than the integral, and a demand of a route that borrows may have needed no
//! connection: the waits that were told stand for at least themselves, and at most for all demands that were
//! served. What both numbers of borrowers allow is no disagreement.

use crate::event::SECOND;

/// Disagreement that says nothing.
const ALLOWED: f64 = 0.15;
/// A difference is never a larger share than it is of this wait.
const SHORT: f64 = SECOND as f64 / 1000.0;
/// Waits before which their mean says nothing.
const ENOUGH: u64 = 20;

/// Sums over one stretch of time. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The integral of those that wait.
    pub pending: f64,
    /// Demands of routes that borrow that were served.
    pub served: u64,
    /// Waits that were told, and all of these together.
    pub count: u64,
    pub waited: f64,
    /// Borrowers that gave up, and how long these waited.
    pub gave_up: u64,
    pub forgone: f64,
}

impl Sums {
    /// More of it.
    pub fn add(&mut self, more: &Self) {
        self.pending += more.pending;
        self.served += more.served;
        self.count += more.count;
        self.waited += more.waited;
        self.gave_up += more.gave_up;
        self.forgone += more.forgone;
    }

    /// 1 where the two differ by no more than 15 % of the larger one; what they differ by beyond that is taken off.
    pub fn agreement(&self) -> f64 {
        if self.count < ENOUGH {
            return 1.0;
        }
        let mean = self.waited / self.count as f64;
        let got = self.served.saturating_sub(self.gave_up).max(self.count);
        let of = |borrowers: u64| mean * borrowers as f64 + self.forgone;
        let (one, other) = (of(self.count), of(got));
        let nearest = self.pending.clamp(one.min(other), one.max(other));
        let short = SHORT * (got + self.gave_up) as f64;
        let off = (self.pending - nearest).abs() / self.pending.max(nearest).max(short);
        1.0 - (off - ALLOWED).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a hundred waits of 10 ms.
    fn agreement(pending: f64, served: u64) -> f64 {
        let ms = SECOND as f64 / 1000.0;
        Sums { pending: pending * ms, served, count: 100, waited: 1000.0 * ms, ..Sums::default() }.agreement()
    }

    fn is(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn beyond_fifteen_per_cent_confidence_falls_with_the_difference() {
        for (pending, expected) in [(1000.0, 1.0), (1170.0, 1.0), (850.0, 1.0), (2000.0, 0.65), (500.0, 0.65)]
        {
            assert!(is(agreement(pending, 100), expected), "{pending}: {}", agreement(pending, 100));
        }
        assert!(is(agreement(0.0, 100), 0.15));
        assert!(agreement(1e9, 100) > 0.15);
    }

    #[test]
    fn waits_that_were_not_told_may_have_been() {
        assert!(is(agreement(1400.0, 140), 1.0) && is(agreement(1000.0, 140), 1.0));
        assert!(is(agreement(2800.0, 140), 0.65));
    }

    #[test]
    fn who_gave_up_waited_too() {
        let sums = Sums { pending: 3e9, served: 120, count: 100, waited: 1e9, gave_up: 20, forgone: 2e9 };
        assert!(is(sums.agreement(), 1.0));
        assert!(sums.agreement() > Sums { forgone: 0.0, ..sums }.agreement());
    }

    #[test]
    fn short_waits_and_few_do_not_disagree() {
        let short = Sums { pending: 9e6, served: 100, count: 100, waited: 1e5, ..Sums::default() };
        assert!(is(short.agreement(), 1.0));
        let few = Sums { pending: 9e9, served: 19, count: 19, waited: 1e9, ..Sums::default() };
        assert!(is(few.agreement(), 1.0));
        assert!(is(Sums::default().agreement(), 1.0));
    }
}
