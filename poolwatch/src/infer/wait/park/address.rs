//! What sleeps at an address of memory are, by how earlier ones there ended.
//!
//! A sleep that ends by itself is no wait: `Thread.sleep` sleeps like that, each time at the same address of its thread,
//! which is how the next one is told apart while it lasts. One that goes on at once where it ended is the same: who
//! waits for an interpreter's lock looks up every few milliseconds. That lock is where many threads sleep and are woken
//! although some connection is idle all the while: where only those sleep that wait for a connection, nobody does then.

use crate::event::HashMap;

/// Addresses that are told apart; sleeps at further ones are taken for waits.
const ADDRESSES: usize = 16_384;
/// As often another thread than the one before must have slept there: what a thread has for itself is no lock.
const SHARED: u32 = 8;
/// So many sleeps beside an idle connection are no mistake about that connection,
const KNOWN: u32 = 8;
/// and they are more than one in so many.
const SOME: u32 = 20;

/// How sleeps at an address ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    by_others: u32,
    by_itself: u32,
    /// Of those by others: some connection was idle all the while.
    idle: u32,
    thread: u32,
    /// How often another thread slept there than the time before.
    changes: u32,
}

/// All addresses of a process.
#[derive(Debug, Default)]
pub struct Addresses {
    ends: HashMap<u64, Ends>,
    /// Sleeps beside an idle connection that time ended, each at an address of its thread.
    alarms: u32,
}

impl Addresses {
    fn meet(&mut self, address: u64) -> Option<&mut Ends> {
        let room = self.ends.len() < ADDRESSES || self.ends.contains_key(&address);
        (address != 0 && room).then(|| self.ends.entry(address).or_default())
    }

    /// Another thread ended a sleep; `idle` = some connection was surely idle all the while.
    pub fn end_by_another(&mut self, address: u64, thread: u32, idle: bool) {
        let Some(ends) = self.meet(address) else { return };
        ends.by_others = ends.by_others.saturating_add(1);
        ends.idle = ends.idle.saturating_add(u32::from(idle));
        ends.changes = ends.changes.saturating_add(u32::from(ends.thread != thread));
        ends.thread = thread;
    }

    /// Time ended a sleep; `idle` = some connection was surely idle all the while.
    pub fn end_by_itself(&mut self, address: u64, idle: bool) {
        if let Some(ends) = self.meet(address) {
            ends.by_itself = ends.by_itself.saturating_add(1);
            let alarm = idle && ends.changes < SHARED;
            self.alarms = self.alarms.saturating_add(u32::from(alarm));
        }
    }

    /// A sleep there that ended by itself may go on with the next. Not where threads let time pass at addresses of their own:
    /// what follows may be a wait.
    pub fn goes_on(&self, address: u64) -> bool {
        self.alarms < KNOWN || self.ends.get(&address).is_some_and(|ends| ends.changes >= SHARED)
    }

    /// The sleep that ended by itself was a wait nevertheless.
    pub fn forgive(&mut self, address: u64) {
        if let Some(ends) = self.ends.get_mut(&address) {
            ends.by_others = ends.by_others.saturating_add(1);
            ends.by_itself = ends.by_itself.saturating_sub(1);
        }
    }

    /// Sleeps there end by themselves.
    pub fn is_alarm(&self, address: u64) -> bool {
        self.ends.get(&address).is_some_and(|ends| ends.by_itself > ends.by_others)
    }

    /// Every thread sleeps there now and then, whatever the pool has.
    pub fn is_lock(&self, address: u64) -> bool {
        self.ends.get(&address).is_some_and(|ends| {
            ends.changes >= SHARED && ends.idle >= KNOWN && ends.idle.saturating_mul(SOME) > ends.by_others
        })
    }
}
