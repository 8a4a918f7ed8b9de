//! How many demands are usually outside their borrowing: on their way to the pool, or done with it and not yet answered.
//!
//! By Little's law that is how often they come, times how long each is outside. How many are on their way depends on
//! those that came just now: a crowd that came at once has not reached the pool yet. One time constant stands for the
//! routes that count, so that an event costs the same however many there are.

use crate::event::Time;

/// The least time constant in nanoseconds: what is shorter makes no difference to a count.
const LEAST: f64 = 100_000.0;

/// What is known of routes that borrow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Demands between their borrowing and their response, on average.
    pub after: f64,
    /// Time from a demand to its borrowing in nanoseconds, each weighed by what it contributes.
    pub before: f64,
}

/// Demands of one process outside their borrowing.
#[derive(Debug, Default)]
pub struct Outside {
    after: f64,
    /// On their way at `since`.
    coming: f64,
    since: Time,
    constant: f64,
}

impl Outside {
    /// What is usual was learned anew.
    pub fn learn(&mut self, usual: Usual, at: Time) {
        let constant = usual.before.max(LEAST);
        // Each has as long to go, all in all, as before.
        self.coming = self.coming_at(at) * if self.constant > 0.0 { self.constant / constant } else { 0.0 };
        (self.after, self.since, self.constant) = (usual.after, at, constant);
    }

    /// A demand came whose like usually borrow after so many nanoseconds.
    pub fn ask(&mut self, before: f64, at: Time) {
        if self.constant > 0.0 {
            self.coming = self.coming_at(at) + before / self.constant;
            self.since = at;
        }
    }

    /// How many are outside.
    pub fn at(&self, at: Time) -> f64 {
        self.after + self.coming_at(at)
    }

    /// The mean of that from one moment to a later one.
    pub fn between(&self, from: Time, to: Time) -> f64 {
        let lasted = to.saturating_sub(from) as f64;
        if lasted <= 0.0 || self.constant <= 0.0 {
            return self.at(from);
        }
        let share = self.constant / lasted * (1.0 - (-lasted / self.constant).exp());
        self.after + self.coming_at(from) * share
    }

    fn coming_at(&self, at: Time) -> f64 {
        if self.constant <= 0.0 || self.coming <= 0.0 {
            return 0.0;
        }
        self.coming * (-(at.saturating_sub(self.since) as f64) / self.constant).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Time = 1_000_000;

    fn outside(before: f64) -> Outside {
        let mut outside = Outside::default();
        outside.learn(Usual { after: 0.5, before }, 0);
        outside
    }

    #[test]
    fn a_crowd_is_on_its_way_at_first_and_then_at_the_pool() {
        let mut outside = outside(6e6);
        for _ in 0..10 {
            outside.ask(6e6, MS);
        }
        assert!((outside.at(MS) - 10.5).abs() < 1e-9);
        assert!((outside.at(61 * MS) - 0.5).abs() < 0.01);
    }

    #[test]
    fn one_by_one_it_is_littles_law() {
        let mut outside = outside(6e6);
        let mut sum = 0.0;
        for n in 0..1000 {
            let at = n * 10 * MS;
            outside.ask(6e6, at);
            sum += outside.between(at, at + 10 * MS);
        }
        assert!((sum / 1000.0 - 0.5 - 0.6).abs() < 0.01, "{sum}");
    }

    #[test]
    fn those_of_several_routes_have_their_own_time_to_go() {
        let mut outside = outside(6e6);
        outside.ask(3e6, 0);
        assert!((outside.between(0, 100 * MS) - 0.5 - 0.03).abs() < 1e-6);
        outside.learn(Usual { after: 0.5, before: 12e6 }, 0);
        assert!((outside.between(0, 200 * MS) - 0.5 - 0.015).abs() < 1e-6);
    }
}
