//! Connections that are opened for one borrower and closed after it: a pool that is none.
//!
//! In come leases and ends of connections with their moments, out goes a verdict over the last 60 seconds.
//! A pool now and then replaces connections, too; only when most connections that ended, and most leases,
//! were of this kind is it worth a word.

use super::status::ENOUGH;
use crate::event::{SECOND, Time};

/// Seconds of the window.
const WINDOW: u64 = 60;
const BUCKETS: usize = 60;
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

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    second: u64,
    counts: Counts,
}

/// The last 60 seconds of one pool. Its buckets are made with the first event.
#[derive(Clone, Debug, Default)]
pub struct Churn {
    buckets: Vec<Bucket>,
}

impl Churn {
    /// A lease ended.
    pub fn lease(&mut self, at: Time) {
        self.count(at, |counts| counts.leases += 1);
    }

    /// A connection ended that had lived so long; `lease` = the length of its lease, if it had only one.
    pub fn end(&mut self, at: Time, lived: Time, lease: Option<Time>) {
        let single = lease.is_some_and(|took| lived <= took.saturating_add(SLACK));
        self.count(at, |counts| {
            counts.ended += 1;
            counts.single += u64::from(single);
        });
    }

    /// Most connections and most leases of the last 60 s were one and the same.
    pub fn is_per_query(&self, now: Time) -> bool {
        let mut sum = Counts::default();
        let second = now / SECOND;
        for Bucket { second: of, counts } in &self.buckets {
            if *of <= second && second - of < WINDOW {
                sum.leases += counts.leases;
                sum.ended += counts.ended;
                sum.single += counts.single;
            }
        }
        sum.single >= ENOUGH && sum.single * 2 > sum.ended && sum.single * 2 > sum.leases
    }

    fn count(&mut self, at: Time, add: impl FnOnce(&mut Counts)) {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        let second = at / SECOND;
        let index = usize::try_from(second % WINDOW).unwrap_or(0);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        if bucket.second < second {
            *bucket = Bucket { second, counts: Counts::default() };
        }
        // What is older than its bucket is out of the window.
        if bucket.second == second {
            add(&mut bucket.counts);
        }
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
