//! How waits are told what happens, and what becomes of what they say.
//!
//! Waits are kept per process, from the first demand or borrower of it that is told. In come events, out go
//! facts; each pool is told how many wait, on what evidence, and how far to trust it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Core,
    fact::Fact,
    wait::{Answered, Waited, Waiting, Waits},
};
use crate::event::{Begun, ProcessId, Query, Request, RequestKind, SECOND, Time};

/// A pool that was saturated so recently is worth a closer look.
const RECENT: Time = 5 * SECOND;
/// A request may be in flight on a connection that was answered since.
const CALM: Time = SECOND;
/// First words of what a pool's library alone sends, when it takes a connection back.
const RETURNS: [&str; 3] = ["RESET", "DISCARD", "UNLISTEN"];

impl Core {
    /// A request began.
    pub(super) fn begun(&mut self, begun: &Begun, facts: &mut Vec<Fact>) {
        if let Some(member) = self.members.get_mut(&begun.socket)
            && self.waits.get(&member.connection.process).is_some_and(|waits| waits.goes_on(begun))
        {
            member.leases.resume();
        }
        self.inflight(begun.socket, begun.at, facts);
        let Some(member) = self.members.get(&begun.socket) else { return };
        if let Some(waits) = self.waits.get_mut(&member.connection.process) {
            waits.begin(begun);
            self.conclude(member.connection.process, facts);
        }
    }

    /// Something happened to the process with this number that waits are inferred from.
    pub(super) fn with_waits(&mut self, pid: u32, facts: &mut Vec<Fact>, tell: impl FnOnce(&mut Waits)) {
        let Some(process) = self.processes.with_pid(pid) else {
            self.books.misread("unknown_process");
            return;
        };
        if !self.waits.contains_key(&process) {
            let waits = self.new_waits(process);
            self.waits.insert(process, waits);
        }
        if let Some(waits) = self.waits.get_mut(&process) {
            tell(waits);
            self.conclude(process, facts);
        }
    }

    /// Idle connections are known at once, others with their next answer: until now requests were told by their answers alone.
    fn new_waits(&self, process: ProcessId) -> Waits {
        let mut waits = Waits::default();
        waits.declare(self.processes.living(process).and_then(|facts| facts.declared.connection_timeout));
        waits.lose(self.books.lately_lost());
        for socket in self.processes.held(process) {
            let Some(member) = self.members.get(&socket) else { continue };
            if let Some(pool) = member.pool
                && member.connection.is_idle_since(self.now.saturating_sub(CALM))
            {
                waits.enter(socket, pool, true, self.now);
            }
        }
        waits
    }

    /// A request was answered.
    pub(super) fn borrowed(&mut self, request: &Request, facts: &mut Vec<Fact>) {
        let Some(member) = self.members.get_mut(&request.socket) else { return };
        let taken_back = std::mem::take(&mut member.taken_back);
        let (process, Some(pool)) = (member.connection.process, member.pool) else { return };
        let Some(waits) = self.waits.get_mut(&process) else { return };
        if !waits.knows(request.socket) {
            waits.enter(request.socket, pool, request.kind == RequestKind::Startup, request.ended);
        }
        if request.kind != RequestKind::Startup && request.merged > 0 {
            waits.answer(&Answered {
                socket: request.socket,
                at: request.ended,
                turn: request.turn,
                transaction: request.transaction.is_open(),
                returns: returns(request).filter(|_| taken_back),
            });
        }
        self.conclude(process, facts);
    }

    fn conclude(&mut self, process: ProcessId, facts: &mut Vec<Fact>) {
        let mut waited = std::mem::take(&mut self.waited);
        if let Some(waits) = self.waits.get_mut(&process) {
            waits.take_waited(&mut waited);
        }
        for Waited { pool, took } in waited.drain(..) {
            let Some(pool) = self.pools.get_mut(pool) else { continue };
            pool.tally.add(self.now, took);
            pool.announce(facts);
            let (labels, pid) = (Arc::clone(&pool.labels), process.pid);
            facts.push(Fact::Waited { labels, pid, took: pool.tally.whole(took) });
        }
        self.waited = waited;
        for Waited { pool, took } in self.waits.get_mut(&process).map(Waits::take_gave_up).unwrap_or_default()
        {
            if let Some(pool) = self.pools.get_mut(pool) {
                pool.tally.give_up(self.now, took);
            }
            self.tell(Some(pool), facts, |labels| Fact::TimedOut { labels });
        }
    }

    /// Time passed: pools learn how many wait.
    pub(super) fn tick_waits(&mut self, at: Time, facts: &mut Vec<Fact>) {
        for pool in self.pools.all() {
            if let Some(pool) = self.pools.get_mut(pool)
                && !self.waits.contains_key(&pool.key.process)
            {
                pool.waiting = Waiting::by_logic(pool.idle_since, at);
            }
        }
        let processes: Vec<ProcessId> = self.waits.keys().copied().collect();
        for process in processes {
            let Some(waits) = self.waits.get_mut(&process) else { continue };
            waits.tick(at);
            for (place, count) in waits.take_refused() {
                self.books.lose(place, count);
            }
            for id in self.pools.of_process(process) {
                let (Some(pool), Some(waits)) = (self.pools.get_mut(id), self.waits.get_mut(&process)) else {
                    continue;
                };
                let elapsed = waits.take_elapsed(id);
                pool.tally.elapse(at, elapsed.pending, waits.take_served(id));
                pool.unsaid.add(elapsed);
                pool.silent = waits.silent(id, at);
                pool.waiting = if waits.sees(id) {
                    let waiting = waits.waiting(id, &pool.tally, at);
                    if pool.hidden.takes_turns() { waiting.by_turns() } else { waiting }
                } else {
                    Waiting::by_logic(pool.idle_since, at)
                };
            }
            self.conclude(process, facts);
        }
    }

    /// Some process with a pool is asked for something.
    pub fn serves(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Processes of which better evidence is worth its cost: a pool of theirs is or was just saturated.
    pub fn pressed(&self) -> BTreeSet<u32> {
        let pressed =
            |waits: &Waits| waits.saturated_at().is_some_and(|at| at.saturating_add(RECENT) >= self.now);
        self.waits.iter().filter(|(_, waits)| pressed(waits)).map(|(process, _)| process.pid).collect()
    }
}

/// First letter and length of a request that is one exchange of its own.
fn returns(request: &Request) -> Option<(u8, u32)> {
    let alone = request.kind == RequestKind::Query && request.merged <= 1;
    alone.then(|| (b'Q', u32::try_from(request.sent).unwrap_or(u32::MAX)))
}

/// A pool's library does this when it takes a connection back.
pub(super) fn takes_back(query: &Query) -> bool {
    query.summary.split([' ', ';']).any(|word| RETURNS.contains(&word))
}
