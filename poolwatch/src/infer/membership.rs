//! Which pool a connection belongs to (contract §1), and the moves between pools.
//!
//! A connection that named itself belongs to the pool of that name. One that did not joins its process's
//! only identified pool at that server; with none or several it belongs to the nameless one. When the first
//! pool of a server is identified, the nameless connections of that process and server join it, so that
//! the order of arrival makes no difference; those that joined stay when a second one is identified.

use std::sync::Arc;

use super::{
    Core, Member,
    connection::{Connection, Identity},
    fact::Fact,
    key::PoolKey,
    lease::Leases,
    limits,
    pool::Pool,
    pools::PoolRef,
    process::{Told, unnamed},
};
use crate::event::{Process, ProcessId, SocketId, Time};

impl Core {
    /// A process is there, or has become another program.
    pub(super) fn tell_process(&mut self, process: &Process, facts: &mut Vec<Fact>) -> bool {
        if let Some(older) = self.processes.replaced(process.id) {
            self.end_process(older, self.now, facts);
        }
        match self.processes.tell(process) {
            Told::New | Told::Same => true,
            Told::Changed => {
                self.rename(process.id, facts);
                true
            }
            // Its connections have ended with it: nothing is lost.
            Told::Ended => false,
            Told::Full => {
                self.books.lose("processes", 1);
                false
            }
        }
    }

    fn rename(&mut self, process: ProcessId, facts: &mut Vec<Fact>) {
        let Some(process_facts) = self.processes.living(process) else { return };
        for pool in self.pools.of_process(process) {
            if let Some(pool) = self.pools.get_mut(pool) {
                pool.rename(&self.settings, process_facts, self.now, facts);
            }
        }
        if let Some(waits) = self.waits.get_mut(&process) {
            waits.declare(process_facts.declared.connection_timeout);
        }
    }

