//! Borrowers as a probe in the pool's own library tells of them: exact.
//!
//! Who asked before the probe came is a stranger: how many these are is taken from the demands of that moment,
//! and each answer that nobody asked for is one of theirs.

use super::{
    super::{given_up, limits, pools::PoolRef},
    Waited, Waits,
    lender::{LenderId, Lenders},
    lending::Lending,
    nanoseconds,
};
use crate::event::{Begun, Borrow, Borrowing, HashMap, Time};

/// Time in which a borrower gets a connection that is idle, and both are told of.
const AT_ONCE: Time = 10_000_000;
/// The same where no record was lost: a thread that has the connection may have no processor for so long.
const STALLED: Time = 500_000_000;

/// One that asks.
#[derive(Clone, Copy, Debug)]
struct Asking {
    since: Time,
    /// How long some connection had been idle until then.
    idle: Time,
    lender: LenderId,
}

/// Borrowers that ask, by the name that the probe gives them.
#[derive(Debug, Default)]
pub struct Borrowers {
    told_since: Option<Time>,
    asking: HashMap<u64, Asking>,
    strangers: u32,
    lenders: Lenders,
    refused: u64,
}

impl Borrowers {
    /// All borrowers of this pool are told of. A library that the program has need not be the one that it uses.
    pub fn knows(&self, pool: PoolRef) -> bool {
        self.told_since.is_some() && self.lenders.has(pool)
    }

    /// Who began to wait for this pool then is told of.
    pub fn knows_of(&self, pool: PoolRef, since: f64) -> bool {
        self.told_since.is_some_and(|told| since >= told as f64) && self.lenders.has(pool)
    }

    /// Borrowers that found no room since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Some connection is surely idle: nobody has been waiting for long.
    pub const fn relax(&mut self) {
        self.strangers = 0;
    }

    /// A pool is gone.
    pub fn end(&mut self, pool: PoolRef) {
        self.lenders.end(pool);
    }

    fn ask(&mut self, borrow: &Borrow, idle: Time) {
        if self.asking.len() >= limits::BORROWERS && !self.asking.contains_key(&borrow.borrower) {
            self.refused += 1;
            return;
        }
        let lender = self.lenders.admit(borrow.pool);
        let before = self.asking.insert(borrow.borrower, Asking { since: borrow.at, idle, lender });
        self.lenders.ask(lender);
        if let Some(before) = before {
            self.lenders.answer(before.lender);
        }
    }

    /// It is answered: who asked, if that was told.
    fn answer(&mut self, borrow: &Borrow) -> Option<Asking> {
        let asking = self.asking.remove(&borrow.borrower)?;
        self.lenders.answer(asking.lender);
        if borrow.borrowing == Borrowing::Granted {
            let took = borrow.at.saturating_sub(asking.since);
            self.lenders.grant(asking.lender, borrow.thread, borrow.at, took);
        }
        Some(asking)
    }
}

impl Waits {
    /// Borrowers are told of from `at` on, or no longer.
    pub fn watch_borrowers(&mut self, at: Time, told: bool) {
        self.advance(at);
        if told && self.borrowers.told_since.is_none() {
            let waiting: f64 = self.lendings.keys().map(|pool| self.waiting_now(*pool, at)).sum();
            self.borrowers.strangers = u32::try_from(nanoseconds(waiting)).unwrap_or(u32::MAX);
            self.borrowers.told_since = Some(at);
        } else if !told {
            let asking: Vec<Asking> = self.borrowers.asking.drain().map(|(_, asking)| asking).collect();
            for Asking { since, lender, .. } in asking {
                self.add_wait(lender, at.saturating_sub(since));
            }
            self.borrowers.told_since = None;
            self.borrowers.relax();
            self.borrowers.lenders.clear();
        }
        self.weigh(at);
    }

    /// A borrower asks, or is answered.
    pub fn borrow(&mut self, borrow: &Borrow) {
        let Some(told_since) = self.borrowers.told_since else { return };
        self.advance(borrow.at);
        if borrow.borrowing == Borrowing::Asks {
            self.borrowers.ask(borrow, self.gauge.idle());
        } else if let Some(asking) = self.borrowers.answer(borrow) {
            self.end_asking(&asking, borrow);
        } else if self.borrowers.strangers > 0 {
            self.borrowers.strangers -= 1;
            if let Some(pool) = self.largest() {
                self.gauge.add(pool, borrow.at.saturating_sub(told_since));
            }
        }
        self.weigh(borrow.at);
    }

