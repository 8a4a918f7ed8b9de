//! A request was answered: is the connection returned?

use super::{
    Waits,
    lent::State,
    thread::{Answer, Last},
};
use crate::event::{Begun, SocketId, Time, Turn};

/// Exchanges of a library's own that are told apart.
const RETURNS: usize = 8;

/// An answer, as far as it matters for borrowing.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The connection.
    pub socket: SocketId,
    /// When.
    pub at: Time,
    /// Who read it.
    pub turn: Option<Turn>,
    /// A transaction is open.
    pub transaction: bool,
    /// First letter and length of a request that only a pool's library sends, when taking back.
    pub returns: Option<(u8, u32)>,
}

impl Waits {
    /// A request was answered on a connection that is known.
    pub fn answer(&mut self, answered: &Answered) {
        self.advance(answered.at);
        self.answers += 1;
        if let Some(shape) = answered.returns
            && self.returns.len() < RETURNS
            && !self.returns.contains(&shape)
        {
            self.returns.push(shape);
        }
        if let Some(thread) = answered.turn.and_then(|turn| self.threads.meet(turn.thread, answered.at)) {
            thread.last = Last::Answer;
        }
        if self.queue.is_pooler() {
            let borrower = self.lent.get(&answered.socket).and_then(|lent| lent.borrower);
            self.queue.answer(answered.socket, answered.transaction, borrower);
        }
        if answered.transaction {
            self.place(answered.socket, State::Transaction, answered.at);
        } else {
            self.returned(answered);
        }
        self.weigh(answered.at);
    }

    /// The request that begins is of the borrower that was answered last, as far as that can be told.
    pub fn goes_on(&self, begun: &Begun) -> bool {
        let Some(lent) = self.lent.get(&begun.socket) else { return false };
        if self.marks_returns() {
            return lent.state == State::Held && lent.borrowed;
        }
        let of = self.threads.get(begun.turn.thread).and_then(|thread| thread.current);
        self.serves_by_threads() && of.is_some() && of == lent.borrower
    }

    /// Its borrower may ask again.
    pub fn may_go_on(&self, socket: SocketId) -> bool {
        let Some(lent) = self.lent.get(&socket) else { return false };
        if self.marks_returns() {
            return lent.state == State::Held && lent.borrowed;
        }
        self.serves_by_threads() && lent.borrower.is_some_and(|borrower| self.demands.get(borrower).is_some())
    }

    fn returned(&mut self, answered: &Answered) {
        let (socket, at) = (answered.socket, answered.at);
        let marks = self.marks_returns();
        let Some(lent) = self.lent.get_mut(&socket) else { return };
        let Some(exchange) = lent.end(at) else {
            // Its begin was not seen.
            if lent.state.is_lent() {
                self.place(socket, State::Perhaps, at);
            }
            return;
        };
        let state = match (lent.marked, lent.borrowed, marks) {
            // Its client is served by this very answer.
            _ if self.queue.is_pooler() => State::Idle,
            (true, true, _) => State::Idle,
            (true, false, _) | (false, _, true) => State::Held,
            (false, _, false) => State::Perhaps,
        };
        let state = if state == State::Perhaps && self.is_done(socket) { State::Likely } else { state };
        let Some(lent) = self.lent.get_mut(&socket) else { return };
        lent.borrowed = state != State::Idle;
        if state == State::Idle {
            lent.boundary = at;
        }
        lent.answered = at;
        lent.answered_in = answered.turn;
        lent.marked = false;
        if let Some(turn) = answered.turn
            && let Some(thread) = self.threads.get_mut(turn.thread)
        {
            let answer = Answer { socket, exchange, nth: turn.nth, at };
            thread.answer(answer);
            self.handed.see(answer, thread.last_asked.is_none());
        }
        self.place(socket, state, at);
    }

    /// The borrower is known, and asked as often as its like do.
    fn is_done(&mut self, socket: SocketId) -> bool {
        let Some(lent) = self.lent.get(&socket) else { return false };
        let Some(open) = lent.borrower.and_then(|borrower| self.demands.get(borrower)) else { return false };
        let own = open.start.filter(|start| start.socket == socket);
        let most = self.routes.get(open.route).most();
        own.and_then(|start| lent.since(start.number)).zip(most).is_some_and(|(asked, most)| asked >= most)
    }
}
