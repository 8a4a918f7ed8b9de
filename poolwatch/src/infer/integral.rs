//! The time integral of used connections of one pool, exact and without a visit to each connection.
//!
//! Σ of closed stretches + now × (open stretches) − Σ of their beginnings. A short request is known only
//! when it has ended, so its time is added then; a part that was told too early (news out of order) is
//! not told again, and never taken back.

use crate::event::Time;

/// Used connections over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integral {
    closed: u128,
    open: u32,
    begins: u128,
    told: u128,
}

impl Integral {
    /// A connection is used from `at` on.
    pub fn begin(&mut self, at: Time) {
        self.open += 1;
        self.begins += u128::from(at);
    }

    /// A connection was used from `begun` to `at`; `begun` is what [`Integral::begin`] was told.
    pub fn end(&mut self, begun: Time, at: Time) {
        self.open = self.open.saturating_sub(1);
        self.begins = self.begins.saturating_sub(u128::from(begun));
        self.closed += u128::from(at.saturating_sub(begun));
    }

    /// Connection-nanoseconds since the last call.
    pub fn take(&mut self, now: Time) -> Time {
        let running = (u128::from(self.open) * u128::from(now)).saturating_sub(self.begins);
        let new = (self.closed + running).saturating_sub(self.told);
        self.told += new;
        Time::try_from(new).unwrap_or(Time::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_does_not_depend_on_when_one_asks() {
        let mut often = Integral::default();
        let mut once = often;
        let mut sum = 0;
        for integral in [&mut often, &mut once] {
            integral.begin(10);
        }
        sum += often.take(15);
        for integral in [&mut often, &mut once] {
            integral.begin(12);
            integral.end(12, 20);
        }
        sum += often.take(30);
        for integral in [&mut often, &mut once] {
            integral.end(10, 40);
        }
        sum += often.take(50);
        assert_eq!(sum, 38);
        assert_eq!(once.take(50), 38);
    }

    #[test]
    fn what_was_told_too_early_is_not_told_twice() {
        let mut integral = Integral::default();
        integral.begin(10);
        assert_eq!(integral.take(30), 20);
        integral.end(10, 20);
        assert_eq!(integral.take(31), 0);
        integral.begin(40);
        integral.end(40, 55);
        assert_eq!(integral.take(60), 5);
    }
}