    /// A connection is there.
    pub(super) fn open(
        &mut self,
        socket: SocketId,
        connection: Connection,
        announced: bool,
        facts: &mut Vec<Fact>,
    ) {
        if self.members.contains_key(&socket) {
            return;
        }
        if self.members.len() >= limits::CONNECTIONS {
            self.books.lose("connections", 1);
            return;
        }
        let process = connection.process;
        if self.processes.living(process).is_none() && !self.tell_process(&unnamed(process), facts) {
            return;
        }
        let born = connection.born;
        let Some((pool, _)) = self.home(&connection).and_then(|key| self.pool_for(key, born)) else {
            return;
        };
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.enter(socket, &connection);
        }
        self.processes.hold(process, socket);
        self.strangers.remove(&socket);
        let (leases, pool) = (Leases::default(), Some(pool));
        let (taken_back, settling, lent) = (false, false, None);
        let member =
            Member { connection, leases, opener: process, pool, announced, taken_back, settling, lent };
        self.members.insert(socket, member);
    }

    /// A connection says who it is.
    pub(super) fn identify(&mut self, socket: SocketId, identity: Identity, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else {
            self.books.misread("unknown_connection");
            return;
        };
        if identity != Identity::Unidentified {
            member.connection.identity = identity;
            self.rehome(socket, at, facts);
        }
        self.announce(socket, facts);
    }

    /// A connection is used by another process than the one that was thought to hold it.
    pub(super) fn adopt(&mut self, socket: SocketId, pid: u32, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        let holder = member.connection.process;
        if pid == 0 || pid == holder.pid {
            return;
        }
        let Some(user) = self.processes.with_pid(pid) else {
            self.meet(socket, pid);
            return;
        };
        self.hand(socket, user, at, facts);
    }

    /// A connection belongs to another process from now on.
    fn hand(&mut self, socket: SocketId, user: ProcessId, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        let holder = std::mem::replace(&mut member.connection.process, user);
        if let Some(waits) = self.waits.get_mut(&holder) {
            waits.leave(socket, at);
        }
        self.processes.release(holder, socket);
        self.processes.hold(user, socket);
        self.rehome(socket, at, facts);
    }

    /// Its holder ended: it is its opener's again. False when that is the same, or has ended, too.
    pub(super) fn give_back(&mut self, socket: SocketId, at: Time, facts: &mut Vec<Fact>) -> bool {
        let Some(member) = self.members.get(&socket) else { return false };
        let opener = member.opener;
        let back = opener != member.connection.process && self.processes.living(opener).is_some();
        if back {
            self.hand(socket, opener, at, facts);
        }
        back
    }

    /// Counts a connection as opened, once it is certain whose it is.
    pub(super) fn announce(&mut self, socket: SocketId, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        if !std::mem::replace(&mut member.announced, true) {
            let pool = member.pool;
            self.tell(pool, facts, |labels| Fact::Opened { labels });
        }
    }

    /// Ends a nameless pool that has been left by its last connection for another one: both are the same.
    fn retire(&mut self, pool: PoolRef, at: Time, facts: &mut Vec<Fact>) {
        let over = |pool: &Pool| !pool.key.is_identified() && pool.sockets.is_empty();
        if self.pools.get(pool).is_some_and(over) {
            self.end_pool(pool, at, facts);
        }
    }

    /// Ends a pool.
    pub(super) fn end_pool(&mut self, pool: PoolRef, at: Time, facts: &mut Vec<Fact>) {
        if let Some(removed) = self.pools.get(pool)
            && let Some(waits) = self.waits.get_mut(&removed.key.process)
        {
            waits.end(pool);
        }
        self.keep_shown(pool, at);
        if let Some(mut pool) = self.pools.remove(pool) {
            pool.finish(at, facts);
            self.books.lose("edges", pool.take_late());
        }
    }

    fn rehome(&mut self, socket: SocketId, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get(&socket) else { return };
        let Some(key) = self.home(&member.connection) else {
            self.transfer(socket, None, at, facts);
            return;
        };
        let (process, server) = (key.process, key.server.clone());
        // A pool is as old as the connection that makes it, which was opening until it said its name.
        let born = if member.connection.is_new() { member.connection.born } else { at };
        let Some((pool, new)) = self.pool_for(key, born) else { return };
        self.transfer(socket, Some(pool), at, facts);
        if new && self.pools.only_identified(process, &server) == Some(pool) {
            self.gather(&PoolKey::unidentified(process, server), pool, at, facts);
        }
    }

    /// All members of the nameless pool join `pool`.
    fn gather(&mut self, nameless: &PoolKey, pool: PoolRef, at: Time, facts: &mut Vec<Fact>) {
        let Some(nameless) = self.pools.find(nameless) else { return };
        let sockets = self.pools.get(nameless).map(|pool| pool.sockets.clone()).unwrap_or_default();
        for socket in sockets {
            self.transfer(socket, Some(pool), at, facts);
        }
        self.retire(nameless, at, facts);
    }

    fn transfer(&mut self, socket: SocketId, to: Option<PoolRef>, at: Time, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        let (from, process) = (member.pool, member.connection.process);
        if from == to {
            return;
        }
        member.pool = to;
        if let Some(waits) = self.waits.get_mut(&process) {
            waits.transfer(socket, to, at);
        }
        let used = member.connection.hand(at);
        if let Some(pool) = from.and_then(|pool| self.pools.get_mut(pool)) {
            pool.current.follow(socket, &mut member.lent, None);
            pool.leave(socket, &member.connection, used, at);
        }
        if let Some(pool) = to.and_then(|pool| self.pools.get_mut(pool)) {
            pool.enter(socket, &member.connection);
            pool.current.follow(socket, &mut member.lent, member.leases.begun());
        }
        if let Some(from) = from {
            self.retire(from, at, facts);
        }
    }

    /// The pool that a connection belongs to; `None` for replication.
    fn home(&self, connection: &Connection) -> Option<PoolKey> {
        let (process, server) = (connection.process, connection.server.clone());
        match &connection.identity {
            Identity::Replication => None,
            Identity::Named { database, user } => {
                Some(PoolKey { process, server, database: database.clone(), user: user.clone() })
            }
            Identity::Unidentified => {
                let only = self.pools.only_identified(process, &server);
                let known = only.and_then(|pool| self.pools.get(pool)).map(|pool| pool.key.clone());
                Some(known.unwrap_or_else(|| PoolKey::unidentified(process, server)))
            }
        }
    }

    /// The pool with this key, and whether it was made just now; `None` when there is no room for it.
    fn pool_for(&mut self, key: PoolKey, at: Time) -> Option<(PoolRef, bool)> {
        if let Some(pool) = self.pools.find(&key) {
            return Some((pool, false));
        }
        let process = Arc::clone(self.processes.living(key.process)?);
        let mut pool = Pool::new(key, &self.settings, &process, at);
        self.recall(&mut pool, at);
        let pool = self.pools.add(pool);
        if pool.is_none() {
            self.books.lose("pools", 1);
        }
        pool.map(|pool| (pool, true))
    }
}
