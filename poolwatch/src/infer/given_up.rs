//! Borrowers that gave up waiting for a connection: what shows it, and what does not.
//!
//! In come refusals that a probe in the pool's library saw, and requests to the process that were answered
//! without a word to the database; out goes how many borrowers gave up. What counts:
//!
//! 1. A refusal, while connections were in use all the time that the borrower waited and none failed to open.
//! 2. An answer without the database, after just the time that borrowers of this process wait, while
//!    connections were in use all that time. That time is declared, or learned from such answers themselves:
//!    several that took equally long, and hardly any of them while a connection was idle.
//!
//! A client that hangs up shows nothing: it gave up, and not the borrower.

use crate::event::{SECOND, Time};

const MILLISECOND: Time = SECOND / 1000;
/// Idle connections for more than this part of the wait, and something else was waited for.
const IDLE_PART: Time = 10;
/// A refusal that comes at once is no end of patience.
const AT_ONCE: Time = MILLISECOND;
/// Answers that are remembered.
const SAMPLES: usize = 16;
/// Answers that took equally long, before that is taken for the borrowers' patience.
const ENOUGH: usize = 5;
/// Shorter times are those of requests that need no database.
const LEAST: Time = 100 * MILLISECOND;

/// A stretch of waiting, and how the pool stood meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// It began: the borrower asked, or the request was read.
    pub asked: Time,
    /// It ended.
    pub ended: Time,
    /// How much of it some connection of the pool was surely idle.
    pub idle: Time,
}

/// What requests of this kind do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Most of them use the database.
    Uses,
    /// Most do not.
    Spares,
    /// Kinds cannot be told apart.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    took: Time,
    /// No connection was idle.
    full: bool,
    /// It has been counted as one who gave up.
    counted: bool,
}

/// What is known of how long the borrowers of one pool wait.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    declared: Option<Time>,
    samples: Vec<Sample>,
    next: usize,
    learned: Option<Time>,
}

/// A probe in the library saw the borrower refused; `failed` = a connection could not be made meanwhile.
pub const fn refused(wait: &Wait, failed: bool) -> bool {
    !failed && wait.took() >= AT_ONCE && wait.is_full()
}

impl Wait {
    const fn took(&self) -> Time {
        self.ended.saturating_sub(self.asked)
    }

    const fn is_full(&self) -> bool {
        self.idle <= self.took() / IDLE_PART
    }
}

impl Patience {
    /// Knows what the process declares: milliseconds, where 0 and less say nothing.
    pub fn new(declared: Option<i64>) -> Self {
        let declared = declared.and_then(|milliseconds| Time::try_from(milliseconds).ok());
        let declared = declared.map(|milliseconds| milliseconds.saturating_mul(MILLISECOND));
        Self { declared: declared.filter(|declared| *declared > 0), ..Self::default() }
    }

    /// How long borrowers wait, where that is known.
    pub fn known(&self) -> Option<Time> {
        self.declared.or(self.learned)
    }

    /// A request was answered without a word to the database. Returns how many borrowers are now known to
    /// have given up: those that taught their patience are counted with the one that made it certain.
    ///
    /// `before` = the mean time that requests of this kind take before they ask for a connection.
    pub fn answered(&mut self, wait: &Wait, habit: Habit, before: Time) -> usize {
        if let Some(declared) = self.declared {
            let gave_up = habit != Habit::Spares && wait.is_full() && fits(wait.took(), declared, before);
            return usize::from(gave_up);
        }
        if habit != Habit::Uses || wait.took() < LEAST {
            return 0;
        }
        let (took, full) = (wait.took(), wait.is_full());
        let counted = full && self.learned.is_some_and(|patience| fits(took, patience, before));
        self.remember(Sample { took, full, counted });
        self.learned = self.equal();
        usize::from(counted) + self.count_taught()
    }

    /// Those that taught the patience, or were as long, and are not counted yet.
    fn count_taught(&mut self) -> usize {
        let Some(patience) = self.learned else { return 0 };
        let is_new = |sample: &&mut Sample| sample.full && !sample.counted && fits(sample.took, patience, 0);
        self.samples.iter_mut().filter(is_new).map(|sample| sample.counted = true).count()
    }

