//! The application's own notes against what poolwatch showed: pure numbers.
//!
//! The application notes every change of its pool with the time. A reading of poolwatch happened at some
//! moment between its question and its answer: it is compared with the nearest value that the pool
//! had between those two.

use serde_json::Value;

/// A connection count at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub used: i64,
    pub idle: i64,
    pub total: i64,
}

impl Counts {
    /// From an object with these three keys.
    pub fn read(value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key).and_then(Value::as_i64);
        Some(Self { used: number("used")?, idle: number("idle")?, total: number("total")? })
    }

    /// The sum of the pools of one process in `/health/pool`.
    pub fn of_process(health: &Value, pid: u32) -> Option<Self> {
        let pools = health.get("pools")?.as_array()?.iter();
        let ours =
            pools.filter(|pool| pool.pointer("/process/pid").and_then(Value::as_u64) == Some(pid.into()));
        ours.map(|pool| Self::read(pool.get("connections")?)).reduce(|sum, next| Some(sum? + next?)).flatten()
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { used: self.used + other.used, idle: self.idle + other.idle, total: self.total + other.total }
    }
}

/// poolwatch's answer to one question.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When it was asked, in nanoseconds of `CLOCK_MONOTONIC`.
    pub asked: u64,
    /// When it had answered.
    pub answered: u64,
    pub counts: Counts,
}

/// The application's notes: since when, used, total.
pub type Notes = Vec<(u64, i64, i64)>;

/// How far off the readings were.
#[derive(Debug, PartialEq)]
pub struct Difference {
    pub readings: usize,
    /// Readings with the same used and total.
    pub equal: usize,
    /// Mean absolute difference of used.
    pub used: f64,
    /// Mean absolute difference of total.
    pub total: f64,
}

/// Compares; `None` without readings.
pub fn compare(notes: &Notes, readings: &[Reading]) -> Option<Difference> {
    let off: Vec<(i64, i64)> = readings.iter().filter_map(|reading| nearest(notes, reading)).collect();
    let mean = |part: fn(&(i64, i64)) -> i64| off.iter().map(part).sum::<i64>() as f64 / off.len() as f64;
    (!off.is_empty()).then(|| Difference {
        readings: off.len(),
        equal: off.iter().filter(|both| **both == (0, 0)).count(),
        used: mean(|(used, _)| *used),
        total: mean(|(_, total)| *total),
    })
}

/// The smallest difference of used and total to a note that was in force while it was read.
fn nearest(notes: &Notes, reading: &Reading) -> Option<(i64, i64)> {
    let last_before = notes.partition_point(|(at, ..)| *at <= reading.asked).saturating_sub(1);
    let in_force = notes.iter().skip(last_before).take_while(|(at, ..)| *at <= reading.answered);
    let off =
        |used: i64, total: i64| ((reading.counts.used - used).abs(), (reading.counts.total - total).abs());
    in_force.map(|(_, used, total)| off(*used, *total)).min_by_key(|(used, total)| used + total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading(asked: u64, answered: u64, used: i64, total: i64) -> Reading {
        Reading { asked, answered, counts: Counts { used, idle: total - used, total } }
    }

    #[test]
    fn only_what_was_true_while_it_was_read_counts() {
        let notes = vec![(0, 0, 0), (10, 1, 1), (20, 2, 2), (30, 1, 2)];
        let difference = |reading| compare(&notes, &[reading]).unwrap();
        assert_eq!(difference(reading(12, 13, 1, 1)).equal, 1);
        assert_eq!(difference(reading(12, 21, 2, 2)).equal, 1);
        assert_eq!(difference(reading(12, 19, 2, 2)).equal, 0);
        assert!((difference(reading(25, 26, 5, 2)).used - 3.0).abs() < 1e-9);
        assert!((difference(reading(40, 41, 1, 4)).total - 2.0).abs() < 1e-9);
    }

    #[test]
    fn no_reading_is_no_agreement() {
        assert_eq!(compare(&vec![(0, 0, 0)], &[]), None);
    }

    #[test]
    fn the_pools_of_one_process_are_added() {
        let pool = |pid: u32, used: i64| json!({"process": {"pid": pid}, "connections": {"used": used, "idle": 1, "total": used + 1}});
        let health = json!({"pools": [pool(7, 2), pool(8, 5), pool(7, 3)]});
        assert_eq!(Counts::of_process(&health, 7), Some(Counts { used: 5, idle: 2, total: 7 }));
        assert_eq!(Counts::of_process(&health, 9), None);
    }
}
