//! How long a pool's used connections were at or above its limit.
//!
//! A short request is known only when it has ended, so beginnings come late and out of order. Changes are
//! therefore held back for [`HOLD`], twice the period of the scan that tells of requests under way, then
//! swept in order of time. A beginning that is older than the sweep counts from the sweep on: it is lost
//! time, and counted.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::limits;
use crate::event::{SECOND, Time};

/// How long a change may still be preceded by one that is not known yet.
pub const HOLD: Time = 2 * SECOND;

/// One pool's limit and its used connections over time.
#[derive(Clone, Debug)]
pub struct Saturation {
    limit: i64,
    level: i64,
    swept: Time,
    /// The earliest first: what is not due yet is not looked at.
    edges: BinaryHeap<Reverse<(Time, i8)>>,
    saturated: Time,
    late: u64,
}

impl Saturation {
    /// Watches from `at` on, when `used` connections were used.
    pub fn new(limit: u32, used: u32, at: Time) -> Self {
        let (limit, level) = (i64::from(limit), i64::from(used));
        Self { limit, level, swept: at, edges: BinaryHeap::new(), saturated: 0, late: 0 }
    }

    /// A connection is used from `at` on.
    pub fn begin(&mut self, at: Time) {
        self.late += u64::from(at < self.swept);
        self.push(at, 1);
    }

    /// A connection is not used any more.
    pub fn end(&mut self, at: Time) {
        self.push(at, -1);
    }

    /// Sweeps what cannot change any more.
    pub fn tick(&mut self, now: Time) {
        self.sweep(now.saturating_sub(HOLD));
    }

    /// Sweeps everything up to `until`.
    pub fn sweep(&mut self, until: Time) {
        if until < self.swept {
            return;
        }
        while let Some(Reverse((at, step))) = self.edges.peek().copied().filter(|edge| edge.0.0 <= until) {
            self.edges.pop();
            self.pass(at);
            self.level += i64::from(step);
        }
        self.pass(until);
    }

    /// Nanoseconds at or above the limit since the last call.
    pub fn take(&mut self) -> Time {
        std::mem::take(&mut self.saturated)
    }

    /// Beginnings that came too late since the last call.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    fn push(&mut self, at: Time, step: i8) {
        self.edges.push(Reverse((at.max(self.swept), step)));
        if self.edges.len() >= limits::EDGES {
            let mut moments: Vec<Time> = self.edges.iter().map(|edge| edge.0.0).collect();
            let (_, middle, _) = moments.select_nth_unstable(limits::EDGES / 2);
            self.sweep(*middle);
        }
    }

    fn pass(&mut self, at: Time) {
        if self.level >= self.limit {
            self.saturated += at.saturating_sub(self.swept);
        }
        self.swept = self.swept.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_that_come_late_are_put_in_order() {
        let mut pool = Saturation::new(2, 0, 0);
        pool.begin(10 * SECOND);
        pool.end(13 * SECOND);
        pool.begin(11 * SECOND);
        pool.end(12 * SECOND);
        pool.tick(13 * SECOND);
        assert_eq!(pool.take(), 0);
        pool.tick(20 * SECOND);
        assert_eq!((pool.take(), pool.take_late()), (SECOND, 0));
    }

    #[test]
    fn a_beginning_before_the_sweep_counts_from_it() {
        let mut pool = Saturation::new(1, 0, 0);
        pool.tick(10 * SECOND);
        pool.begin(SECOND);
        pool.end(9 * SECOND);
        pool.sweep(20 * SECOND);
        assert_eq!((pool.take(), pool.take_late()), (SECOND, 1));
    }

    #[test]
    fn a_full_buffer_is_swept_early_and_loses_nothing_in_order() {
        let mut pool = Saturation::new(1, 0, 0);
        for request in 0..100_000 {
            pool.begin(request * 10);
            pool.end(request * 10 + 4);
        }
        assert!(pool.edges.len() < limits::EDGES);
        pool.sweep(SECOND);
        assert_eq!((pool.take(), pool.take_late()), (400_000, 0));
    }
}
