//! One connection as something that is lent: who proved to have returned it, and what was done with it last.
//!
//! An answer outside a transaction does not say that the connection was returned: its borrower may hold it
//! for another request. What proves it: the response of the demand that borrowed it, an exchange that the
//! pool's library itself makes when it takes a connection back, another borrower, or some time.

use std::collections::VecDeque;

use super::{super::pools::PoolRef, demand::DemandId, lending::Full, route::RouteId};
use crate::event::{SocketId, Time, Turn};

/// Exchanges that are remembered.
const REMEMBERED: usize = 16;

/// How a connection stands with its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not lent.
    Idle,
    /// A request is in flight.
    Busy,
    /// In a transaction.
    Transaction,
    /// Answered; that it was returned is possible, and not proven.
    Perhaps,
    /// Answered as often as nine of ten borrowings like this one are: most likely it was returned.
    Likely,
    /// Answered; the library marks what it takes back, and has not marked this.
    Held,
}

impl State {
    /// It counts as lent.
    pub const fn is_lent(self) -> bool {
        !matches!(self, Self::Idle)
    }

    /// It is used although nothing on the wire says so.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Perhaps | Self::Held)
    }

    /// Its borrower may still have it, and asks nothing of it.
    pub const fn is_unproven(self) -> bool {
        matches!(self, Self::Perhaps | Self::Likely | Self::Held)
    }
}

/// An exchange as it is remembered by a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRef {
    /// The connection.
    pub socket: SocketId,
    /// Its number on it.
    pub number: u64,
    /// First byte sent.
    pub begun: Time,
    /// No other connection of the pool was idle then: its borrower may have waited.
    pub gated: bool,
    /// Since when no connection of the pool was idle.
    pub full: Full,
}

/// From the first byte of a request to the end of the answer outside a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Itself.
    pub itself: ExchangeRef,
    /// End of the answer.
    pub ended: Option<Time>,
    /// It is the library's own when taking back: the borrowing began with this exchange.
    pub returns: Option<ExchangeRef>,
}

/// One connection.
#[derive(Debug)]
pub struct Lent {
    /// Its pool.
    pub pool: PoolRef,
    /// How it stands.
    pub state: State,
    /// Since when its pool's order of idle connections has it in its place.
    pub since: Time,
    /// The newest answer outside a transaction.
    pub answered: Time,
    /// Who read it, in which turn.
    pub answered_in: Option<Turn>,
    /// It was lent since it was taken back last.
    pub borrowed: bool,
    /// The exchange that goes on is the library's own.
    pub marked: bool,
    /// Everything before this moment belongs to earlier borrowers.
    pub boundary: Time,
    /// The first exchange since it was taken back.
    pub first: Option<ExchangeRef>,
    /// The demand that its newest exchange was for, where that is known.
    pub borrower: Option<DemandId>,
    /// Exchanges from this number on are not known to be anyone's, but the first few where their route is.
    claimed: (u64, Option<RouteId>),
    /// A bit for each remembered exchange, by its number: an answer showed whose it is.
    shown: u64,
    current: Option<u64>,
    exchanges: VecDeque<Exchange>,
    next: u64,
}

impl Lent {
    /// A connection of a pool.
    pub fn new(pool: PoolRef, state: State, at: Time) -> Self {
        Self {
            pool,
            state,
            since: at,
            answered: at,
            answered_in: None,
            borrowed: false,
            marked: false,
            boundary: 0,
            first: None,
            borrower: None,
            claimed: (0, None),
            shown: 0,
            current: None,
            exchanges: VecDeque::new(),
            next: 0,
        }
    }

    /// Turns from its newest answer until this one; `None` where another thread read that.
    pub fn turns_until(&self, turn: Turn) -> Option<u64> {
        let answered = self.answered_in.filter(|one| one.thread == turn.thread)?;
        Some(turn.nth.saturating_sub(answered.nth))
    }

    /// An exchange goes on.
    pub const fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// An exchange begins.
    pub fn begin(&mut self, socket: SocketId, begun: Time, gated: bool, full: Full) -> ExchangeRef {
        let itself = ExchangeRef { socket, number: self.next, begun, gated, full };
        self.next += 1;
        if self.exchanges.len() >= REMEMBERED {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(Exchange { itself, ended: None, returns: None });
        self.shown &= !bit(itself.number);
        self.current = Some(itself.number);
        itself
    }

    /// The exchange that goes on is the library's own when taking back what was borrowed with `first`.
    pub fn mark_return(&mut self, first: Option<ExchangeRef>) {
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.returns = first;
        }
    }

    /// The exchange that goes on ends; its number.
    pub fn end(&mut self, at: Time) -> Option<u64> {
        let number = self.current.take()?;
        if let Some(exchange) = self.exchanges.back_mut() {
            exchange.ended = Some(at);
        }
        Some(number)
    }

