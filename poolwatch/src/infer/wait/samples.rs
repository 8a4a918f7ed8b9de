//! The newest durations of one kind, and their mean without the longest few.

use std::collections::VecDeque;

/// How many are kept.
const KEPT: usize = 128;
/// Of so many the longest is left out.
const LONGEST: usize = 50;

/// Durations in nanoseconds; one below zero is a measurement's noise.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    newest: VecDeque<f64>,
    mean: f64,
    deviation: f64,
    stale: bool,
}

impl Samples {
    /// One more.
    pub fn add(&mut self, duration: f64) {
        if self.newest.len() >= KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(duration);
        self.stale = true;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.newest.len()
    }

    /// Trimmed mean, 0 without samples.
    pub fn mean(&mut self) -> f64 {
        self.refresh();
        self.mean
    }

    /// Standard deviation without the longest few, 0 without samples.
    pub fn deviation(&mut self) -> f64 {
        self.refresh();
        self.deviation
    }

    fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let mut sorted: Vec<f64> = self.newest.iter().map(|duration| duration.max(0.0)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let kept = (sorted.len() - sorted.len() / LONGEST).max(1);
        self.mean = sorted.iter().take(kept).sum::<f64>() / kept as f64;
        let mean = self.mean;
        let square = |value: &f64| (value - mean) * (value - mean);
        self.deviation = (sorted.iter().take(kept).map(square).sum::<f64>() / kept as f64).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_do_not_shift_the_mean() {
        let mut samples = Samples::default();
        for _ in 0..99 {
            samples.add(1000.0);
        }
        samples.add(1e9);
        assert!((samples.mean() - 1000.0).abs() < 1e-9);
        assert!(samples.deviation() < 1.0);
    }

    #[test]
    fn only_the_newest_count() {
        let mut samples = Samples::default();
        (0..KEPT).for_each(|_| samples.add(-5.0));
        assert_eq!((samples.count(), samples.mean()), (KEPT, 0.0));
        (0..KEPT).for_each(|_| samples.add(7.0));
        assert_eq!((samples.count(), samples.mean(), samples.deviation()), (KEPT, 7.0, 0.0));
    }
}
