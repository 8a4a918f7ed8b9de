//! What time alone does: integrals are told, statuses judged again, what is over ends.

use super::{Core, fact::Fact, pools::PoolRef};
use crate::event::{SECOND, Time};

/// How long a pool may be without a connection.
const LINGER: Time = 10 * SECOND;

impl Core {
    /// Time passed. Exact when no event that is still to come is older than `at`.
    pub(super) fn tick(&mut self, at: Time, facts: &mut Vec<Fact>) {
        self.settle(facts);
        self.tick_waits(at, facts);
        for pool in self.pools.all() {
            self.tick_pool(pool, at, facts);
        }
        self.processes.forget(at);
    }

    fn settle(&mut self, facts: &mut Vec<Fact>) {
        for socket in std::mem::take(&mut self.settling) {
            let Some(member) = self.members.get_mut(&socket) else { continue };
            if self.waits.get(&member.connection.process).is_some_and(|waits| waits.may_go_on(socket)) {
                self.settling.insert(socket);
                continue;
            }
            member.settling = false;
            let (pool, took) = (member.pool, member.leases.settle());
            self.lease(pool, took, facts);
        }
    }

    fn tick_pool(&mut self, id: PoolRef, at: Time, facts: &mut Vec<Fact>) {
        let Some(pool) = self.pools.get_mut(id) else { return };
        if pool.empty_since.is_some_and(|since| since.saturating_add(LINGER) <= at) {
            self.end_pool(id, at, facts);
            return;
        }
        pool.tick(at, facts);
        pool.rejudge(&self.settings, at, facts);
        self.books.lose("edges", pool.take_late());
        self.keep_shown(id, at);
    }
}