    fn end_asking(&mut self, asking: &Asking, borrow: &Borrow) {
        let took = borrow.at.saturating_sub(asking.since);
        let Some(pool) = self.add_wait(asking.lender, took) else { return };
        let waited = Waited { pool, took: took as f64 };
        let wait = self.stretch(asking.since, borrow.at, asking.idle);
        if borrow.borrowing == Borrowing::Granted {
            self.waited.push(waited);
        } else if given_up::refused(&wait, self.failed_since(asking.since)) {
            self.gave_up.push(waited);
        }
    }

    /// Nobody asks for a connection while one is idle: what tells of an answer was lost.
    pub(super) fn forget_answered(&mut self, at: Time) {
        let before = at.saturating_sub(if self.loss > 0.0 { AT_ONCE } else { STALLED });
        let idle = |pool: PoolRef| {
            self.lendings.get(&pool).and_then(Lending::idle_from).is_some_and(|from| from <= before)
        };
        let Borrowers { asking, lenders, .. } = &mut self.borrowers;
        asking.retain(|_, asking| {
            let answered = asking.since <= before && lenders.pool_of(asking.lender).is_some_and(idle);
            if answered {
                lenders.answer(asking.lender);
            }
            !answered
        });
    }

    /// Somebody waited so long for a connection of this lender. Returns the lender's pool.
    fn add_wait(&mut self, lender: LenderId, waited: Time) -> Option<PoolRef> {
        let pool = self.borrowers.lenders.pool_of(lender)?;
        self.gauge.add(pool, waited);
        Some(pool)
    }

    /// A request begins: it shows which pool was borrowed from.
    pub(super) fn see_use(&mut self, begun: &Begun) {
        let Some(pool) = self.lent.get(&begun.socket).map(|lent| lent.pool) else { return };
        let first = self.borrowers.lenders.used(pool, begun.turn.thread, begun.at);
        // Until now the integral was made of other evidence.
        self.waited.extend(first.map(|took| Waited { pool, took: took as f64 }));
    }

    /// How many ask for a connection of this pool.
    pub(super) fn asking(&self, pool: PoolRef) -> f64 {
        let strangers = if self.largest() == Some(pool) { self.borrowers.strangers } else { 0 };
        f64::from(self.borrowers.lenders.asking(pool).saturating_add(strangers))
    }
}

#[cfg(test)]
mod tests {
    use super::super::confidence::Method;
    use super::*;
    use crate::event::{Demand, Protocol, SECOND, SocketId, Turn};

    const MS: Time = SECOND / 1000;
    const POOL: PoolRef = PoolRef::new(1);
    const TURN: Turn = Turn { thread: 5, nth: 0 };

    fn borrow(borrower: u64, at: Time, borrowing: Borrowing) -> Borrow {
        Borrow { pid: 1, borrower, pool: 77, thread: 5, at, borrowing }
    }

    /// A pool whose only connection is in use, and a demand beside the one that uses it.
    fn saturated() -> Waits {
        let mut waits = Waits::default();
        for (socket, at) in [(50, 1), (51, 2)] {
            let socket = SocketId(socket);
            waits.ask(&Demand { socket, pid: 1, at, turn: TURN, protocol: Protocol::Http, route: Some(9) });
        }
        waits.enter(SocketId(1), POOL, false, 3);
        waits.begin(&Begun { socket: SocketId(1), at: 4, turn: TURN, letter: b'Q', bytes: 20 });
        waits
    }

    /// Borrowers are told of, and one of them shows which pool it is.
    fn watch(waits: &mut Waits, at: Time) {
        waits.watch_borrowers(at, true);
        waits.borrow(&borrow(99, at, Borrowing::Asks));
        waits.borrow(&borrow(99, at, Borrowing::Granted));
        waits.begin(&Begun { socket: SocketId(1), at, turn: TURN, letter: b'Q', bytes: 20 });
        assert_eq!(taken(waits), [0.0]);
    }

    fn waiting(waits: &Waits, at: Time) -> u64 {
        nanoseconds(waits.waiting_now(POOL, at))
    }

    fn taken(waits: &mut Waits) -> Vec<f64> {
        let mut waited = Vec::new();
        waits.take_waited(&mut waited);
        waited.into_iter().map(|waited| waited.took).collect()
    }

