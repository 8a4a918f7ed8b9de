//! Sums over the last 60 seconds, in buckets of one second.
//!
//! In comes what is counted with its moment, answered requests with that of their end; out go sums as of a moment.
//! What is a minute older than the newest is left out. The sum of all buckets is kept: each pool is asked for it several
//! times a second, and its buckets are seldom in the processor's cache.

use crate::event::{SECOND, Time};

/// Seconds of the window.
pub const WINDOW: u64 = 60;

/// What one or many seconds saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Answered requests.
    pub requests: u64,
    /// Those whose duration is known.
    pub timed: u64,
    /// Sum of the known durations, nanoseconds.
    pub duration: u64,
    /// Longer than the threshold.
    pub slow: u64,
    /// Ended with an error.
    pub errors: u64,
}

impl Sums {
    /// Mean duration in seconds; 0 without requests.
    pub fn mean_seconds(&self) -> f64 {
        ratio(self.duration, self.timed) / SECOND as f64
    }

    /// errors / requests; 0 without requests.
    pub fn error_ratio(&self) -> f64 {
        ratio(self.errors, self.requests)
    }

    /// slow / timed requests; 0 without requests.
    pub fn slow_ratio(&self) -> f64 {
        ratio(self.slow, self.timed)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What can be summed up.
pub trait Sum: Clone + Copy + Default {
    /// Adds another's.
    fn add(&mut self, other: &Self);
    /// Takes back what was added.
    fn subtract(&mut self, other: &Self);
}

impl Sum for Sums {
    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.timed = self.timed.saturating_add(other.timed);
        self.duration = self.duration.saturating_add(other.duration);
        self.slow = self.slow.saturating_add(other.slow);
        self.errors = self.errors.saturating_add(other.errors);
    }

    fn subtract(&mut self, other: &Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.timed = self.timed.saturating_sub(other.timed);
        self.duration = self.duration.saturating_sub(other.duration);
        self.slow = self.slow.saturating_sub(other.slow);
        self.errors = self.errors.saturating_sub(other.errors);
    }
}

/// The last 60 seconds of one pool. Its buckets are made with the first event.
#[derive(Clone, Debug, Default)]
pub struct Window<T> {
    /// Of the 60 seconds up to the newest, each at the place of its remainder.
    buckets: Vec<T>,
    /// All of them.
    sum: T,
    newest: u64,
}

impl<T: Sum> Window<T> {
    /// Counts what ended at `at`.
    pub fn add(&mut self, at: Time, sums: &T) {
        let second = at / SECOND;
        if self.buckets.is_empty() {
            self.buckets = (0..WINDOW).map(|_| T::default()).collect();
            self.newest = second;
        }
        self.advance(second);
        // What is older has no bucket any more.
        if self.newest - second < WINDOW
            && let Some(bucket) = self.buckets.get_mut(place(second))
        {
            bucket.add(sums);
            self.sum.add(sums);
        }
    }

    /// Makes room for the seconds up to this one.
    fn advance(&mut self, second: u64) {
        let ahead = second.saturating_sub(self.newest);
        for next in 1..=ahead.min(WINDOW) {
            if let Some(bucket) = self.buckets.get_mut(place(self.newest + next)) {
                self.sum.subtract(bucket);
                *bucket = T::default();
            }
        }
        self.newest += ahead;
    }

    /// Sums of the 60 seconds up to the one of `now`.
    pub fn sums(&self, now: Time) -> T {
        let second = now / SECOND;
        // Those that are too old by then, or too new.
        let (from, count) = if second >= self.newest {
            (self.newest + 1, second - self.newest)
        } else {
            (second + 1, self.newest - second)
        };
        if count >= WINDOW {
            return T::default();
        }
        let mut all = self.sum;
        for outside in from..from + count {
            if let Some(bucket) = self.buckets.get(place(outside)) {
                all.subtract(bucket);
            }
        }
        all
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % WINDOW).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Sums = Sums { requests: 1, timed: 1, duration: SECOND / 2, slow: 0, errors: 1 };

    #[test]
    fn a_minute_is_remembered() {
        let mut window = Window::default();
        for second in 0..100 {
            window.add(second * SECOND, &ONE);
        }
        assert_eq!(window.sums(99 * SECOND).requests, 60);
        assert_eq!(window.sums(129 * SECOND).requests, 30);
        assert_eq!(window.sums(300 * SECOND).requests, 0);
    }

    #[test]
    fn the_sum_is_that_of_the_seconds_whatever_their_order() {
        let seconds = [3_u64, 70, 12, 69, 71, 11, 500, 441, 440, 499, 439, 500];
        let mut window = Window::default();
        for (nth, second) in seconds.iter().enumerate() {
            window.add(second * SECOND, &ONE);
            let newest = seconds[..=nth].iter().max().unwrap();
            for now in newest - newest.min(&59)..newest + 70 {
                let is_kept = |second: &&u64| {
                    let before = &seconds[..=seconds.iter().position(|one| one == *second).unwrap()];
                    before.iter().max().unwrap() - **second < WINDOW && newest - **second < WINDOW
                };
                let kept = seconds[..=nth].iter().filter(is_kept);
                let within = kept.filter(|second| **second <= now && now - **second < WINDOW).count();
                assert_eq!(window.sums(now * SECOND).requests, within as u64, "{second} as of {now}");
            }
        }
    }

    #[test]
    fn ratios_without_requests_are_zero() {
        let none = Window::<Sums>::default().sums(5);
        assert_eq!((none.mean_seconds(), none.error_ratio(), none.slow_ratio()), (0.0, 0.0, 0.0));
        assert_eq!((ONE.mean_seconds(), ONE.error_ratio()), (0.5, 1.0));
    }

    #[test]
    fn what_is_older_than_its_bucket_is_left_out() {
        let mut window = Window::default();
        window.add(70 * SECOND, &ONE);
        window.add(10 * SECOND, &ONE);
        assert_eq!(window.sums(70 * SECOND).requests, 1);
    }
}
