//! The size limit of a pool, learned from outside: a plateau while requests waited.
//!
//! A pool that has room opens a connection when somebody waits. So: all connections are used, somebody waits,
//! and yet no `connect()` follows for a second: the pool is as large as it may be. In come counts with their
//! moments and whether somebody waits, out goes the limit. A pool that is seen above its limit has shown that it was none: the limit is forgotten.

use super::snapshot::Connections;
use crate::event::{SECOND, Time};

/// For so long no connection is opened although somebody waited.
const QUIET: Time = SECOND;
/// For so long altogether somebody must have waited within [`WINDOW`]: less may be an error of the estimate.
const WAITED: Time = SECOND / 50;
/// A weak estimate counts for this part of its time: that nobody opened a connection in ten times as long, while
/// all were used, is proof enough beside it.
const WEAK: Time = 10;
/// Waiting that is longer ago proves nothing together with what came later.
const WINDOW: Time = 10 * SECOND;

/// What is known of those who wait for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Nobody waits, or nobody knows.
    Empty,
    /// By a weak estimate somebody waits.
    Weak,
    /// Somebody waits.
    Waiting,
}

/// All connections are used and somebody waits, now or a moment ago.
#[derive(Clone, Copy, Debug)]
struct Full {
    size: u32,
    since: Time,
    waited: Time,
    /// The moment up to which the waiting is counted, and the part that counts; `None` while nobody waits.
    counted: Option<(Time, Time)>,
}

/// What one pool shows of its limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plateau {
    limit: Option<u32>,
    /// This pool itself has shown it.
    own: bool,
    full: Option<Full>,
    above: Option<Time>,
    now: Time,
}

impl Plateau {
    /// The limit, where it is known.
    pub const fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// The limit, if this pool itself has shown it.
    pub fn shown(&self) -> Option<u32> {
        self.limit.filter(|_| self.own)
    }

    /// The limit that another process of the service has shown.
    pub const fn inherit(&mut self, limit: u32) {
        if self.limit.is_none() {
            self.limit = Some(limit);
        }
    }

    /// The pool opens a connection, or tries to.
    pub const fn connect(&mut self) {
        self.full = None;
    }

    /// How things stand from `at` on, up to the next call; `queue` = whether somebody waits for one.
    /// True when the limit is another than before.
    pub fn observe(&mut self, at: Time, connections: &Connections, queue: Queue) -> bool {
        self.now = self.now.max(at);
        let before = self.limit;
        self.disprove(connections);
        if connections.opening > 0 {
            self.connect();
        }
        self.wait(connections, queue);
        self.learn();
        self.limit != before
    }

    fn disprove(&mut self, connections: &Connections) {
        let Some(limit) = self.limit else { return };
        // A connection that is being replaced may stand beside its successor for a moment.
        let open = connections.total.saturating_sub(connections.opening);
        if open <= limit {
            self.above = None;
            return;
        }
        let since = *self.above.get_or_insert(self.now);
        if connections.used > limit || self.now.saturating_sub(since) >= QUIET {
            (self.limit, self.own, self.above) = (None, false, None);
        }
    }

    fn wait(&mut self, connections: &Connections, queue: Queue) {
        let now = self.now;
        self.full = self
            .full
            .filter(|full| full.size == connections.total && now.saturating_sub(full.since) <= WINDOW);
        if let Some(full) = &mut self.full
            && let Some((counted, part)) = full.counted
        {
            full.waited = full.waited.saturating_add(now.saturating_sub(counted) / part);
        }
        let part = if queue == Queue::Weak { WEAK } else { 1 };
        let is_full = queue != Queue::Empty && connections.total > 0 && connections.used == connections.total;
        if is_full && self.full.is_none() {
            self.full = Some(Full { size: connections.total, since: now, waited: 0, counted: None });
        }
        if let Some(full) = &mut self.full {
            full.counted = is_full.then_some((now, part));
        }
    }

