//! Borrowers that gave up waiting for a connection: what shows it, and what does not.
//!
//! In come refusals that a probe in the pool's library saw, and requests to the process that were answered
//! without a word to the database; out goes how many borrowers gave up. What counts:
//!
//! 1. A refusal, while connections were in use all the time that the borrower waited and none failed to open.
//! 2. An answer without the database, after just the time that borrowers of this process wait, while
//!    connections were in use all that time. That time is declared, or learned from such answers themselves:
//!    most of the newest took equally long, hardly one a little less, and hardly any while a connection was idle.
//!    Borrowers that waited longer and got a connection prove that it is another.
//!
//! A client that hangs up shows nothing: it gave up, and not the borrower.

mod answers;

use std::collections::VecDeque;

use self::answers::{Answer, Answers, fits, slack, spread};
use crate::event::{SECOND, Time};

const MILLISECOND: Time = SECOND / 1000;
/// Idle connections for more than this part of the wait, and something else was waited for.
const IDLE_PART: Time = 10;
/// A refusal that comes at once is no end of patience.
const AT_ONCE: Time = MILLISECOND;
/// Waits of borrowers that were served that are remembered.
const WAITS: usize = 32;
/// Of these, so many may be longer than the patience: mistaken ones.
const MISTAKEN: usize = 2;
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
    /// The process asked the database nothing meanwhile: such an answer may come late and still show what it shows.
    pub quiet: bool,
}

/// What requests of this kind do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nearly all of them are seen to use the database.
    Shows,
    /// They use the database, and it is often not seen which of them did.
    Uses,
    /// Most do not.
    Spares,
    /// Too few came to tell.
    Unknown,
}

/// What is known of how long the borrowers of one pool wait.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    declared: Option<Time>,
    answers: Answers,
    learned: Option<Time>,
    /// How long borrowers waited that got a connection, where that was long.
    waits: VecDeque<Time>,
}

/// A probe in the library saw the borrower refused; `failed` = a connection could not be made meanwhile.
pub const fn refused(wait: &Wait, failed: bool) -> bool {
    !failed && wait.took() >= AT_ONCE && wait.is_full()
}

impl Wait {
    /// How long it lasted.
    pub const fn took(&self) -> Time {
        self.ended.saturating_sub(self.asked)
    }

    const fn is_full(&self) -> bool {
        self.idle <= self.took() / IDLE_PART
    }

    /// Long enough for a borrower to lose patience, with all connections in use.
    pub const fn is_long(&self) -> bool {
        self.took() >= LEAST && self.is_full()
    }
}

impl Patience {
    /// Knows what the process declares: milliseconds, where 0 and less say nothing.
    pub fn declare(&mut self, declared: Option<i64>) {
        let declared = declared.and_then(|milliseconds| Time::try_from(milliseconds).ok());
        let declared = declared.map(|milliseconds| milliseconds.saturating_mul(MILLISECOND));
        self.declared = declared.filter(|declared| *declared > 0);
    }

    /// A borrower waited so long, and got a connection.
    pub fn waited(&mut self, took: Time) {
        if took < LEAST {
            return;
        }
        if self.waits.len() >= WAITS {
            self.waits.pop_front();
        }
        self.waits.push_back(took);
    }

    /// What is declared, unless borrowers wait longer.
    fn declared(&self) -> Option<Time> {
        self.declared.filter(|declared| self.is_patience(*declared))
    }

    /// Hardly anybody waits longer.
    fn is_patience(&self, patience: Time) -> bool {
        let most = patience.saturating_add(slack(patience, false));
        self.waits.iter().filter(|took| **took > most).count() <= MISTAKEN
    }

