//! Leases: stretches of use of one connection, each the property of one borrower.
//!
//! In come a connection's moves, out goes the length of each lease that ended. An end is held back until
//! the next request or the next tick, because only then is it known that no pipelined request was under
//! way, and that its borrower asks no more: such a request belongs to the same lease. A lease whose beginning or end
//! was not seen has no length. Nor has one of nothing but `SET` and `SHOW` before all others: drivers and pools set
//! up what they have opened so, and nobody has borrowed it yet.

use std::collections::BTreeSet;

use super::connection::{Begin, Moved};
use crate::event::{SocketId, Time};

/// Operations by which a new connection is set up.
const SETS_UP: [&str; 2] = ["SET", "SHOW"];

#[derive(Clone, Copy, Debug)]
struct Lease {
    begun: Time,
    /// `begun` is surely its beginning.
    sure: bool,
    /// Somebody asked for more than to set up the connection.
    used: bool,
}

/// The lease of one connection, and the one before it until its end is certain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leases {
    current: Option<Lease>,
    ended: Option<(Lease, Time)>,
    /// How many there were.
    count: u64,
}

impl Leases {
    /// Follows its connection; returns the length of the lease whose end became certain.
    pub fn follow(&mut self, moved: &Moved) -> Option<Time> {
        let took = moved.began.and_then(|begin| self.begin(begin));
        if let Some(end) = moved.ended {
            let lease = self.current.take();
            self.ended = lease.filter(|_| end.sure).map(|lease| (lease, end.at)).or(self.ended);
        }
        took
    }

    /// What was asked in the newest lease.
    pub fn ask(&mut self, operation: &str) {
        if self.count == 0 && SETS_UP.contains(&operation) {
            return;
        }
        let newest = self.current.as_mut().or(self.ended.as_mut().map(|(lease, _)| lease));
        if let Some(lease) = newest.filter(|lease| !lease.used) {
            lease.used = true;
            self.count += 1;
        }
    }

    /// Its borrower asks again: the lease whose end was held back goes on.
    pub fn resume(&mut self) {
        if self.current.is_none() {
            self.current = self.ended.take().map(|(lease, _)| lease);
        }
    }

    /// No request that is still unknown can belong to the ended lease any more; returns its length.
    pub fn settle(&mut self) -> Option<Time> {
        let (lease, at) = self.ended.take()?;
        (lease.sure && lease.used).then(|| at.saturating_sub(lease.begun))
    }

    /// An end is being held back.
    pub const fn unsettled(&self) -> bool {
        self.ended.is_some()
    }

    /// When the current lease began, as far as that was seen.
    pub fn begun(&self) -> Option<Time> {
        self.current.map(|lease| lease.begun)
    }

    /// No second one has begun.
    pub const fn is_first(&self) -> bool {
        self.count <= 1
    }

    fn begin(&mut self, begin: Begin) -> Option<Time> {
        if self.current.is_some() {
            return None;
        }
        if let Some((_, at)) = self.ended
            && begin.sent < at
        {
            self.resume();
            return None;
        }
        self.current = Some(Lease { begun: begin.at, sure: begin.sure, used: false });
        self.settle()
    }
}

/// Leases of one pool's connections that go on, by their beginning: the oldest is asked for with each page, when nobody
/// should visit all connections. A short lease is over before it is told, and never stands here.
#[derive(Debug, Default)]
pub struct Current {
    begun: BTreeSet<(Time, SocketId)>,
}

impl Current {
    /// A connection's current lease began then, if it has one; `told` = what was said before, and is from now on.
    pub fn follow(&mut self, socket: SocketId, told: &mut Option<Time>, begun: Option<Time>) {
        if *told == begun {
            return;
        }
        if let Some(before) = told.take() {
            self.begun.remove(&(before, socket));
        }
        self.begun.extend(begun.map(|begun| (begun, socket)));
        *told = begun;
    }