    #[test]
    fn who_asks_waits_until_it_is_answered() {
        let mut waits = Waits::default();
        waits.enter(SocketId(1), POOL, true, 0);
        watch(&mut waits, MS);
        waits.borrow(&borrow(1, 2 * MS, Borrowing::Asks));
        waits.borrow(&borrow(2, 3 * MS, Borrowing::Asks));
        assert_eq!(waiting(&waits, 4 * MS), 2);
        waits.borrow(&borrow(1, 5 * MS, Borrowing::Granted));
        waits.borrow(&borrow(2, 9 * MS, Borrowing::Refused));
        assert_eq!(waiting(&waits, 9 * MS), 0);
        assert_eq!(taken(&mut waits), [3e6]);
        assert_eq!(waits.take_elapsed(POOL).pending, 9 * MS);
        assert_eq!(waits.take_gave_up(), [Waited { pool: POOL, took: 6e6 }]);
    }

    #[test]
    fn a_library_that_is_not_used_says_nothing() {
        let mut waits = saturated();
        waits.watch_borrowers(SECOND, true);
        waits.borrow(&borrow(1, SECOND, Borrowing::Asks));
        waits.borrow(&borrow(1, SECOND + MS, Borrowing::Granted));
        // What the thread uses much later is not what it was granted.
        let at = SECOND + 9 * MS;
        waits.begin(&Begun { socket: SocketId(1), at, turn: TURN, letter: b'Q', bytes: 20 });
        assert_eq!((waiting(&waits, at), taken(&mut waits).len()), (1, 0));
        assert_ne!(waits.method_of_pending(POOL), Method::Uprobe);
    }

    #[test]
    fn a_stack_that_grew_asks_twice() {
        let mut waits = Waits::default();
        waits.enter(SocketId(1), POOL, true, 0);
        watch(&mut waits, 1);
        waits.borrow(&borrow(1, MS, Borrowing::Asks));
        waits.borrow(&borrow(1, 2 * MS, Borrowing::Asks));
        assert_eq!(waiting(&waits, 2 * MS), 1);
        waits.borrow(&borrow(1, 3 * MS, Borrowing::Granted));
        assert_eq!((waiting(&waits, 3 * MS), taken(&mut waits)), (0, vec![1e6]));
    }

    #[test]
    fn who_asked_before_the_probe_came_is_a_stranger() {
        let mut waits = saturated();
        waits.weigh(SECOND);
        assert_eq!(waiting(&waits, SECOND), 1);
        watch(&mut waits, SECOND);
        waits.borrow(&borrow(1, SECOND + MS, Borrowing::Asks));
        assert_eq!(waiting(&waits, SECOND + MS), 2);
        let _ = waits.take_elapsed(POOL);
        waits.borrow(&borrow(2, SECOND + 3 * MS, Borrowing::Granted));
        assert_eq!(waiting(&waits, SECOND + 3 * MS), 1);
        assert_eq!((waits.take_elapsed(POOL).pending, taken(&mut waits).len()), (3 * MS, 0));
        // One more than there were strangers: nothing is known of it.
        waits.borrow(&borrow(3, SECOND + 4 * MS, Borrowing::Granted));
        assert_eq!(waiting(&waits, SECOND + 4 * MS), 1);
    }

    #[test]
    fn an_answer_that_was_lost_is_known_by_an_idle_connection() {
        let mut waits = Waits::default();
        waits.enter(SocketId(1), POOL, true, 0);
        watch(&mut waits, MS);
        waits.borrow(&borrow(1, 2 * MS, Borrowing::Asks));
        waits.tick(5 * MS);
        assert_eq!(waiting(&waits, 5 * MS), 1);
        waits.place(SocketId(1), super::super::lent::State::Idle, 6 * MS);
        waits.tick(SECOND);
        assert_eq!(waiting(&waits, SECOND), 0);
    }

    #[test]
    fn when_the_probe_goes_nobody_is_left() {
        let mut waits = saturated();
        watch(&mut waits, SECOND);
        waits.borrow(&borrow(1, SECOND, Borrowing::Asks));
        let _ = waits.take_elapsed(POOL);
        waits.watch_borrowers(SECOND + 2 * MS, false);
        assert!(!waits.borrowers.knows(POOL) && waits.borrowers.asking.is_empty());
        assert_eq!(waits.take_elapsed(POOL).pending, 2 * MS);
        waits.borrow(&borrow(9, 2 * SECOND, Borrowing::Asks));
        assert!(waits.borrowers.asking.is_empty());
    }
}
