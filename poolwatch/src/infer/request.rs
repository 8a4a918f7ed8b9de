//! What connections do: requests that were answered, are under way, or were lost.
//!
//! In come records of one connection, out go facts about requests and leases; the connection's state moves,
//! its lease and its pool follow.

use std::sync::Arc;

use super::{
    Core, Member,
    connection::{Connection, Moved, Standing},
    fact::Fact,
    hidden::{ENCRYPTED, PLAIN, reason},
    operation::operation,
    pool::Pool,
    window::Sums,
};
use crate::event::{Request, RequestKind, SocketId, Time, Transaction};

impl Core {
    /// A request was answered.
    pub(super) fn request(&mut self, request: &Request, facts: &mut Vec<Fact>) {
        let socket = request.socket;
        let Some(member) = self.members.get(&socket) else {
            self.books.misread("unknown_connection");
            self.meet(socket, request.pid);
            return;
        };
        // Nearly always nothing of this is to be done, and each would look for the connection again.
        let (hidden, announced) = (member.connection.hidden.is_some(), member.announced);
        if request.pid != member.connection.process.pid {
            // What was used until now was told as the former holder's.
            self.adopt(socket, request.pid, request.ended, facts);
        }
        if request.missed > 0 {
            let sent = request.started.unwrap_or(request.ended).min(request.ended);
            self.miss(socket, request.missed, sent, facts);
        }
        if hidden && request.transaction != Transaction::Unknown {
            self.show(socket);
        }
        if !announced {
            self.announce(socket, facts);
        }
        if request.kind == RequestKind::Startup {
            self.ready(request, facts);
        } else if request.merged == 0 {
            self.step(socket, facts, |connection| connection.answer(request));
        } else {
            self.answer(request, facts);
        }
        self.borrowed(request, facts);
    }

    /// A scan found a request under way.
    pub(super) fn inflight(&mut self, socket: SocketId, since: Time, facts: &mut Vec<Fact>) {
        self.step(socket, facts, |connection| connection.send(since));
    }

    /// Records of a connection were lost.
    pub(super) fn miss(&mut self, socket: SocketId, records: u32, at: Time, facts: &mut Vec<Fact>) {
        self.books.lose_requests(records);
        self.step(socket, facts, |connection| connection.lose(at));
    }

    /// A connection cannot be read any more, or can again. One that is opening stays so: TLS does not hide when its startup
    /// ends.
    pub(super) fn hide(&mut self, socket: SocketId, by: &str, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else {
            self.books.misread("unknown_connection");
            return;
        };
        if by == PLAIN {
            return self.show(socket);
        }
        if member.connection.hidden.is_none() {
            let reason = reason(by);
            member.connection.hidden = Some(reason);
            if let Some(pool) = member.pool.and_then(|pool| self.pools.get_mut(pool)) {
                pool.hidden.hide(reason);
            }
        }
        if by != ENCRYPTED || member.connection.standing() != Standing::Opening {
            self.step(socket, facts, |connection| connection.lose(at));
        }
        self.announce(socket, facts);
    }

    /// Moves a connection; its lease and its pool follow.
    pub(super) fn step(
        &mut self,
        socket: SocketId,
        facts: &mut Vec<Fact>,
        step: impl FnOnce(&mut Connection) -> Moved,
    ) {
        self.step_and(socket, facts, step, |_, _| ());
    }

    /// The same, and what follows from it for the connection and its pool, if it has one.
    fn step_and(
        &mut self,
        socket: SocketId,
        facts: &mut Vec<Fact>,
        step: impl FnOnce(&mut Connection) -> Moved,
        and: impl FnOnce(&mut Member, Option<(&mut Pool, &mut Vec<Fact>)>),
    ) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        let moved = step(&mut member.connection);
        let took = member.leases.follow(&moved);
        if member.leases.unsettled() && !std::mem::replace(&mut member.settling, true) {
            self.settling.insert(socket);
        }
        let Some(pool) = member.pool.and_then(|pool| self.pools.get_mut(pool)) else {
            return and(member, None);
        };
        pool.follow(&moved);
        pool.current.follow(socket, &mut member.lent, member.leases.begun());
        if let Some(took) = took {
            pool.lease(took, self.now, facts);
        }
        and(member, Some((pool, facts)));
    }

    /// It can be read: what hid it does so no more.
    fn show(&mut self, socket: SocketId) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        let Some(reason) = member.connection.hidden.take() else { return };
        if let Some(pool) = member.pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.hidden.show(reason);
        }
    }

    fn ready(&mut self, request: &Request, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get(&request.socket) else { return };
        let (new, pool) = (member.connection.is_new(), member.pool);
        let begun = member.connection.connected.or(request.started);
        self.step(request.socket, facts, |connection| connection.ready(request));
        if let Some(begun) = begun.filter(|_| new) {
            let took = request.ended.saturating_sub(begun);
            self.tell(pool, facts, |labels| Fact::Created { labels, took });
        }
    }

    fn answer(&mut self, request: &Request, facts: &mut Vec<Fact>) {
        let operation = operation(&request.operation);
        let took = request.started.map(|started| request.ended.saturating_sub(started));
        let slow = self.is_slow(took);
        let query = self.query(request.query).map(|known| Arc::clone(&known.query));
        let first_byte = request.started.zip(request.first_byte);
        let first_byte = first_byte.map(|(started, first)| first.saturating_sub(started));
        let rows = (!request.approximate).then_some(request.rows);
        let answer = |connection: &mut Connection| connection.answer(request);
        self.step_and(request.socket, facts, answer, |member, pool| {
            member.leases.ask(operation);
            let Some((pool, facts)) = pool else { return };
            pool.answered(request.ended, &sums(request, took, slow));
            pool.announce(facts);
            let pid = if request.pid == 0 { member.connection.process.pid } else { request.pid };
            let (labels, error) = (Arc::clone(&pool.labels), request.sqlstate);
            facts.push(Fact::Request { labels, pid, query, took, first_byte, operation, rows, error, slow });
        });
    }

    /// Whether something took longer than the threshold, as far as that is known.
    pub(super) fn is_slow(&self, took: Option<Time>) -> bool {
        took.is_some_and(|took| took > self.settings.slow_threshold)
    }
}

/// What one record adds to its pool's sums; merged requests count each, but have one duration.
fn sums(request: &Request, took: Option<Time>, slow: bool) -> Sums {
    Sums {
        requests: u64::from(request.merged.max(1)),
        timed: u64::from(took.is_some()),
        duration: took.unwrap_or(0),
        slow: u64::from(slow),
        errors: u64::from(request.errors > 0 || request.sqlstate.is_some()),
    }
}
