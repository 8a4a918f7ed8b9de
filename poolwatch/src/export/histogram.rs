//! A histogram of durations with the contract's buckets.
//!
//! Nanoseconds come in; the page gets cumulative counts and a sum in seconds. Sums are integers, so
//! that the order of observations cannot change a digit.

use crate::event::Time;

/// Upper bounds of the buckets in nanoseconds, each inclusive; what is longer counts in `+Inf` alone.
pub const BOUNDS: [Time; 16] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Per bucket, not cumulative.
    counts: [u64; BOUNDS.len()],
    longer: u64,
    sum: u128,
}

impl Histogram {
    /// Counts one duration in nanoseconds.
    pub fn observe(&mut self, took: Time) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        *self.counts.get_mut(bucket).unwrap_or(&mut self.longer) += 1;
        self.sum = self.sum.saturating_add(u128::from(took));
    }

    /// Takes what another histogram counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.longer += other.longer;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.longer
    }

    /// Sum of the observations in seconds.
    pub fn seconds(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    /// Upper bound in seconds and cumulative count of each bucket but `+Inf`.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS.iter().zip(self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((*bound as f64 / 1e9, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_counts_cumulative() {
        let mut histogram = Histogram::default();
        for took in [0, 100_000, 100_001, 10_000_000_000, 10_000_000_001] {
            histogram.observe(took);
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets[0], (0.0001, 2));
        assert_eq!(buckets[1], (0.00025, 3));
        assert_eq!(buckets[15], (10.0, 4));
        assert_eq!(histogram.count(), 5);
        assert!((histogram.seconds() - 20.000_200_002).abs() < 1e-12);
    }

    #[test]
    fn two_histograms_add_up() {
        let (mut one, mut other, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for took in [1, 3_000_000, 20_000_000_000] {
            one.observe(took);
            both.observe(took);
        }
        for took in [4_000_000, 7] {
            other.observe(took);
            both.observe(took);
        }
        one.add(&other);
        assert_eq!(one, both);
    }

    #[test]
    fn bounds_read_as_the_contract_writes_them() {
        let written: Vec<_> = Histogram::default().buckets().map(|(bound, _)| bound.to_string()).collect();
        let contract = "0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10";
        assert_eq!(written.join(" "), contract);
    }
}
