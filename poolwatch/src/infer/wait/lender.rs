//! A library's own pools by the names that a probe gives them: which of the process's pools is each?
//!
//! A borrower uses what it was granted at once, and on the thread on which it was granted. What it uses shows the
//! pool; most of such observations decide.

use std::collections::BTreeMap;

use super::super::{limits, pools::PoolRef};
use crate::event::{HashMap, Time};

/// Time in which a borrower uses what it was granted.
const AT_ONCE: Time = 1_000_000;
/// Observations after which older ones weigh half.
const HALVED: u32 = 256;

/// A pool of the library: its address in the process.
pub type LenderId = u64;

#[derive(Debug, Default)]
struct Lender {
    asking: u32,
    used: BTreeMap<PoolRef, u32>,
}

/// A connection was granted.
#[derive(Clone, Copy, Debug)]
struct Grant {
    lender: LenderId,
    at: Time,
    /// How long the borrower waited.
    took: Time,
}

impl Lender {
    /// The pool that it is, as far as was seen.
    fn pool(&self) -> Option<PoolRef> {
        self.used.iter().max_by_key(|(_, count)| **count).map(|(pool, _)| *pool)
    }
}

/// All of one process.
#[derive(Debug, Default)]
pub struct Lenders {
    table: BTreeMap<LenderId, Lender>,
    /// Who was granted a connection last, by thread.
    granted: HashMap<u32, Grant>,
}

impl Lenders {
    /// The number under which a lender is kept: itself, where there is room.
    pub fn admit(&self, lender: LenderId) -> LenderId {
        let known = self.table.contains_key(&lender) || self.table.len() < limits::LENDERS;
        if known { lender } else { 0 }
    }

    /// A borrower asks it.
    pub fn ask(&mut self, lender: LenderId) {
        self.table.entry(lender).or_default().asking += 1;
    }

    /// A borrower is answered.
    pub fn answer(&mut self, lender: LenderId) {
        if let Some(lender) = self.table.get_mut(&lender) {
            lender.asking = lender.asking.saturating_sub(1);
        }
    }

    /// A borrower on this thread has a connection now, after it waited so long.
    pub fn grant(&mut self, lender: LenderId, thread: u32, at: Time, took: Time) {
        if self.granted.len() >= limits::THREADS {
            self.granted.clear();
        }
        self.granted.insert(thread, Grant { lender, at, took });
    }

    /// The thread uses a connection of this pool. Where that shows for the first time which pool its lender is: how
    /// long the borrower waited.
    pub fn used(&mut self, pool: PoolRef, thread: u32, at: Time) -> Option<Time> {
        let grant = self.granted.remove(&thread).filter(|grant| at.saturating_sub(grant.at) <= AT_ONCE)?;
        let lender = self.table.get_mut(&grant.lender)?;
        let first = lender.used.is_empty();
        let count = lender.used.entry(pool).or_default();
        *count += 1;
        if *count >= HALVED {
            lender.used.values_mut().for_each(|count| *count /= 2);
            lender.used.retain(|_, count| *count > 0);
        }
        first.then_some(grant.took)
    }

    /// The pool that a lender is; `None` until a use of it was seen.
    pub fn pool_of(&self, lender: LenderId) -> Option<PoolRef> {
        self.table.get(&lender)?.pool()
    }

    /// Some lender is this pool.
    pub fn has(&self, pool: PoolRef) -> bool {
        self.table.values().any(|lender| lender.pool() == Some(pool))
    }

    /// How many ask for a connection of this pool.
    pub fn asking(&self, pool: PoolRef) -> u32 {
        self.table.values().filter(|lender| lender.pool() == Some(pool)).map(|lender| lender.asking).sum()
    }

    /// A pool is gone.
    pub fn end(&mut self, pool: PoolRef) {
        for lender in self.table.values_mut() {
            lender.used.remove(&pool);
        }
    }

    /// Nobody asks any more. Which pool is which is still known.
    pub fn clear(&mut self) {
        self.granted.clear();
        self.table.values_mut().for_each(|lender| lender.asking = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Time = 1_000_000;

    #[test]
    fn what_a_borrower_uses_shows_its_pool() {
        let mut lenders = Lenders::default();
        let [first, second] = [PoolRef::new(1), PoolRef::new(2)];
        lenders.ask(10);
        lenders.ask(20);
        assert_eq!((lenders.pool_of(10), lenders.has(second)), (None, false));
        lenders.grant(10, 7, 5 * MS, 3 * MS);
        // Only the first use tells how long its borrower waited: later ones are told when they end.
        assert_eq!(lenders.used(second, 7, 5 * MS + 1000), Some(3 * MS));
        lenders.grant(10, 7, 6 * MS, 4 * MS);
        assert_eq!(lenders.used(second, 7, 6 * MS), None);
        assert_eq!((lenders.asking(second), lenders.asking(first)), (1, 0));
        // Another lender may be of another kind of server: it is not guessed.
        assert_eq!((lenders.pool_of(20), lenders.has(first)), (None, false));
    }

    #[test]
    fn what_a_thread_does_later_shows_nothing() {
        let mut lenders = Lenders::default();
        lenders.ask(10);
        lenders.grant(10, 7, 5 * MS, 0);
        assert_eq!(lenders.used(PoolRef::new(1), 7, 5 * MS + AT_ONCE + 1), None);
        assert_eq!(lenders.used(PoolRef::new(1), 8, 5 * MS), None);
        assert_eq!(lenders.pool_of(10), None);
    }

    #[test]
    fn further_lenders_are_one() {
        let mut lenders = Lenders::default();
        for lender in 1..=limits::LENDERS as u64 {
            let lender = lenders.admit(lender);
            lenders.ask(lender);
        }
        assert_eq!((lenders.admit(5), lenders.admit(9999)), (5, 0));
    }
}
