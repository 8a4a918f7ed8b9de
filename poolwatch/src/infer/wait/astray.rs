//! Demands that are open and do not wait: their response was lost, or is a stream that never ends.
//!
//! What shows it: the next demand on their socket; in a process whose threads serve a demand each, the next demand of
//! their thread; many that came later and were served with a connection; or a connection that was idle for long. So none
//! stays behind for ever, whatever was lost.

use super::{
    FEW, NEWEST, Waits,
    demand::{DemandId, Open},
    lent::Lent,
};
use crate::event::{SECOND, SocketId, Time};

/// No pool serves so many that came later before somebody who waits, nor so many times as is usual: not even one that
/// draws who is next from those that wait.
const MANY: f64 = 100.0;
const TIMES: f64 = 20.0;
/// Nobody waits beside an idle connection for so long.
const IDLE: Time = 60 * SECOND;
/// A connection that is lent for so long may be one of theirs.
const LONG: Time = SECOND;
/// Contrary observations that one lost record makes.
const CONTRARY: f64 = 2.0;

impl Waits {
    /// Of the newest records, this share was lost.
    pub const fn lose(&mut self, share: f64) {
        self.loss = share;
    }

    /// Share of contrary observations below which one thread is taken to serve one demand at a time.
    pub(super) fn few(&self) -> f64 {
        FEW + CONTRARY * self.loss
    }

    /// A demand was served with a connection.
    pub(super) fn count_linked(&mut self, open: &Open) {
        let later = self.linked.saturating_sub(open.before.linked) as f64;
        self.overtaken += NEWEST * (later - self.overtaken);
        self.linked += 1;
    }

    /// A demand is not open any more; true if it was in a pooler's queue.
    pub(super) fn close(&mut self, socket: SocketId) -> Option<(Open, bool)> {
        let open = self.demands.remove(socket)?;
        self.routes.close(open.route);
        let queued = open.start.is_none() && self.queue.leave(open.id);
        if let Some(thread) = self.threads.get_mut(open.thread) {
            thread.open = thread.open.saturating_sub(1);
        }
        Some((open, queued))
    }

    /// A demand is over, and how it ended was not seen.
    pub(super) fn abandon(&mut self, socket: SocketId) {
        if let Some((open, _)) = self.close(socket) {
            self.free(&open);
        }
    }

    /// A thread reads a demand. While records are lost, the one that it works for is over, where a thread serves one at
    /// a time; true if there was one.
    pub(super) fn take_turns(&mut self, thread: u32) -> bool {
        if self.loss <= 0.0 || !self.serves_by_threads() {
            return false;
        }
        let current = self.threads.get_mut(thread).and_then(|thread| thread.current);
        let open = current.filter(|current| self.demands.get(*current).is_some());
        if let Some(current) = open {
            self.abandon(current.socket);
        }
        open.is_some()
    }

    /// Forgets demands that nobody serves, but for as many as may hold a connection all the time.
    pub(super) fn forget_astray(&mut self, at: Time) {
        let many = MANY + TIMES * self.overtaken;
        let astray = |open: &&Open| {
            self.linked.saturating_sub(open.before.linked) as f64 > many
                || self.gauge.idle().saturating_sub(open.before.idle) > IDLE
        };
        if self.demands.in_order().next().as_ref().is_none_or(|open| !astray(open)) {
            return;
        }
        let found: Vec<DemandId> = self.demands.in_order().take_while(astray).map(|open| open.id).collect();
        let long = |lent: &&Lent| {
            lent.state.is_lent() && lent.first.is_some_and(|first| first.begun.saturating_add(LONG) <= at)
        };
        let holders = self.lent.values().filter(long).count();
        for demand in found.iter().take(found.len().saturating_sub(holders)) {
            self.abandon(demand.socket);
        }
    }
}
