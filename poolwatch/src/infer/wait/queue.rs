//! A pooler's clients in their order: both sides of it are on the wire, so who waits is known exactly.
//!
//! A client's request is forwarded in the turn in which it was read, when a connection is free. Else it waits, and
//! the next free connection goes to whoever waits longest. A client in a transaction has its connection already.

use std::collections::VecDeque;

use super::{
    Waits,
    demand::{DemandId, Open},
    lent::ExchangeRef,
    thread::Last,
};
use crate::event::{Begun, Demand, HashMap, Protocol, SocketId};

/// Clients that wait, in their order.
#[derive(Debug, Default)]
pub struct Queue {
    pooler: bool,
    waiting: VecDeque<DemandId>,
    /// Which client is in a transaction, by its connection to the server.
    clients: HashMap<SocketId, SocketId>,
}

impl Queue {
    /// The process is a pooler.
    pub const fn is_pooler(&self) -> bool {
        self.pooler
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// A client asks: it waits, unless it has its connection.
    pub fn ask(&mut self, demand: &Demand, id: DemandId) {
        self.pooler |= demand.protocol == Protocol::Postgres;
        if self.pooler && !self.clients.values().any(|client| *client == demand.socket) {
            self.waiting.push_back(id);
        }
    }

    /// A client does not wait any more; false if it did not.
    pub fn leave(&mut self, id: DemandId) -> bool {
        // Who leaves out of turn came last, mostly.
        let place = self.waiting.iter().rposition(|waiting| *waiting == id);
        place.is_some_and(|place| self.waiting.remove(place).is_some())
    }

    /// A server answered: its client is in a transaction, or not.
    pub fn answer(&mut self, server: SocketId, transaction: bool, borrower: Option<DemandId>) {
        match borrower {
            Some(client) if transaction => self.clients.insert(server, client.socket),
            _ => self.clients.remove(&server),
        };
    }

    fn next(&mut self) -> Option<DemandId> {
        self.waiting.pop_front()
    }
}

impl Waits {
    /// The connection goes to the client that was just read, or else to whoever waits longest.
    pub(super) fn start_by_queue(&mut self, begun: &Begun, exchange: ExchangeRef) {
        let last = self.threads.get_mut(begun.turn.thread).map(|thread| thread.last);
        let waits = |open: &&Open| open.start.is_none();
        let just_read = match last {
            Some(Last::Demand(id)) => self.demands.get(id).filter(waits).map(|open| open.id),
            _ => None,
        };
        if let Some(id) = just_read {
            self.queue.leave(id);
        }
        let Some(open) = just_read.or_else(|| self.queue.next()).and_then(|id| self.demands.get_mut(id))
        else {
            return;
        };
        open.start = Some(exchange);
        open.lent = Some(begun.socket);
        let (id, waited) = (open.id, begun.at.saturating_sub(open.at));
        if let Some(lent) = self.lent.get_mut(&begun.socket) {
            lent.borrower = Some(id);
            self.gauge.add(lent.pool, waited);
        }
        self.note_wait(exchange, waited as f64);
    }
}
