//! Answers without a word to the database: which of them took equally long.
//!
//! In come answers to requests that would have used the database; out goes the time after which most of the newest came,
//! and how many of them that makes borrowers who gave up.

use super::MILLISECOND;
use crate::event::Time;

/// Answers that are remembered.
pub const SAMPLES: usize = 16;
/// So many that took equally long are taken for borrowers who lost patience.
const ENOUGH: usize = 5;

/// An answer without the database.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// How long it took.
    pub took: Time,
    /// No connection was idle.
    pub full: bool,
    /// The process asked the database nothing meanwhile.
    pub quiet: bool,
    /// It has been counted as one who gave up.
    pub counted: bool,
}

/// The newest answers.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    newest: Vec<Answer>,
    next: usize,
}

impl Answers {
    /// The oldest makes room.
    pub fn remember(&mut self, answer: Answer) {
        if let Some(oldest) = self.newest.get_mut(self.next) {
            *oldest = answer;
        } else {
            self.newest.push(answer);
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// Those that taught the patience, or were as long, and are not counted yet.
    pub fn count(&mut self, patience: Time) -> usize {
        let is_new = |answer: &&mut Answer| {
            answer.full && !answer.counted && fits(answer.took, patience, 0, answer.quiet)
        };
        self.newest.iter_mut().filter(is_new).map(|answer| answer.counted = true).count()
    }

    /// The shortest time of the largest group that took equally long; `None` while that proves nothing.
    pub fn equally_long(&self) -> Option<Time> {
        let full = || self.newest.iter().filter(|answer| answer.full);
        let quiet = full().all(|answer| answer.quiet);
        let spread = |least: Time| spread(least, quiet);
        let mut took: Vec<Time> = full().map(|answer| answer.took).collect();
        took.sort_unstable();
        let within = |from: Time, to: Time| took.iter().filter(|took| (from..to).contains(took)).count();
        let as_long = |least: Time| within(least, least.saturating_add(spread(least)));
        // Of two equally large groups the shorter: what is above it may be the same and a slow answer.
        let groups = took.iter().rev().map(|least| (as_long(*least), *least));
        let (size, least) = groups.max_by_key(|(size, _)| *size)?;
        let shorter = within(least.saturating_sub(spread(least)), least);
        let is_other = |answer: &&Answer| !answer.full && fits(answer.took, least, 0, false);
        let otherwise = self.newest.iter().filter(is_other).count();
        let clear = otherwise * 4 < size && shorter * 4 < size;
        (size >= ENOUGH && size * 2 >= took.len() && clear).then_some(least)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.newest.len()
    }
}

/// A time is that of the patience, with what comes before and after it: hardly less, and not much more.
pub fn fits(took: Time, patience: Time, before: Time, quiet: bool) -> bool {
    let least = patience.saturating_sub(patience / 50);
    took >= least && took <= patience.saturating_add(before).saturating_add(slack(patience, quiet))
}

/// What a busy process adds to a time. Many that give up at once answer one after another.
pub fn slack(patience: Time, quiet: bool) -> Time {
    if quiet { (patience / 4).max(50 * MILLISECOND) } else { (patience / 20).max(30 * MILLISECOND) }
}

/// Times that differ by less are equally long.
pub fn spread(least: Time, quiet: bool) -> Time {
    if quiet { (least / 10).max(30 * MILLISECOND) } else { (least / 50).max(10 * MILLISECOND) }
}
