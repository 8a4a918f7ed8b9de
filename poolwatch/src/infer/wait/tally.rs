//! Waits of the last minute: mean, 95th percentile and longest, from slices of ten seconds.
//!
//! A slice counts waits in classes that grow by the eighth root of two, from 0.1 ms to 100 s: a percentile is
//! exact to 5 %. The sum keeps what is below zero.

use super::{
    super::{snapshot::Waits as Shown, window::WINDOW},
    agreement::Sums,
    nanoseconds,
};
use crate::event::{SECOND, Time};

const SLICE: Time = 10 * SECOND;
const SLICES: usize = (WINDOW * SECOND / SLICE) as usize + 1;
/// Waits below are one class.
const LEAST: f64 = 100_000.0;
const PER_OCTAVE: f64 = 8.0;
const CLASSES: usize = 162;
/// The 95th percentile: one of twenty is longer.
const OF: u64 = 20;

#[derive(Clone, Debug)]
struct Slice {
    number: Time,
    sums: Sums,
    /// Those that had to queue: none was idle.
    queued: u64,
    longest: f64,
    classes: Box<[u32; CLASSES]>,
}

/// Waits of one pool.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    slices: Vec<Slice>,
    /// What noise made too much of waits that were told, in nanoseconds.
    owed: f64,
}

impl Tally {
    /// One more, in nanoseconds.
    pub fn add(&mut self, at: Time, took: f64) {
        let Some(slice) = self.slice(at) else { return };
        slice.sums.count += 1;
        slice.sums.waited += took;
        slice.queued += u64::from(took.abs() > 0.0);
        slice.longest = slice.longest.max(took);
        if let Some(class) = slice.classes.get_mut(class(took)) {
            *class += 1;
        }
    }

    /// So many request-nanoseconds of waiting passed, and so many demands of routes that borrow were served.
    pub fn elapse(&mut self, at: Time, pending: Time, served: u64) {
        if pending == 0 && served == 0 {
            return;
        }
        let Some(slice) = self.slice(at) else { return };
        slice.sums.pending += pending as f64;
        slice.sums.served += served;
    }

    /// A borrower gave up after so many nanoseconds.
    pub fn give_up(&mut self, at: Time, took: f64) {
        let Some(slice) = self.slice(at) else { return };
        slice.sums.gave_up += 1;
        slice.sums.forgone += took;
    }

    /// The slice of a moment, or of a later one.
    fn slice(&mut self, at: Time) -> Option<&mut Slice> {
        let number = at / SLICE;
        if self.slices.last().is_none_or(|slice| slice.number < number) {
            let classes = Box::new([0; CLASSES]);
            self.slices.push(Slice { number, sums: Sums::default(), queued: 0, longest: 0.0, classes });
            if self.slices.len() > SLICES {
                self.slices.remove(0);
            }
        }
        self.slices.last_mut()
    }

    /// A wait as it is told: what came out below zero is taken from the next ones, so that the sum stays true.
    pub fn whole(&mut self, took: f64) -> Time {
        let due = took + self.owed;
        self.owed = due.min(0.0);
        nanoseconds(due)
    }

    /// Waits of the last minute before `now`; `None` when there were none.
    pub fn shown(&self, now: Time, evidence: &'static str, confidence: f64) -> Option<Shown> {
        let Sums { count, waited, .. } = self.sums(now);
        if count == 0 {
            return None;
        }
        let longest = self.newest(now).map(|slice| slice.longest).fold(0.0, f64::max);
        let seconds = |nanoseconds: f64| nanoseconds.max(0.0) / SECOND as f64;
        Some(Shown {
            mean: seconds(waited / count as f64),
            p95: seconds(self.percentile(now, count).min(longest)),
            max: seconds(longest),
            evidence,
            confidence,
        })
    }

    /// Mean wait of those of the last minute that had to queue, 0 without any. Only their waits are estimates: an idle
    /// connection costs no time.
    pub fn mean_of_queued(&self, now: Time) -> f64 {
        let queued: u64 = self.newest(now).map(|slice| slice.queued).sum();
        if queued == 0 { 0.0 } else { self.sums(now).waited / queued as f64 }
    }

    /// Sums of the last minute.
    pub fn sums(&self, now: Time) -> Sums {
        self.newest(now).fold(Sums::default(), |mut all, slice| {
            all.add(&slice.sums);
            all
        })
    }

    fn newest(&self, now: Time) -> impl Iterator<Item = &Slice> {
        let first = (now / SLICE).saturating_sub(SLICES as Time - 1);
        self.slices.iter().filter(move |slice| slice.number >= first)
    }

    /// The one that at most one of [`OF`] exceeds.
    fn percentile(&self, now: Time, count: u64) -> f64 {
        let rank = count - count / OF;
        let mut before = 0;
        for class in 0..CLASSES {
            let here: u64 = self
                .newest(now)
                .filter_map(|slice| slice.classes.get(class))
                .map(|count| u64::from(*count))
                .sum();
            before += here;
            if before >= rank {
                return middle(class);
            }
        }
        middle(CLASSES - 1)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of at most 161"
)]
fn class(took: f64) -> usize {
    if took < LEAST {
        return 0;
    }
    (((took / LEAST).log2() * PER_OCTAVE) as usize + 1).min(CLASSES - 1)
}

fn middle(class: usize) -> f64 {
    if class == 0 { 0.0 } else { LEAST * ((class as f64 - 0.5) / PER_OCTAVE).exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_exact_to_five_percent() {
        let mut tally = Tally::default();
        for n in 1..=1000 {
            tally.add(SECOND, f64::from(n) * 1e6);
        }
        let shown = tally.shown(2 * SECOND, "uprobe", 1.0).unwrap();
        assert!((shown.p95 / 0.950 - 1.0).abs() < 0.05, "{}", shown.p95);
        assert!((shown.mean - 0.5005).abs() < 1e-6 && (shown.max - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_noise_made_too_much_is_taken_from_the_next() {
        let mut tally = Tally::default();
        assert_eq!([5.0, -3.0, 2.0, 4.0].map(|took| tally.whole(took)), [5, 0, 0, 3]);
    }

    #[test]
    fn a_minute_later_nothing_is_left() {
        let mut tally = Tally::default();
        tally.add(5 * SECOND, 1e6);
        assert!(tally.shown(69 * SECOND, "uprobe", 1.0).is_some());
        assert_eq!(tally.shown(70 * SECOND, "uprobe", 1.0), None);
    }

    #[test]
    fn what_is_below_zero_counts_in_the_mean() {
        let mut tally = Tally::default();
        tally.add(0, -2e6);
        tally.add(0, 4e6);
        tally.add(0, 0.0);
        assert!((tally.mean_of_queued(1) - 1e6).abs() < 1e-9);
        let shown = tally.shown(1, "causal", 1.0).unwrap();
        assert!((shown.mean - 2e-3 / 3.0).abs() < 1e-9);
    }
}
