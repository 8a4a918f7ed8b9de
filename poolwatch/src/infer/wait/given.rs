//! Connections that were given to one who waited, and through which nothing was sent yet.
//!
//! No pool keeps a connection back while it is asked for one: what comes back then is lent in the same moment, and its borrower
//! does not wait any more. The first request shows it by tens of microseconds later, in which an event loop has its turn.

use super::{super::pools::PoolRef, Waits, lending::Lending, nanoseconds};
use crate::event::Time;

/// How many of those that ask were given a connection.
pub fn given(lending: &Lending, queued: f64) -> f64 {
    queued.min(lending.idle() as f64).max(0.0)
}

impl Waits {
    /// Connections of a pool that are lent although nothing on the wire says so.
    pub fn silent(&self, pool: PoolRef, at: Time) -> u32 {
        let Some(lending) = self.lendings.get(&pool) else { return 0 };
        if self.is_exact(pool) || !self.shows_given() {
            return lending.silent();
        }
        let given = nanoseconds(given(lending, self.queued(lending, at).round()));
        lending.silent().saturating_add(u32::try_from(given).unwrap_or(u32::MAX))
    }

    /// A given connection is used from that moment on. It is not known where the library does not say what came back, and
    /// not so where it tries a connection before its borrower has it.
    pub(super) const fn shows_given(&self) -> bool {
        self.marks_returns() && self.tried < 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Begun, Demand, Protocol, SECOND, SocketId, Turn},
        infer::wait::Answered,
    };

    const MS: Time = SECOND / 1000;
    const POOL: PoolRef = PoolRef::new(1);
    const TURN: Turn = Turn { thread: 5, nth: 0 };
    const ONE: SocketId = SocketId(1);

    fn ask(waits: &mut Waits, socket: u64, at: Time) {
        let socket = SocketId(socket);
        waits.ask(&Demand { socket, pid: 1, at, turn: TURN, protocol: Protocol::Http, route: Some(9) });
    }

    /// One exchange of 50 us; `mark`: the library's own.
    fn exchange(waits: &mut Waits, at: Time, mark: bool) -> Time {
        let (letter, bytes) = if mark { (b'S', 5) } else { (b'Q', 20) };
        waits.begin(&Begun { socket: ONE, at, turn: TURN, letter, bytes });
        let at = at + MS / 20;
        waits.answer(&Answered { socket: ONE, at, turn: Some(TURN), transaction: false, returns: None });
        at
    }

    /// A pool of two connections: one is used, the other came back just now; and four demands. `tried`: each borrowing begins
    /// with an exchange of the library's own, too.
    fn came_back(tried: bool) -> (Waits, Time) {
        let mut waits = Waits::default();
        let mut at = MS;
        waits.enter(ONE, POOL, true, at);
        waits.enter(SocketId(2), POOL, true, at);
        waits.begin(&Begun { socket: SocketId(2), at, turn: TURN, letter: b'Q', bytes: 20 });
        (50..54).for_each(|socket| ask(&mut waits, socket, at));
        for _ in 0..200 {
            if tried {
                at = exchange(&mut waits, at + MS, true);
            }
            at = exchange(&mut waits, at + MS, false);
            at = exchange(&mut waits, at + MS, true);
        }
        (waits, at)
    }

    #[test]
    fn what_comes_back_is_lent_while_somebody_asks() {
        let (mut waits, at) = came_back(false);
        assert_eq!((waits.waiting_now(POOL, at), waits.silent(POOL, at)), (2.0, 1));
        let _ = waits.take_elapsed(POOL);
        waits.advance(at + MS / 2);
        let elapsed = waits.take_elapsed(POOL);
        assert_eq!((elapsed.pending, elapsed.silent), (3 * MS / 2, MS / 2));
        // It went to nobody.
        waits.tick(at + 100 * MS);
        assert_eq!((waits.waiting_now(POOL, at + 100 * MS), waits.silent(POOL, at + 100 * MS)), (0.0, 0));
    }

    #[test]
    fn what_is_tried_first_is_not_used_yet() {
        let (waits, at) = came_back(true);
        assert_eq!((waits.waiting_now(POOL, at), waits.silent(POOL, at)), (2.0, 0));
    }
}
