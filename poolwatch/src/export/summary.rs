//! A summary of durations without quantiles: how many, and how long together.
//!
//! Nanoseconds come in; the page gets a count and a sum in seconds. The sum is an integer, so that the order
//! of observations cannot change a digit.

use crate::event::Time;

/// Count and sum of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    count: u64,
    sum: u128,
}

impl Summary {
    /// Counts one duration in nanoseconds.
    pub fn observe(&mut self, took: Time) {
        self.count += 1;
        self.sum = self.sum.saturating_add(u128::from(took));
    }

    /// Takes what another summary counted.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Number of durations.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations in nanoseconds.
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// Sum of the durations in seconds.
    pub fn seconds(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    /// Mean duration in seconds; `None` without durations.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.seconds() / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_adds_up() {
        let mut one = Summary::default();
        assert_eq!(one.mean(), None);
        one.observe(1_500_000_000);
        one.observe(0);
        let mut both = one;
        both.add(&one);
        assert_eq!((both.count(), both.seconds(), both.mean()), (4, 3.0, Some(0.75)));
    }
}
