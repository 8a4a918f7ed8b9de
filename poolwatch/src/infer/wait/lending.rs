//! The connections of one pool by how they are lent, so that one question is cheap: is one of them surely idle?
//!
//! While one is, nobody waits: every pool hands out an idle connection at once.

use std::collections::BTreeSet;

use super::{lent::State, order::Order};
use crate::event::{SocketId, Time};

/// Time after which a connection that was not proven to be returned counts as returned.
pub const PERHAPS: Time = 50_000_000;
/// Time in which a returned connection goes to a waiter, in the quickest libraries and languages.
pub const HANDED: Time = 2_000_000;
/// The same where many seem to wait: some libraries hand over by a task, which comes when the others had their turn.
pub const CROWDED: Time = 50_000_000;
/// Time that no handover takes while few wait, even if the process did something else meanwhile.
const STALLED: Time = 20_000_000;

/// Since when no connection was idle, as far as it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// For longer than a handover usually takes.
    pub since: Time,
    /// For longer than any takes.
    pub surely: Time,
}

/// The connections of one pool.
#[derive(Debug, Default)]
pub struct Lending {
    /// Idle ones, with the moment since when.
    idle: BTreeSet<(Time, SocketId)>,
    /// Those of which it is not proven.
    perhaps: BTreeSet<(Time, SocketId)>,
    lent: u32,
    silent: u32,
    likely: u32,
    /// Most that were known at once.
    pub most: u32,
    /// Many seem to wait.
    pub crowded: bool,
    full: Full,
    /// In which order they are lent.
    pub order: Order,
}

impl Lending {
    /// A connection enters with this state.
    pub fn add(&mut self, socket: SocketId, state: State, since: Time) {
        match state {
            State::Idle => {
                self.idle.insert((since, socket));
            }
            State::Perhaps | State::Likely => {
                self.perhaps.insert((since, socket));
            }
            State::Busy | State::Transaction | State::Held => {}
        }
        self.lent += u32::from(state.is_lent());
        self.silent += u32::from(state.is_silent());
        self.likely += u32::from(state == State::Likely);
        self.most = self.most.max(self.count());
    }

    /// A connection leaves, or changes its state: `since` is what it was added with.
    pub fn remove(&mut self, socket: SocketId, state: State, since: Time) {
        match state {
            State::Idle => {
                self.idle.remove(&(since, socket));
            }
            State::Perhaps | State::Likely => {
                self.perhaps.remove(&(since, socket));
            }
            State::Busy | State::Transaction | State::Held => {}
        }
        self.lent = self.lent.saturating_sub(u32::from(state.is_lent()));
        self.silent = self.silent.saturating_sub(u32::from(state.is_silent()));
        self.likely = self.likely.saturating_sub(u32::from(state == State::Likely));
    }

    /// The connection that was answered longest ago of those of which it is not proven that they were returned.
    pub fn oldest_perhaps(&self) -> Option<(Time, SocketId)> {
        self.perhaps.first().copied()
    }

    /// How many are idle.
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// How many of these there are.
    pub fn perhaps(&self) -> usize {
        self.perhaps.len()
    }

    /// The connection that counts as returned next, and when.
    pub fn next_returned(&self) -> Option<(Time, SocketId)> {
        self.perhaps.first().map(|(since, socket)| (since.saturating_add(PERHAPS), *socket))
    }

    /// Since when some connection has surely been idle; `None` = all may be lent.
    pub fn idle_from(&self) -> Option<Time> {
        self.idle.first().map(|(since, _)| since.saturating_add(self.handed()))
    }

    /// Time after which one that was returned goes to nobody.
    const fn handed(&self) -> Time {
        if self.crowded { CROWDED } else { HANDED }
    }

    /// Another connection than this one is surely idle at `at`.
    pub fn is_idle_beside(&self, socket: SocketId, at: Time) -> bool {
        let mut others = self.idle.iter().filter(|(_, other)| *other != socket);
        others.next().is_some_and(|(since, _)| since.saturating_add(self.handed()) <= at)
    }

