//! Sums over the last 60 seconds, in buckets of one second.
//!
//! In comes what is counted with its moment, answered requests with that of their end; out go sums as of a moment.
//! What is older than what its bucket holds already is left out: it is out of the window or nearly so.

use crate::event::{SECOND, Time};

/// Seconds of the window.
pub const WINDOW: u64 = 60;
const BUCKETS: usize = 60;

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
}

impl Sum for Sums {
    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.timed = self.timed.saturating_add(other.timed);
        self.duration = self.duration.saturating_add(other.duration);
        self.slow = self.slow.saturating_add(other.slow);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket<T> {
    second: u64,
    sums: T,
}

/// The last 60 seconds of one pool. Its buckets are made with the first event.
#[derive(Clone, Debug, Default)]
pub struct Window<T> {
    buckets: Vec<Bucket<T>>,
}

impl<T: Sum> Window<T> {
    /// Counts what ended at `at`.
    pub fn add(&mut self, at: Time, sums: &T) {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        let second = at / SECOND;
        let index = usize::try_from(second % WINDOW).unwrap_or(0);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        if bucket.second < second {
            *bucket = Bucket { second, sums: T::default() };
        }
        // What is older than its bucket is out of the window.
        if bucket.second == second {
            bucket.sums.add(sums);
        }
    }

    /// Sums of the 60 seconds up to the one of `now`.
    pub fn sums(&self, now: Time) -> T {
        let second = now / SECOND;
        let mut all = T::default();
        for bucket in &self.buckets {
            if bucket.second <= second && second - bucket.second < WINDOW {
                all.add(&bucket.sums);
            }
        }
        all
    }
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