    /// How the exchange that goes on ended was not seen.
    pub const fn abandon(&mut self) {
        self.current = None;
    }

    /// No exchange goes on, and none will of the same borrower, as far as can be told.
    pub const fn is_quiet(&self) -> bool {
        self.current.is_none() && !matches!(self.state, State::Transaction)
    }

    /// Another exchange began after this one.
    pub const fn is_after(&self, number: u64) -> bool {
        self.next > number + 1
    }

    /// How many exchanges there were from this one on; `None` when it is forgotten.
    pub fn since(&self, from: u64) -> Option<usize> {
        self.span(from, self.next.checked_sub(1)?)
    }

    /// Exchanges before `from` are known to be someone's, and those that follow are of this route.
    pub const fn claim(&mut self, from: u64, route: Option<RouteId>) {
        self.claimed = (from, route);
    }

    /// An answer shows whose these are.
    pub fn show(&mut self, first: u64, last: u64) {
        for exchange in self.exchanges.iter().map(|exchange| exchange.itself.number) {
            if (first..=last).contains(&exchange) {
                self.shown |= bit(exchange);
            }
        }
    }

    /// An answer showed whose it is.
    pub const fn is_shown(&self, number: u64) -> bool {
        self.shown & bit(number) != 0
    }

    /// Exchanges before `to` that are not known to be anyone's. `usual` says how many one of a route has.
    pub fn set_apart(&self, to: u64, usual: impl FnOnce(RouteId) -> Option<usize>) -> Vec<Exchange> {
        let (from, route) = self.claimed;
        let own = route.map_or(0, |route| usual(route).unwrap_or(REMEMBERED) as u64);
        let from = from.saturating_add(own);
        let free = |exchange: &&Exchange| {
            (from..to).contains(&exchange.itself.number)
                && exchange.ended.is_some()
                && exchange.returns.is_none_or(|first| first.number >= from)
        };
        self.exchanges.iter().filter(free).copied().collect()
    }

    /// A remembered exchange.
    pub fn exchange(&self, number: u64) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.itself.number == number)
    }

    /// Exchanges from `from` to `to`, both included; `None` when the first is forgotten.
    pub fn span(&self, from: u64, to: u64) -> Option<usize> {
        self.exchange(from)?;
        usize::try_from(to.checked_sub(from)?).ok()?.checked_add(1)
    }

    /// The first of at most `usual` exchanges up to `last`, none of them begun before `since`.
    pub fn first_of(&self, last: u64, usual: usize, since: Time) -> Option<ExchangeRef> {
        let mut first = self.exchange(last)?;
        for length in 1.. {
            let before = first.itself.number.checked_sub(1).and_then(|number| self.exchange(number));
            let Some(before) = before.filter(|before| length < usual && before.itself.begun >= since) else {
                break;
            };
            first = before;
        }
        Some(first.itself)
    }
}

const fn bit(number: u64) -> u64 {
    1 << (number % u64::BITS as u64)
}

#[cfg(test)]
mod tests {
    use super::{super::super::pools::Pools, *};

    fn lent(exchanges: u64) -> Lent {
        let mut lent = Lent::new(Pools::nowhere(), State::Idle, 0);
        for n in 1..=exchanges {
            lent.begin(SocketId(1), n * 10, true, Full::default());
            lent.end(n * 10 + 5);
        }
        lent
    }

    #[test]
    fn a_borrowing_is_counted_back_from_its_end() {
        let lent = lent(5);
        let first = |usual, since| lent.first_of(4, usual, since).map(|first| first.begun);
        assert_eq!(first(1, 0), Some(50));
        assert_eq!(first(3, 0), Some(30));
        assert_eq!(first(99, 35), Some(40));
        assert_eq!(first(99, 0), Some(10));
        assert_eq!(lent.span(2, 4), Some(3));
    }

    #[test]
    fn what_an_answer_shows_holds_for_its_exchanges_alone() {
        let mut lent = lent(5);
        lent.show(1, 2);
        let shown = |lent: &Lent| (0..5).map(|number| lent.is_shown(number)).collect::<Vec<_>>();
        assert_eq!(shown(&lent), [false, true, true, false, false]);
        for n in 6..=66 {
            lent.begin(SocketId(1), n * 10, true, Full::default());
        }
        assert!(!lent.is_shown(65), "one bit for both 1 and 65");
    }

    #[test]
    fn old_exchanges_are_forgotten() {
        let lent = lent(28);
        assert_eq!(lent.span(0, 27), None);
        assert!(lent.exchange(12).is_some());
        assert_eq!(lent.first_of(27, 99, 0).map(|first| first.number), Some(12));
    }
}