    /// When the oldest began.
    pub fn oldest(&self) -> Option<Time> {
        self.begun.first().map(|(begun, _)| *begun)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::connection::{End, Standing},
        *,
    };

    fn moved(began: Option<(Time, Time)>, ended: Option<(Time, Time)>) -> Moved {
        Moved {
            from: Standing::Idle,
            to: Standing::Idle,
            began: began.map(|(at, sent)| Begin { at, sent, sure: true }),
            ended: ended.map(|(begun, at)| End { begun, at, sure: true }),
        }
    }

    /// One answered request.
    fn asked(leases: &mut Leases, begun: Time, ended: Time, operation: &str) -> Option<Time> {
        let took = leases.follow(&moved(Some((begun, begun)), Some((begun, ended))));
        leases.ask(operation);
        took
    }

    #[test]
    fn a_lease_is_told_when_the_next_begins() {
        let mut leases = Leases::default();
        assert_eq!(asked(&mut leases, 10, 15, "SELECT"), None);
        assert_eq!(leases.follow(&moved(Some((20, 20)), None)), Some(5));
        assert_eq!(leases.begun(), Some(20));
        assert_eq!(leases.follow(&moved(None, Some((20, 27)))), None);
        leases.ask("SELECT");
        assert_eq!(leases.settle(), Some(7));
        assert_eq!(leases.settle(), None);
    }

    #[test]
    fn the_oldest_that_goes_on_is_known() {
        let (mut current, mut one, mut other) = (Current::default(), None, None);
        current.follow(SocketId(1), &mut one, Some(5));
        current.follow(SocketId(2), &mut other, Some(3));
        current.follow(SocketId(2), &mut other, Some(3));
        assert_eq!(current.oldest(), Some(3));
        current.follow(SocketId(2), &mut other, Some(9));
        assert_eq!((current.oldest(), other), (Some(5), Some(9)));
        current.follow(SocketId(1), &mut one, None);
        current.follow(SocketId(2), &mut other, None);
        assert_eq!((current.oldest(), one, current.begun.len()), (None, None, 0));
    }

    #[test]
    fn pipelined_requests_are_one_lease() {
        let mut leases = Leases::default();
        leases.follow(&moved(Some((10, 10)), Some((10, 15))));
        assert_eq!(leases.follow(&moved(Some((15, 11)), Some((15, 18)))), None);
        assert_eq!(leases.follow(&moved(Some((18, 12)), Some((18, 18)))), None);
        leases.ask("SELECT");
        assert_eq!(leases.settle(), Some(8));
    }

    #[test]
    fn a_lease_that_ended_unseen_has_no_length() {
        let mut leases = Leases::default();
        leases.follow(&moved(Some((10, 10)), None));
        let mut lost = moved(None, Some((10, 15)));
        lost.ended = lost.ended.map(|end| End { sure: false, ..end });
        leases.follow(&lost);
        assert_eq!(leases.settle(), None);
        assert_eq!(leases.begun(), None);
    }

    #[test]
    fn what_sets_up_a_connection_is_nobodys_lease() {
        let mut leases = Leases::default();
        assert_eq!(asked(&mut leases, 10, 15, "SET"), None);
        assert_eq!(asked(&mut leases, 20, 25, "SHOW"), None);
        assert_eq!(asked(&mut leases, 30, 37, "SELECT"), None);
        assert!(leases.is_first());
        assert_eq!(asked(&mut leases, 40, 48, "SET"), Some(7), "set up it is");
        assert!(!leases.is_first());
        assert_eq!(leases.settle(), Some(8));
    }

    #[test]
    fn a_borrower_that_asks_again_has_one_lease() {
        let mut leases = Leases::default();
        asked(&mut leases, 10, 15, "");
        leases.resume();
        assert_eq!(asked(&mut leases, 20, 28, "SELECT"), None);
        assert!(leases.is_first());
        assert_eq!(leases.settle(), Some(18));
    }
}
