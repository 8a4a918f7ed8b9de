//! A process's open demands: what it was asked for and has not answered yet.

use std::collections::BTreeMap;

use super::{super::limits, lent::ExchangeRef, route::RouteId, thread::Overslept};
use crate::event::{HashMap, SocketId, Time};

/// Names a demand; never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandId {
    /// The accepted socket.
    pub socket: SocketId,
    number: u64,
}

/// An open demand.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Itself.
    pub id: DemandId,
    /// When it was read.
    pub at: Time,
    /// Who read it.
    pub thread: u32,
    /// Its route.
    pub route: RouteId,
    /// When its thread first asked the database after it was read, on whichever connection.
    pub asked: Option<Time>,
    /// The exchange that its borrowing began with, where that was recognised.
    pub start: Option<ExchangeRef>,
    /// The connection that it borrowed.
    pub lent: Option<SocketId>,
    /// How long its thread waited for a connection in its sleep, and until it went on.
    pub slept: Time,
    /// When it was woken from such a sleep last.
    pub woke: Option<Time>,
    /// Where its thread slept last until time was over.
    pub overslept: Option<Overslept>,
    /// What had happened until it was read.
    pub before: Before,
}

/// What had happened in a process until a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// How long some connection was surely idle.
    pub idle: Time,
    /// Demands that were served with a connection.
    pub linked: u64,
    /// Some connection was surely idle then: who borrows begins at once.
    pub unhindered: bool,
}

/// Open demands by their sockets.
#[derive(Debug, Default)]
pub struct Demands {
    open: HashMap<SocketId, Open>,
    /// By their numbers.
    order: BTreeMap<u64, SocketId>,
    next: u64,
    refused: u64,
}

impl Demands {
    /// A demand came; `None` when there is no room, which is counted.
    pub fn add(
        &mut self,
        socket: SocketId,
        at: Time,
        thread: u32,
        route: RouteId,
        before: Before,
    ) -> Option<DemandId> {
        if self.open.len() >= limits::DEMANDS {
            self.refused += 1;
            return None;
        }
        let id = DemandId { socket, number: self.next };
        self.next += 1;
        let (start, lent, slept, woke, overslept) = (None, None, 0, None, None);
        let open = Open { id, at, thread, route, asked: None, start, lent, slept, woke, overslept, before };
        self.open.insert(socket, open);
        self.order.insert(id.number, socket);
        Some(id)
    }

    /// The open demand of a socket.
    pub fn of(&mut self, socket: SocketId) -> Option<&mut Open> {
        self.open.get_mut(&socket)
    }

    /// A demand, while it is open.
    pub fn get(&self, id: DemandId) -> Option<&Open> {
        self.open.get(&id.socket).filter(|open| open.id == id)
    }

    /// A demand, while it is open.
    pub fn get_mut(&mut self, id: DemandId) -> Option<&mut Open> {
        self.open.get_mut(&id.socket).filter(|open| open.id == id)
    }

    /// A demand is over.
    pub fn remove(&mut self, socket: SocketId) -> Option<Open> {
        let open = self.open.remove(&socket)?;
        self.order.remove(&open.id.number);
        Some(open)
    }

    /// Open demands, the one that came first before the others.
    pub fn in_order(&self) -> impl Iterator<Item = &Open> {
        self.order.values().filter_map(|socket| self.open.get(socket))
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Demands that found no room since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}
