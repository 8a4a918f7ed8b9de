//! Borrowers as a probe in the pool's own library tells of them: exact.

use std::collections::HashMap;

use super::{
    super::{given_up, limits},
    Waited, Waits,
};
use crate::event::{Borrow, Borrowing, Time};

/// Borrowers that ask, by the name that the probe gives them.
#[derive(Debug, Default)]
pub struct Borrowers {
    /// Since when, and how long some connection had been idle until then.
    asking: HashMap<(u64, u64), (Time, Time)>,
    seen: bool,
    refused: u64,
}

impl Borrowers {
    /// Some were told of.
    pub const fn is_watched(&self) -> bool {
        self.seen
    }

    /// How many ask now.
    pub fn count(&self) -> usize {
        self.asking.len()
    }

    /// Borrowers that found no room since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// It is answered; what was noted when it asked.
    fn answer(&mut self, borrow: &Borrow) -> Option<(Time, Time)> {
        self.asking.remove(&(borrow.pool, borrow.borrower))
    }

    fn ask(&mut self, borrow: &Borrow, idle: Time) {
        self.seen = true;
        if self.asking.len() >= limits::BORROWERS {
            self.refused += 1;
        } else {
            self.asking.insert((borrow.pool, borrow.borrower), (borrow.at, idle));
        }
    }
}

impl Waits {
    /// A borrower asks, or is answered.
    pub fn borrow(&mut self, borrow: &Borrow) {
        self.advance(borrow.at);
        if borrow.borrowing == Borrowing::Asks {
            self.borrowers.ask(borrow, self.gauge.idle());
        } else if let Some((since, idle)) = self.borrowers.answer(borrow) {
            let waited = borrow.at.saturating_sub(since);
            let Some(pool) = self.largest() else { return };
            self.gauge.add(pool, waited);
            if borrow.borrowing == Borrowing::Granted {
                self.waited.push(Waited { pool, took: waited as f64 });
            } else {
                let wait = self.stretch(since, borrow.at, idle);
                if given_up::refused(&wait, self.failed_since(since)) {
                    self.gave_up.push(Waited { pool, took: waited as f64 });
                }
            }
        }
        self.weigh(borrow.at);
    }
}