    /// One of them begins something: since when has none been idle? That one was until now if it `rested`.
    pub fn full_since(&mut self, at: Time, rested: bool) -> Full {
        if (rested && !self.crowded) || self.idle_from().is_some_and(|from| from <= at) {
            self.full.since = at;
        }
        let most = STALLED.max(self.handed());
        if self.idle.first().is_some_and(|(since, _)| since.saturating_add(most) <= at) {
            self.full.surely = at;
        }
        self.full
    }

    /// Connections that are lent.
    pub const fn lent(&self) -> u32 {
        self.lent
    }

    /// Connections that are used although nothing on the wire says so. While many wait, one that was returned would be
    /// lent anew: its borrower still has it, or the next one does.
    pub const fn silent(&self) -> u32 {
        if self.crowded { self.silent + self.likely } else { self.silent }
    }

    /// All connections.
    pub fn count(&self) -> u32 {
        self.lent.saturating_add(u32::try_from(self.idle.len()).unwrap_or(u32::MAX))
    }

    /// None is surely idle at `at`, and there are some.
    pub fn is_saturated(&self, at: Time) -> bool {
        self.lent > 0 && self.idle_from().is_none_or(|from| from > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SocketId = SocketId(1);
    const TWO: SocketId = SocketId(2);

    #[test]
    fn a_connection_is_surely_idle_after_the_time_of_a_handover() {
        let mut lending = Lending::default();
        lending.add(ONE, State::Busy, 0);
        lending.add(TWO, State::Idle, 100);
        assert_eq!((lending.lent(), lending.count(), lending.most), (1, 2, 2));
        assert!(lending.is_saturated(100 + HANDED - 1));
        assert!(!lending.is_saturated(100 + HANDED));
        assert!(lending.is_idle_beside(ONE, 100 + HANDED));
        assert!(!lending.is_idle_beside(TWO, 100 + HANDED));
    }

    #[test]
    fn what_is_perhaps_returned_counts_as_lent_for_a_while() {
        let mut lending = Lending::default();
        lending.add(ONE, State::Perhaps, 7);
        assert_eq!((lending.lent(), lending.silent()), (1, 1));
        assert_eq!(lending.next_returned(), Some((7 + PERHAPS, ONE)));
        lending.remove(ONE, State::Perhaps, 7);
        assert_eq!((lending.lent(), lending.silent(), lending.next_returned()), (0, 0, None));
    }

    #[test]
    fn a_pool_is_full_from_when_its_last_idle_connection_was_taken() {
        let mut lending = Lending::default();
        lending.add(ONE, State::Idle, 0);
        lending.add(TWO, State::Busy, 0);
        assert_eq!(lending.full_since(HANDED, false).since, HANDED);
        lending.remove(ONE, State::Idle, 0);
        lending.add(ONE, State::Busy, HANDED);
        assert_eq!(lending.full_since(5 * HANDED, false).since, HANDED);
        lending.remove(TWO, State::Busy, 0);
        lending.add(TWO, State::Idle, 5 * HANDED);
        assert_eq!(lending.full_since(5 * HANDED + 1, false).since, HANDED, "handed over");
        assert_eq!(lending.full_since(5 * HANDED + 2, true).since, 5 * HANDED + 2);
        assert_eq!(lending.full.surely, 0, "none was idle for long");
        lending.crowded = true;
        assert_eq!(
            lending.full_since(5 * HANDED + 3, true).since,
            5 * HANDED + 2,
            "its task had to wait for its turn"
        );
    }

    #[test]
    fn what_was_likely_returned_is_used_only_while_many_wait() {
        let mut lending = Lending::default();
        lending.add(ONE, State::Likely, 7);
        assert_eq!((lending.lent(), lending.silent(), lending.is_saturated(8)), (1, 0, true));
        lending.crowded = true;
        assert_eq!(lending.silent(), 1);
        lending.remove(ONE, State::Likely, 7);
        assert_eq!((lending.lent(), lending.silent(), lending.next_returned()), (0, 0, None));
    }
}
