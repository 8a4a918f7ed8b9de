//! A request begins: whose borrowing is it, and had it to wait?

use super::{
    Waited, Waits,
    demand::DemandId,
    follow,
    lending::Full,
    lent::{ExchangeRef, Lent, State},
    nanoseconds,
    route::RouteId,
    thread::Last,
    way::{Estimate, Within},
};
use crate::event::{Begun, SocketId, Time};

/// A connection that was silent for so long shows how many turns lie before a request.
const LONG: Time = 5_000_000;
/// Time from reading a demand to its first request that is taken for usual.
const SOON: Time = 3_000_000;
/// Silence after which a connection has surely changed its borrower.
const SHORT: Time = 1_000_000;

impl Waits {
    /// The first byte of a request was sent on a connection that had none in flight.
    pub fn begin(&mut self, begun: &Begun) {
        self.advance(begun.at);
        self.newest_begin = self.newest_begin.max(begun.at);
        self.see_use(begun);
        self.see_ask(begun);
        if let Some(lent) = self.lent.get_mut(&begun.socket)
            && lent.state != State::Transaction
        {
            if self.loss > 0.0 {
                // A request begins where none is in flight: the answer to the one before was lost.
                lent.abandon();
            }
            if !lent.is_under_way() {
                self.exchange(begun);
            }
        }
        self.place(begun.socket, State::Busy, begun.at);
        self.weigh(begun.at);
    }

    /// A connection is known from its first answer on, and who uses it then may have asked before.
    fn see_ask(&mut self, begun: &Begun) {
        let current = self.threads.get(begun.turn.thread).and_then(|thread| thread.current);
        if let Some(demand) = current.and_then(|demand| self.demands.get_mut(demand)) {
            demand.asked.get_or_insert(begun.at);
        }
    }

    fn exchange(&mut self, begun: &Begun) {
        let marked = self.is_mark(begun);
        self.marks += u64::from(marked);
        let Some(lent) = self.lent.get_mut(&begun.socket) else { return };
        let usual = self.handovers.usual(u64::MAX);
        let rested =
            lent.state == State::Idle && lent.turns_until(begun.turn).is_some_and(|turns| turns > usual);
        let lending = self.lendings.get_mut(&lent.pool);
        let (gated, full) = lending.map_or((true, Full::default()), |lending| {
            let gated = !lending.is_idle_beside(begun.socket, begun.at);
            (gated, lending.full_since(begun.at, rested))
        });
        let exchange = lent.begin(begun.socket, begun.at, gated, full);
        lent.marked = marked;
        if !lent.borrowed {
            follow(&mut self.tried, marked);
        }
        if !lent.borrowed || lent.first.is_none() {
            lent.first = Some(exchange);
            lent.borrower = None;
        }
        if marked && lent.borrowed {
            let first = lent.first;
            lent.mark_return(first);
        } else if self.queue.is_pooler() {
            self.start_by_queue(begun, exchange);
        } else if self.serves_by_threads() {
            self.start_by_thread(begun, exchange);
        } else {
            self.start_by_turn(begun, exchange);
        }
    }

    /// A `Sync` alone, or a text that only a pool's library sends.
    fn is_mark(&self, begun: &Begun) -> bool {
        (begun.letter == b'S' && begun.bytes == 5) || self.returns.contains(&(begun.letter, begun.bytes))
    }

    /// The thread works for the demand that it read last.
    fn start_by_thread(&mut self, begun: &Begun, exchange: ExchangeRef) {
        self.wait_until(begun.turn.thread, begun.at);
        let Some(thread) = self.threads.get_mut(begun.turn.thread) else { return };
        let Some(demand) = thread.current.and_then(|demand| self.demands.get_mut(demand)) else { return };
        if let Some(lent) = self.lent.get_mut(&begun.socket) {
            lent.borrower = Some(demand.id);
        }
        if demand.lent == Some(begun.socket) && demand.start.is_some() {
            return;
        }
        let first = demand.start.is_none();
        let asked = demand.asked.filter(|_| first).unwrap_or(begun.at);
        demand.lent = Some(begun.socket);
        demand.start = Some(exchange);
        follow(&mut self.further, !first);
        let (at, slept, route) = (demand.at, demand.slept, demand.route);
        self.bound(begun.socket, begun.at);
        let before = asked.saturating_sub(at) as f64;
        if self.parkings.watched_since(at) {
            self.note_wait(exchange, slept as f64);
            if slept == 0 && !exchange.gated {
                self.routes.get(route).before.add(before);
            }
        } else {
            self.conclude(exchange, route, before);
        }
    }

