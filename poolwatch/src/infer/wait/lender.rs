//! A library's own pools by the names that a probe gives them: which of the process's pools is each?
//!
//! A borrower uses what it was granted at once, and on the thread on which it was granted. What it uses shows the
//! pool; most of such observations decide.

use std::collections::{BTreeMap, HashMap};

use super::super::{limits, pools::PoolRef};
use crate::event::Time;

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

/// All of one process.
#[derive(Debug, Default)]
pub struct Lenders {
    table: BTreeMap<LenderId, Lender>,
    /// Who was granted a connection last, by thread.
    granted: HashMap<u32, (LenderId, Time)>,
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

    /// A borrower on this thread has a connection now.
    pub fn grant(&mut self, lender: LenderId, thread: u32, at: Time) {
        if self.granted.len() >= limits::THREADS {
            self.granted.clear();
        }
        self.granted.insert(thread, (lender, at));
    }

    /// The thread uses a connection of this pool.
    pub fn used(&mut self, pool: PoolRef, thread: u32, at: Time) {
        let Some((lender, since)) = self.granted.remove(&thread) else { return };
        if at.saturating_sub(since) > AT_ONCE {
            return;
        }
        let Some(lender) = self.table.get_mut(&lender) else { return };
        let count = lender.used.entry(pool).or_default();
        *count += 1;
        if *count >= HALVED {
            lender.used.values_mut().for_each(|count| *count /= 2);
            lender.used.retain(|_, count| *count > 0);
        }
    }

    /// The pool that a lender is; while nothing was seen of any, `only`.
    pub fn pool_of(&self, lender: LenderId, only: Option<PoolRef>) -> Option<PoolRef> {
        let used = &self.table.get(&lender)?.used;
        let most = used.iter().max_by_key(|(_, count)| **count).map(|(pool, _)| *pool);
        most.or_else(|| only.filter(|_| self.table.values().all(|lender| lender.used.is_empty())))
    }

    /// How many ask for a connection of this pool.
    pub fn asking(&self, pool: PoolRef, only: Option<PoolRef>) -> u32 {
        let its = |lender: &&LenderId| self.pool_of(**lender, only) == Some(pool);
        self.table.keys().filter(its).filter_map(|lender| self.table.get(lender)).map(|l| l.asking).sum()
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
        assert_eq!((lenders.pool_of(10, Some(first)), lenders.pool_of(20, None)), (Some(first), None));
        lenders.grant(10, 7, 5 * MS);
        lenders.used(second, 7, 5 * MS + 1000);
        assert_eq!((lenders.asking(second, None), lenders.asking(first, Some(first))), (1, 0));
        // Another lender may be of another kind of server: it is not guessed any more.
        assert_eq!(lenders.pool_of(20, Some(first)), None);
    }

    #[test]
    fn what_a_thread_does_later_shows_nothing() {
        let mut lenders = Lenders::default();
        lenders.ask(10);
        lenders.grant(10, 7, 5 * MS);
        lenders.used(PoolRef::new(1), 7, 5 * MS + AT_ONCE + 1);
        lenders.used(PoolRef::new(1), 8, 5 * MS);
        assert_eq!(lenders.pool_of(10, None), None);
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