    /// A request was answered without a word to the database. Returns how many borrowers are now known to
    /// have given up: those that taught their patience are counted with the one that made it certain.
    ///
    /// `before` = the mean time that requests of this kind take before they ask for a connection.
    pub fn answered(&mut self, wait: &Wait, habit: Habit, before: Time) -> usize {
        if let Some(declared) = self.declared() {
            let gave_up =
                habit != Habit::Spares && wait.is_full() && fits(wait.took(), declared, before, wait.quiet);
            return usize::from(gave_up);
        }
        let (took, full, quiet) = (wait.took(), wait.is_full(), wait.quiet);
        if took < LEAST || matches!(habit, Habit::Spares | Habit::Unknown) {
            return 0;
        }
        if habit == Habit::Uses {
            let most =
                |patience: Time| patience.saturating_add(before).saturating_add(spread(patience, false));
            return usize::from(
                full && self.learned.is_some_and(|least| (least..=most(least)).contains(&took)),
            );
        }
        let counted = full && self.learned.is_some_and(|patience| fits(took, patience, before, quiet));
        self.answers.remember(Answer { took, full, quiet, counted });
        self.learned = self.answers.equally_long().filter(|least| self.is_patience(*least));
        usize::from(counted) + self.learned.map_or(0, |patience| self.answers.count(patience))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{answers::SAMPLES, *};

    /// A wait of so many milliseconds, in some of which a connection was idle.
    fn wait(took: u64, idle: u64) -> Wait {
        let asked = 7 * SECOND;
        Wait { asked, ended: asked + took * MILLISECOND, idle: idle * MILLISECOND, quiet: false }
    }

    fn declared(milliseconds: Option<i64>) -> Patience {
        let mut patience = Patience::default();
        patience.declare(milliseconds);
        patience
    }

    fn counts(patience: &mut Patience, waits: &[(u64, u64)]) -> Vec<usize> {
        waits.iter().map(|(took, idle)| patience.answered(&wait(*took, *idle), Habit::Shows, 0)).collect()
    }

    #[test]
    fn a_refusal_of_a_full_pool_is_one() {
        assert!(refused(&wait(5000, 0), false));
        assert!(refused(&wait(5000, 500), false));
        assert!(!refused(&wait(5000, 501), false), "a connection was idle");
        assert!(!refused(&wait(5000, 0), true), "a connection could not be made");
        assert!(!refused(&wait(0, 0), false), "it did not wait");
        assert!(!refused(&Wait { asked: 9, ended: 3, idle: 0, quiet: false }, false), "time went back");
    }

    #[test]
    fn an_answer_after_the_declared_time_is_one() {
        let mut patience = declared(Some(2000));
        assert_eq!(counts(&mut patience, &[(2000, 0), (2050, 0), (1970, 0)]), [1, 1, 1]);
        assert_eq!(counts(&mut patience, &[(1900, 0), (2200, 0), (3, 0), (2000, 1500)]), [0, 0, 0, 0]);
        assert_eq!(patience.answered(&wait(2300, 0), Habit::Shows, 250 * MILLISECOND), 1);
        assert_eq!(patience.answered(&wait(2000, 0), Habit::Unknown, 0), 1);
        assert_eq!(patience.answered(&wait(2000, 0), Habit::Spares, 0), 0);
    }

    #[test]
    fn answers_of_many_who_gave_up_at_once_may_be_late() {
        let late = |took| Wait { quiet: true, ..wait(took, 0) };
        let count = |patience: &mut Patience, all: &[u64]| -> usize {
            all.iter().map(|took| patience.answered(&late(*took), Habit::Shows, 0)).sum()
        };
        let together: Vec<u64> = (0..20).map(|nth| 1001 + 7 * nth).collect();
        for mut patience in [Patience::default(), declared(Some(1000))] {
            assert_eq!(count(&mut patience, &together), 20);
            assert_eq!(count(&mut patience, &[970, 1400]), 0);
        }
    }

    #[test]
    fn declared_nonsense_says_nothing() {
        for declared in [None, Some(0), Some(-5), Some(i64::MIN)] {
            assert_eq!(self::declared(declared).declared(), None, "{declared:?}");
        }
        assert_eq!(declared(Some(i64::MAX)).declared(), Some(Time::MAX));
    }

    #[test]
    fn equal_times_teach_the_patience_and_count() {
        let mut patience = Patience::default();
        let seen = [(3004, 0), (3001, 0), (700, 0), (3010, 0), (3002, 0), (3003, 0), (3005, 0), (900, 0)];
        assert_eq!(counts(&mut patience, &seen), [0, 0, 0, 0, 0, 5, 1, 0]);
        assert_eq!(patience.learned, Some(3001 * MILLISECOND));
    }

    #[test]
    fn times_that_are_as_long_without_a_full_pool_teach_nothing() {
        let mut patience = Patience::default();
        let seen = [(300, 300), (301, 301), (300, 0), (301, 0), (302, 0), (300, 0), (303, 0), (302, 0)];
        assert_eq!(counts(&mut patience, &seen), [0; 8]);
        assert_eq!(patience.learned, None);
    }

    #[test]
    fn scattered_times_and_short_ones_teach_nothing() {
        let mut patience = Patience::default();
        let scattered: Vec<_> = (1..20).map(|nth| (nth * 170, 0)).collect();
        assert_eq!(counts(&mut patience, &scattered).iter().sum::<usize>(), 0);
        assert_eq!(counts(&mut patience, &[(20, 0); 20]), [0; 20]);
        for _ in 0..20 {
            assert_eq!(patience.answered(&wait(3000, 0), Habit::Unknown, 0), 0);
            assert_eq!(patience.answered(&wait(3000, 0), Habit::Uses, 0), 0);
            assert_eq!(patience.answered(&wait(3000, 0), Habit::Spares, 0), 0);
        }
        assert_eq!(patience.learned, None);
    }

    #[test]
    fn times_just_below_are_no_end_of_patience() {
        let mut patience = Patience::default();
        let seen = [(291, 0), (292, 0), (300, 0), (301, 0), (302, 0), (303, 0), (304, 0), (295, 0)];
        assert_eq!(counts(&mut patience, &seen), [0; 8]);
        assert_eq!(patience.learned, None);
        patience = Patience::default();
        let spread: Vec<_> = (0..SAMPLES).map(|nth| (300 + 4 * nth as u64, 0)).collect();
        assert_eq!(counts(&mut patience, &spread), [0; SAMPLES]);
    }

    #[test]
    fn borrowers_that_waited_longer_prove_another_patience() {
        let mut patience = Patience::default();
        (0..=MISTAKEN).for_each(|_| patience.waited(900 * MILLISECOND));
        assert_eq!(counts(&mut patience, &[(300, 0); 8]), [0; 8]);
        patience = declared(Some(300));
        assert_eq!(counts(&mut patience, &[(300, 0); 2]), [1; 2]);
        (0..=MISTAKEN).for_each(|_| patience.waited(900 * MILLISECOND));
        assert_eq!(counts(&mut patience, &[(300, 0); 4]), [0; 4]);
        (0..WAITS).for_each(|_| patience.waited(200 * MILLISECOND));
        assert_eq!(counts(&mut patience, &[(300, 0); 4]), [1; 4]);
    }

    #[test]
    fn another_patience_is_learned_anew() {
        let mut patience = Patience::default();
        counts(&mut patience, &[(3000, 0); 8]);
        counts(&mut patience, &[(1000, 0); 16]);
        assert_eq!(patience.learned, Some(SECOND));
        assert_eq!(patience.answers.len(), SAMPLES);
    }

    proptest! {
        #[test]
        fn no_more_give_up_than_were_answered(
            declared in prop::option::of(any::<i64>()),
            waits in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 0..60)
        ) {
            let mut patience = self::declared(declared);
            let mut sum = 0;
            for (asked, ended, idle, before) in &waits {
                let wait = Wait { asked: *asked, ended: *ended, idle: *idle, quiet: *before % 2 == 0 };
                sum += patience.answered(&wait, Habit::Shows, *before);
            }
            prop_assert!(sum <= waits.len());
            prop_assert!(patience.answers.len() <= SAMPLES);
        }
    }
}