    /// The thread read a demand as many turns ago as lie between a demand and its first request.
    fn start_by_turn(&mut self, begun: &Begun, exchange: ExchangeRef) {
        let lent = self.lent.get(&begun.socket);
        let silent = lent.map_or(0, |lent| begun.at.saturating_sub(lent.answered));
        let turn = begun.turn.nth;
        let since = lent.and_then(|lent| lent.turns_until(begun.turn));
        if let Some(turns) = since.filter(|_| silent < SHORT) {
            self.handovers.see(turns);
        }
        let handed = since.is_some_and(|turns| turns <= self.handovers.usual(0));
        // One whose return is not proven may be its borrower's still, and a timer's time have come.
        let free = lent.is_some_and(|lent| lent.state == State::Idle);
        let Some(thread) = self.threads.get_mut(begun.turn.thread) else { return };
        if silent > LONG
            && let Some((at, nth)) = thread.last_asked
            && begun.at.saturating_sub(at) < SOON
        {
            self.starts.see(turn.saturating_sub(nth));
        }
        let usual = self.starts.usual(self.ends.usual(0));
        while thread.asked.front().is_some_and(|(_, nth)| nth.saturating_add(usual) < turn) {
            thread.asked.pop_front();
        }
        let newest = thread.asked.back().copied();
        let found: Option<DemandId> = if usual == 0 {
            newest
                .filter(|(demand, nth)| free && thread.last == Last::Demand(*demand) && *nth == turn)
                .map(|one| one.0)
        } else if free && silent > SHORT && !handed {
            let fresh =
                |demand: &DemandId| self.demands.get(*demand).is_some_and(|open| open.start.is_none());
            let due = thread.asked.iter().filter(|(_, nth)| nth.saturating_add(usual) == turn);
            due.map(|(demand, _)| *demand).find(fresh)
        } else {
            None
        };
        let Some(demand) = found.and_then(|demand| self.demands.get_mut(demand)) else { return };
        if demand.start.is_some() {
            return;
        }
        demand.start = Some(exchange);
        demand.lent = Some(begun.socket);
        let (id, route) = (demand.id, demand.route);
        if demand.before.unhindered {
            self.routes.get(route).start();
        }
        self.set_apart(begun.socket, exchange.number, begun.at);
        if let Some(lent) = self.lent.get_mut(&begun.socket) {
            lent.borrower = Some(id);
            lent.claim(exchange.number, Some(route));
        }
        self.bound(begun.socket, begun.at);
    }

    fn bound(&mut self, socket: SocketId, at: Time) {
        if let Some(lent) = self.lent.get_mut(&socket) {
            lent.boundary = lent.boundary.max(at);
        }
    }

    /// A borrowing began with `exchange`, `before` nanoseconds after its demand was read.
    pub(super) fn conclude(&mut self, exchange: ExchangeRef, route: RouteId, before: f64) {
        if before < 0.0 {
            // What began before it was asked for is another's; its own is not known, and was no long wait.
            self.note_wait(exchange, 0.0);
            return;
        }
        let usual = self.routes.get(route);
        let way = usual.way();
        let joined = way.joined(exchange.begun, before);
        let lending = self.lent.get(&exchange.socket).and_then(|lent| self.lendings.get_mut(&lent.pool));
        let neighbours = lending.map_or(Within::ANY, |lending| {
            let gated = exchange.gated.then(|| lending.order.within(&exchange, joined));
            lending.order.see(joined);
            gated.unwrap_or(Within::ANY)
        });
        if exchange.gated {
            usual.bound(before);
            let estimate = way.waited(&exchange, before, neighbours);
            self.note(exchange, estimate);
        } else {
            usual.before.add(before);
            self.note_wait(exchange, 0.0);
        }
    }

    /// One that may have waited did so long.
    pub(super) fn note(&mut self, exchange: ExchangeRef, estimate: Estimate) {
        self.doubts.see(estimate);
        self.late.newest = estimate.mean;
        self.note_wait(exchange, estimate.mean);
    }

    /// Who is told of by better evidence is not told of twice.
    pub(super) fn note_wait(&mut self, exchange: ExchangeRef, took: f64) {
        self.patience.waited(nanoseconds(took));
        let pool = self.lent.get(&exchange.socket).map(|lent: &Lent| lent.pool);
        let since = exchange.begun as f64 - took;
        if let Some(pool) = pool.filter(|pool| !self.borrowers.knows_of(*pool, since)) {
            self.waited.push(Waited { pool, took });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Demand, Protocol, SECOND, Turn},
        infer::pools::PoolRef,
    };

    #[test]
    fn who_asked_on_a_connection_that_was_not_known_yet_waited_no_longer() {
        const MS: Time = SECOND / 1000;
        let mut waits = Waits::default();
        for (socket, thread) in [(50, 5), (51, 6)] {
            let (socket, turn) = (SocketId(socket), Turn { thread, nth: 0 });
            waits.ask(&Demand { socket, pid: 1, at: MS, turn, protocol: Protocol::Http, route: Some(9) });
        }
        let turn = Turn { thread: 5, nth: 0 };
        let begun = |at| Begun { socket: SocketId(1), at, turn, letter: b'Q', bytes: 20 };
        waits.begin(&begun(2 * MS));
        waits.enter(SocketId(1), PoolRef::new(1), true, 40 * MS);
        waits.begin(&begun(41 * MS));
        let mut waited = Vec::new();
        waits.take_waited(&mut waited);
        assert!(matches!(waited.as_slice(), [one] if one.took <= MS as f64), "{waited:?}");
    }
}
