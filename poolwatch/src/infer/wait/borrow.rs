//! Borrowers as a probe in the pool's own library tells of them: exact.

use std::collections::HashMap;

use super::{super::limits, Waited, Waits};
use crate::event::{Borrow, Borrowing, Time};

/// Borrowers that ask, by the name that the probe gives them.
#[derive(Debug, Default)]
pub struct Borrowers {
    asking: HashMap<(u64, u64), Time>,
    seen: bool,
    refused: u64,
    gave_up: u64,
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

    /// Borrowers that got no connection since the last call.
    pub fn take_gave_up(&mut self) -> u64 {
        std::mem::take(&mut self.gave_up)
    }

    /// It is answered; since when it asked.
    fn answer(&mut self, borrow: &Borrow) -> Option<Time> {
        self.asking.remove(&(borrow.pool, borrow.borrower))
    }

    fn ask(&mut self, borrow: &Borrow) {
        self.seen = true;
        if self.asking.len() >= limits::BORROWERS {
            self.refused += 1;
        } else {
            self.asking.insert((borrow.pool, borrow.borrower), borrow.at);
        }
    }
}

impl Waits {
    /// A borrower asks, or is answered.
    pub fn borrow(&mut self, borrow: &Borrow) {
        self.advance(borrow.at);
        if borrow.borrowing == Borrowing::Asks {
            self.borrowers.ask(borrow);
        } else if let Some(since) = self.borrowers.answer(borrow) {
            let waited = borrow.at.saturating_sub(since);
            let Some(pool) = self.largest() else { return };
            self.gauge.add(pool, waited);
            if borrow.borrowing == Borrowing::Granted {
                self.waited.push(Waited { pool, took: waited as f64 });
            } else {
                self.borrowers.gave_up += 1;
            }
        }
        self.weigh(borrow.at);
    }
}