    fn learn(&mut self) {
        let Some(full) = self.full else { return };
        if full.waited < WAITED || self.now.saturating_sub(full.since) < QUIET {
            return;
        }
        // What was seen at work is possible; what another process could do need not be so here.
        if !self.own || self.limit.is_none_or(|limit| full.size > limit) {
            (self.limit, self.own) = (Some(full.size), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Time = SECOND / 1000;

    fn used(used: u32, total: u32) -> Connections {
        Connections { used, idle: total - used, total, ..Connections::default() }
    }

    fn queue(waiting: bool) -> Queue {
        if waiting { Queue::Waiting } else { Queue::Empty }
    }

    /// Observations: milliseconds, used, total, waiting.
    fn after(observations: &[(u64, u32, u32, bool)]) -> Plateau {
        let mut plateau = Plateau::default();
        for (at, busy, total, waiting) in observations {
            plateau.observe(at * MS, &used(*busy, *total), queue(*waiting));
        }
        plateau
    }

    #[test]
    fn a_second_of_waiting_without_a_new_connection_shows_the_limit() {
        assert_eq!(after(&[(0, 5, 5, true), (999, 5, 5, true)]).limit(), None);
        assert_eq!(after(&[(0, 5, 5, true), (1000, 5, 5, true)]).shown(), Some(5));
        // The waiting may end; nothing was opened all the same.
        assert_eq!(after(&[(0, 5, 5, true), (20, 4, 5, false), (1000, 1, 5, false)]).limit(), Some(5));
    }

    #[test]
    fn without_waiting_or_with_an_idle_connection_nothing_is_shown() {
        assert_eq!(after(&[(0, 5, 5, false), (5000, 5, 5, false)]).limit(), None);
        assert_eq!(after(&[(0, 4, 5, true), (5000, 4, 5, true)]).limit(), None);
        assert_eq!(after(&[(0, 0, 0, true), (5000, 0, 0, true)]).limit(), None);
        let mut plateau = Plateau::default();
        let unknown = Connections { used: 4, unknown: 1, total: 5, ..Connections::default() };
        plateau.observe(0, &unknown, Queue::Waiting);
        plateau.observe(5 * SECOND, &unknown, Queue::Waiting);
        assert_eq!(plateau.limit(), None);
    }

    #[test]
    fn a_moment_of_waiting_may_be_an_error() {
        assert_eq!(after(&[(0, 5, 5, true), (19, 5, 5, false), (2000, 5, 5, false)]).limit(), None);
        // Moments add up, but not over more than some seconds.
        let twice =
            [(0, 5, 5, true), (10, 5, 5, false), (500, 5, 5, true), (510, 5, 5, false), (1000, 0, 5, false)];
        assert_eq!(after(&twice).limit(), Some(5));
        let late = [
            (0, 5, 5, true),
            (10, 5, 5, false),
            (11_000, 5, 5, true),
            (11_010, 5, 5, false),
            (12_500, 0, 5, false),
        ];
        assert_eq!(after(&late).limit(), None);
    }

    #[test]
    fn a_weak_estimate_needs_ten_times_as_long() {
        let mut plateau = Plateau::default();
        plateau.observe(0, &used(5, 5), Queue::Weak);
        plateau.observe(199 * MS, &used(4, 5), Queue::Empty);
        plateau.observe(1500 * MS, &used(5, 5), Queue::Weak);
        assert_eq!(plateau.limit(), None);
        plateau.observe(1501 * MS, &used(5, 5), Queue::Weak);
        assert_eq!(plateau.limit(), Some(5));
    }

    #[test]
    fn an_attempt_to_connect_begins_it_anew() {
        let mut plateau = after(&[(0, 5, 5, true), (900, 5, 5, true)]);
        plateau.connect();
        plateau.observe(1000 * MS, &used(5, 5), Queue::Waiting);
        plateau.observe(1900 * MS, &used(5, 5), Queue::Waiting);
        assert_eq!(plateau.limit(), None);
        let opening = Connections { used: 5, opening: 1, total: 6, ..Connections::default() };
        plateau.observe(1950 * MS, &opening, Queue::Waiting);
        plateau.observe(2000 * MS, &used(6, 6), Queue::Waiting);
        plateau.observe(2999 * MS, &used(6, 6), Queue::Waiting);
        assert_eq!(plateau.limit(), None);
        plateau.observe(3000 * MS, &used(6, 6), Queue::Waiting);
        assert_eq!(plateau.limit(), Some(6));
    }

    #[test]
    fn a_pool_above_its_limit_has_shown_that_it_was_none() {
        let mut plateau = after(&[(0, 5, 5, true), (1000, 5, 5, true)]);
        assert!(plateau.observe(2000 * MS, &used(6, 6), Queue::Empty));
        assert_eq!(plateau.limit(), None);
        plateau.observe(3000 * MS, &used(6, 6), Queue::Waiting);
        plateau.observe(4000 * MS, &used(6, 6), Queue::Waiting);
        assert_eq!(plateau.limit(), Some(6));
    }

    #[test]
    fn a_connection_that_is_being_replaced_is_none_too_many() {
        let mut plateau = after(&[(0, 5, 5, true), (1000, 5, 5, true)]);
        plateau.observe(2000 * MS, &used(4, 6), Queue::Empty);
        plateau.observe(2500 * MS, &used(5, 5), Queue::Empty);
        plateau.observe(3400 * MS, &used(4, 6), Queue::Empty);
        plateau.observe(4300 * MS, &used(4, 6), Queue::Empty);
        assert_eq!(plateau.limit(), Some(5));
        plateau.observe(4400 * MS, &used(4, 6), Queue::Empty);
        assert_eq!(plateau.limit(), None);
    }

    #[test]
    fn what_was_inherited_holds_until_the_pool_shows_its_own() {
        let mut plateau = Plateau::default();
        plateau.inherit(10);
        assert_eq!((plateau.limit(), plateau.shown()), (Some(10), None));
        plateau.observe(0, &used(4, 4), Queue::Waiting);
        assert!(plateau.observe(SECOND, &used(4, 4), Queue::Waiting));
        assert_eq!(plateau.shown(), Some(4));
        plateau.inherit(10);
        assert_eq!(plateau.limit(), Some(4));
    }

    #[test]
    fn fewer_connections_later_do_not_lower_it() {
        let seen = [(0, 5, 5, true), (1000, 5, 5, true), (2000, 3, 3, true), (4000, 3, 3, true)];
        assert_eq!(after(&seen).limit(), Some(5));
    }

    proptest! {
        #[test]
        fn a_limit_is_always_a_number_of_connections_that_were_all_used(
            seen in prop::collection::vec((0_u64..20_000, 0_u32..6, 0_u32..6, any::<bool>()), 0..60)
        ) {
            let mut plateau = Plateau::default();
            let mut full = Vec::new();
            for (at, busy, idle, waiting) in seen {
                let total = busy + idle;
                if waiting && idle == 0 && total > 0 {
                    full.push(total);
                }
                plateau.observe(at * MS, &used(busy, total), queue(waiting));
                if let Some(limit) = plateau.limit() {
                    prop_assert!(full.contains(&limit) && busy <= limit);
                }
            }
        }
    }
}
