//! Connections that are opened for one borrower and closed after it: a pool that is none.
//!
//! In come leases and ends of connections with their moments, out goes a verdict over the last 60 seconds.
//! A pool now and then replaces connections, too; only when most connections that ended, and most leases,
//! were of this kind is it worth a word.

use super::{
    status::ENOUGH,
    window::{Sum, Window},
};
use crate::event::{SECOND, Time};

/// How much longer than its only lease such a connection may live: to log in, and to be closed.
const SLACK: Time = 2 * SECOND;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Leases that ended.
    leases: u64,
    /// Connections that ended.
    ended: u64,
    /// Those of them that were opened for one lease.
    single: u64,
}

impl Sum for Counts {
    fn add(&mut self, other: &Self) {
        self.leases += other.leases;
        self.ended += other.ended;
        self.single += other.single;
    }

    fn subtract(&mut self, other: &Self) {
        self.leases = self.leases.saturating_sub(other.leases);
        self.ended = self.ended.saturating_sub(other.ended);
        self.single = self.single.saturating_sub(other.single);
    }
}

/// The last 60 seconds of one pool.
#[derive(Clone, Debug, Default)]
pub struct Churn {
    window: Window<Counts>,
}

impl Churn {
    /// A lease ended.
    pub fn lease(&mut self, at: Time) {
        self.window.add(at, &Counts { leases: 1, ..Counts::default() });
    }

    /// A connection ended that had lived so long; `lease` = the length of its lease, if it had only one.
    pub fn end(&mut self, at: Time, lived: Time, lease: Option<Time>) {
        let single = lease.is_some_and(|took| lived <= took.saturating_add(SLACK));
        self.window.add(at, &Counts { ended: 1, single: u64::from(single), leases: 0 });
    }

    /// Most connections and most leases of the last 60 s were one and the same.
    pub fn is_per_query(&self, now: Time) -> bool {
        let sum = self.window.sums(now);
        sum.single >= ENOUGH && sum.single * 2 > sum.ended && sum.single * 2 > sum.leases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Time = SECOND / 1000;

    #[test]
    fn a_connection_for_each_query_is_seen() {
        let mut churn = Churn::default();
        for nth in 0..9 {
            churn.lease(nth * 100 * MS);
            churn.end(nth * 100 * MS, 30 * MS, Some(2 * MS));
        }
        assert!(!churn.is_per_query(SECOND));
        churn.lease(SECOND);
        churn.end(SECOND, 30 * MS, Some(2 * MS));
        assert!(churn.is_per_query(SECOND));
        assert!(churn.is_per_query(59 * SECOND));
        assert!(!churn.is_per_query(61 * SECOND));
    }

    #[test]
    fn a_pool_that_replaces_its_connections_is_a_pool() {
        let mut churn = Churn::default();
        for nth in 0..100 {
            churn.lease(nth * 10 * MS);
            // Each lived for half an hour, and had many leases, or one a while ago.
            churn.end(nth * 10 * MS, 1800 * SECOND, (nth % 2 == 0).then_some(MS));
        }
        assert!(!churn.is_per_query(SECOND));
    }

    #[test]
    fn a_few_of_their_kind_beside_many_leases_are_nothing() {
        let mut churn = Churn::default();
        for nth in 0..20 {
            churn.lease(nth * MS);
            churn.end(nth * MS, 30 * MS, Some(2 * MS));
        }
        assert!(churn.is_per_query(SECOND));
        (0..21).for_each(|nth| churn.lease(nth * MS));
        assert!(!churn.is_per_query(SECOND));
    }

    #[test]
    fn nothing_is_no_churn() {
        assert!(!Churn::default().is_per_query(0));
    }
}