    fn remember(&mut self, sample: Sample) {
        if let Some(oldest) = self.samples.get_mut(self.next) {
            *oldest = sample;
        } else {
            self.samples.push(sample);
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// The shortest time of the largest group that took equally long; `None` while that proves nothing.
    fn equal(&self) -> Option<Time> {
        let mut full: Vec<Time> =
            self.samples.iter().filter(|sample| sample.full).map(|sample| sample.took).collect();
        full.sort_unstable();
        let as_long =
            |least: Time| full.iter().filter(|took| **took >= least && fits(**took, least, 0)).count();
        // Of two equally large groups the shorter: what is above it may be the same and a slow answer.
        let groups = full.iter().rev().map(|least| (as_long(*least), *least));
        let (size, least) = groups.max_by_key(|(size, _)| *size)?;
        let otherwise = self.samples.iter().filter(|sample| !sample.full && fits(sample.took, least, 0));
        (size >= ENOUGH && otherwise.count() * 4 < size).then_some(least)
    }
}

/// A time is that of the patience, with what comes before and after it: hardly less, and not much more.
fn fits(took: Time, patience: Time, before: Time) -> bool {
    let least = patience.saturating_sub(patience / 50);
    let slack = (patience / 20).max(50 * MILLISECOND);
    took >= least && took <= patience.saturating_add(before).saturating_add(slack)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A wait of so many milliseconds, in some of which a connection was idle.
    fn wait(took: u64, idle: u64) -> Wait {
        let asked = 7 * SECOND;
        Wait { asked, ended: asked + took * MILLISECOND, idle: idle * MILLISECOND }
    }

    fn counts(patience: &mut Patience, waits: &[(u64, u64)]) -> Vec<usize> {
        waits.iter().map(|(took, idle)| patience.answered(&wait(*took, *idle), Habit::Uses, 0)).collect()
    }

    #[test]
    fn a_refusal_of_a_full_pool_is_one() {
        assert!(refused(&wait(5000, 0), false));
        assert!(refused(&wait(5000, 500), false));
        assert!(!refused(&wait(5000, 501), false), "a connection was idle");
        assert!(!refused(&wait(5000, 0), true), "a connection could not be made");
        assert!(!refused(&wait(0, 0), false), "it did not wait");
        assert!(!refused(&Wait { asked: 9, ended: 3, idle: 0 }, false), "time went back");
    }

    #[test]
    fn an_answer_after_the_declared_time_is_one() {
        let mut patience = Patience::new(Some(2000));
        assert_eq!(patience.known(), Some(2 * SECOND));
        assert_eq!(counts(&mut patience, &[(2000, 0), (2050, 0), (1970, 0)]), [1, 1, 1]);
        assert_eq!(counts(&mut patience, &[(1900, 0), (2200, 0), (3, 0), (2000, 1500)]), [0, 0, 0, 0]);
        assert_eq!(patience.answered(&wait(2300, 0), Habit::Uses, 250 * MILLISECOND), 1);
        assert_eq!(patience.answered(&wait(2000, 0), Habit::Unknown, 0), 1);
        assert_eq!(patience.answered(&wait(2000, 0), Habit::Spares, 0), 0);
    }

    #[test]
    fn declared_nonsense_says_nothing() {
        for declared in [None, Some(0), Some(-5), Some(i64::MIN)] {
            assert_eq!(Patience::new(declared).known(), None, "{declared:?}");
        }
        assert_eq!(Patience::new(Some(i64::MAX)).known(), Some(Time::MAX));
    }

    #[test]
    fn equal_times_teach_the_patience_and_count() {
        let mut patience = Patience::new(None);
        let seen = [(3004, 0), (3001, 0), (700, 0), (3010, 0), (3002, 0), (3003, 0), (3005, 0), (900, 0)];
        assert_eq!(counts(&mut patience, &seen), [0, 0, 0, 0, 0, 5, 1, 0]);
        assert_eq!(patience.known(), Some(3001 * MILLISECOND));
    }

    #[test]
    fn times_that_are_as_long_without_a_full_pool_teach_nothing() {
        let mut patience = Patience::new(None);
        let seen = [(300, 300), (301, 301), (300, 0), (301, 0), (302, 0), (300, 0), (303, 0), (302, 0)];
        assert_eq!(counts(&mut patience, &seen), [0; 8]);
        assert_eq!(patience.known(), None);
    }

    #[test]
    fn scattered_times_and_short_ones_teach_nothing() {
        let mut patience = Patience::new(None);
        let scattered: Vec<_> = (1..20).map(|nth| (nth * 170, 0)).collect();
        assert_eq!(counts(&mut patience, &scattered).iter().sum::<usize>(), 0);
        let short = [(20, 0); 20];
        assert_eq!(counts(&mut patience, &short).iter().sum::<usize>(), 0);
        for _ in 0..20 {
            assert_eq!(patience.answered(&wait(3000, 0), Habit::Unknown, 0), 0);
            assert_eq!(patience.answered(&wait(3000, 0), Habit::Spares, 0), 0);
        }
        assert_eq!(patience.known(), None);
    }

    #[test]
    fn another_patience_is_learned_anew() {
        let mut patience = Patience::new(None);
        counts(&mut patience, &[(3000, 0); 8]);
        counts(&mut patience, &[(1000, 0); 16]);
        assert_eq!(patience.known(), Some(SECOND));
        assert_eq!(patience.samples.len(), SAMPLES);
    }

    proptest! {
        #[test]
        fn no_more_give_up_than_were_answered(
            declared in prop::option::of(any::<i64>()),
            waits in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 0..60)
        ) {
            let mut patience = Patience::new(declared);
            let mut sum = 0;
            for (asked, ended, idle, before) in &waits {
                let wait = Wait { asked: *asked, ended: *ended, idle: *idle };
                sum += patience.answered(&wait, Habit::Uses, *before);
            }
            prop_assert!(sum <= waits.len());
            prop_assert!(patience.samples.len() <= SAMPLES);
        }
    }
}
