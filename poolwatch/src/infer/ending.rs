//! How connections, processes and attempts end.
//!
//! In come endings, out go facts about what ended and why. What comes twice, or for a connection that has
//! ended with its process, says nothing new and is no loss.

use std::sync::Arc;

use super::{
    Core,
    fact::{Fact, Labels},
    failure,
    key::PoolKey,
    labels::Place,
    pools::PoolRef,
    process::unnamed,
};
use crate::event::{Ending, ProcessId, Server, SocketId, Time};

/// What is known of a connection's end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen<'a> {
    /// The end itself.
    Ending(&'a Ending),
    /// The end of its process.
    Exit,
    /// A scan missed it: the moment of the end is not known.
    Absence,
}

impl Core {
    /// A connection ended.
    pub(super) fn close(&mut self, socket: SocketId, at: Time, seen: Seen<'_>, facts: &mut Vec<Fact>) {
        if !self.members.contains_key(&socket) {
            return;
        }
        self.announce(socket, facts);
        self.step(socket, facts, |connection| connection.end(at, !matches!(seen, Seen::Absence)));
        self.settling.remove(&socket);
        let Some(mut member) = self.members.remove(&socket) else { return };
        let took = member.leases.settle();
        self.lease(member.pool, took, facts);
        self.processes.release(member.connection.process, socket);
        if let Some(waits) = self.waits.get_mut(&member.connection.process) {
            waits.leave(socket, at);
            if matches!(seen, Seen::Ending(ending) if ending.startup) {
                waits.fail(at);
            }
        }
        let error = match seen {
            Seen::Ending(ending) => failure::of_ending(ending, member.connection.hidden.is_some()),
            _ => None,
        };
        if let Some(error) = error {
            self.tell(member.pool, facts, |labels| Fact::ConnectionError { labels, error });
        }
        self.tell(member.pool, facts, |labels| Fact::Closed { labels });
        if let Some(pool) = member.pool.and_then(|pool| self.pools.get_mut(pool)) {
            let lived = at.saturating_sub(member.connection.born);
            let seen_whole = member.connection.connected.is_some() && member.leases.is_first();
            pool.churn.end(at, lived, took.filter(|_| seen_whole));
            pool.current.follow(socket, &mut member.lent, None);
            pool.leave(socket, &member.connection, None, at);
        }
    }

    /// A process ended, and with it all that it had, but for what it inherited from one that lives.
    pub(super) fn end_process(&mut self, process: ProcessId, at: Time, facts: &mut Vec<Fact>) {
        let Some(ended) = self.processes.end(process, at) else { return };
        for socket in &ended.sockets {
            if !self.give_back(*socket, at, facts) {
                self.close(*socket, at, Seen::Exit, facts);
            }
        }
        for pool in self.pools.of_process(process) {
            self.end_pool(pool, at, facts);
        }
        self.waits.remove(&process);
        let (name, connections) = (ended.facts.name.clone(), ended.sockets.len());
        facts.push(Fact::ProcessEnded { pid: process.pid, name, connections });
    }

    /// `connect()` failed.
    pub(super) fn fail(
        &mut self,
        process: ProcessId,
        server: &Server,
        errno: Option<u16>,
        at: Time,
        facts: &mut Vec<Fact>,
    ) {
        if let Some(waits) = self.waits.get_mut(&process) {
            waits.fail(at);
        }
        let error = failure::of_connect(errno);
        let server = &self.settings.place(server);
        if let Some(pool) = self.likely_pool(process, server) {
            if let Some(pool) = self.pools.get_mut(pool) {
                pool.size.tried();
            }
            self.tell(Some(pool), facts, |labels| Fact::ConnectionError { labels, error });
            return;
        }
        let unknown = Arc::new(unnamed(process));
        let process = self.processes.living(process).unwrap_or(&unknown);
        let labels = Arc::new(Labels::new(process, server, "", ""));
        facts.push(Fact::Seen(Arc::clone(&labels)));
        facts.push(Fact::ConnectionError { labels, error });
    }

    fn likely_pool(&self, process: ProcessId, server: &Place) -> Option<PoolRef> {
        let nameless = || self.pools.find(&PoolKey::unidentified(process, server.clone()));
        self.pools.only_identified(process, server).or_else(nameless)
    }
}
