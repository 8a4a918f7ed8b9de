//! The newest durations of one kind, and their mean without those that cannot be of the kind.
//!
//! Durations before a borrowing are often skewed: a mean that leaves out the longest of them is too short, and what is
//! taken off a wait too little. What is left out is only what is no tail of such a distribution.

use std::collections::VecDeque;

/// How many are kept.
const KEPT: usize = 256;
/// Where more than one of so many is beyond chance, they are no strays: the time varies.
const STRAYS: usize = 4;
/// So many times the middle one is beyond chance: of exponential durations one in 4000 exceeds it. What lies there is
/// another's, however many there are.
const BEYOND: f64 = 12.0;
/// Once one in so many is new, the mean is taken anew: each time would be the dearest part of a demand.
const NOVEL: usize = 32;

/// Durations in nanoseconds; one below zero is a measurement's noise.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    newest: VecDeque<f64>,
    mean: f64,
    deviation: f64,
    /// Durations that came since.
    unseen: usize,
}

impl Samples {
    /// One more.
    pub fn add(&mut self, duration: f64) {
        if self.newest.len() >= KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(duration);
        self.unseen += 1;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.newest.len()
    }

    /// Mean, 0 without samples.
    pub fn mean(&mut self) -> f64 {
        self.refresh();
        self.mean
    }

    /// Standard deviation, 0 without samples.
    pub fn deviation(&mut self) -> f64 {
        self.refresh();
        self.deviation
    }

    fn refresh(&mut self) {
        if self.unseen * NOVEL < self.newest.len().max(1) {
            return;
        }
        self.unseen = 0;
        let mut all: Vec<f64> = self.newest.iter().map(|duration| duration.max(0.0)).collect();
        let half = all.len() / 2;
        if half >= all.len() {
            return;
        }
        let (_, middle, _) = all.select_nth_unstable_by(half, f64::total_cmp);
        let most = BEYOND * *middle;
        let kept = || all.iter().copied().filter(|duration| *duration <= most);
        self.mean = mean(kept());
        let strays = (all.len() - kept().count()) * STRAYS <= all.len();
        let most = if strays { most } else { f64::INFINITY };
        let square = |value: f64| (value - self.mean) * (value - self.mean);
        self.deviation = mean(all.iter().copied().filter(|duration| *duration <= most).map(square)).sqrt();
    }
}

/// 0 without any.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
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
    fn many_that_are_another_kind_do_not_shift_it() {
        let mut samples = Samples::default();
        for n in 0..100 {
            samples.add(if n % 5 == 0 { 3e8 } else { 2e5 });
        }
        assert!((samples.mean() - 2e5).abs() < 1e-9 && samples.deviation() < 1.0);
    }

    #[test]
    fn more_of_another_kind_are_no_strays() {
        let mut samples = Samples::default();
        for n in 0..100 {
            samples.add(if n % 3 == 0 { 3e8 } else { 2e5 });
        }
        assert!(samples.deviation() > 1e8);
    }

    #[test]
    fn the_tail_of_what_varies_belongs_to_the_mean() {
        let mut samples = Samples::default();
        for n in 0..KEPT {
            // Quantiles of an exponential distribution.
            samples.add(-((n as f64 + 0.5) / KEPT as f64).ln() * 6e6);
        }
        assert!((samples.mean() / 6e6 - 1.0).abs() < 0.01, "{}", samples.mean());
        let deviation = samples.deviation() / 6e6;
        assert!((0.75..1.0).contains(&deviation), "{deviation}");
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
