//! What each thread of a process read last: by that, a demand and a borrowing of one turn are known to be one.

use std::collections::VecDeque;

use super::{super::limits, demand::DemandId};
use crate::event::{HashMap, SECOND, SocketId, Time, Turn};

/// Reads that a thread remembers of each kind.
const READS: usize = 16;
/// A thread that was silent for so long makes room for others.
const SILENT: Time = 60 * SECOND;

/// What a thread read last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Last {
    /// Nothing yet.
    #[default]
    Nothing,
    /// A demand.
    Demand(DemandId),
    /// An answer of the database.
    Answer,
}

/// An answer of the database that a thread read.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The connection.
    pub socket: SocketId,
    /// The connection's exchange that it ended.
    pub exchange: u64,
    /// The thread's turn.
    pub nth: u64,
    /// When.
    pub at: Time,
}

/// What a thread that has not borrowed sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// A connection.
    Wait,
    /// Perhaps a connection: when it began, some seemed idle.
    Early,
    /// Time, as most sleeps at its address; a connection, if another thread ends it.
    Alarm,
    /// A lock that every thread needs now and then, or time while some connection is idle.
    Other,
}

/// A sleep that ended by itself.
#[derive(Clone, Copy, Debug)]
pub struct Overslept {
    /// Where it slept.
    pub address: u64,
    /// Since when.
    pub since: Time,
    /// It ended.
    pub until: Time,
    /// Some connection was surely idle all the while.
    pub idle: bool,
    /// It was counted as a wait while it lasted.
    pub counted: bool,
}

impl Overslept {
    /// How long it was counted as a wait.
    pub const fn counted(&self) -> Time {
        if self.counted { self.until.saturating_sub(self.since) } else { 0 }
    }
}

/// One thread.
#[derive(Debug, Default)]
pub struct Thread {
    /// What it read last.
    pub last: Last,
    /// Demands that it read, with its turns.
    pub asked: VecDeque<(DemandId, u64)>,
    /// When it read a demand last, and in which turn.
    pub last_asked: Option<(Time, u64)>,
    /// Answers that it read.
    pub answers: VecDeque<Answer>,
    /// The demand that it works for, where a thread works for one at a time.
    pub current: Option<DemandId>,
    /// Demands that it read and that are open.
    pub open: u32,
    /// Since when it sleeps, and for what.
    pub asleep: Option<(Time, Sleep)>,
    /// Its sleep that ended by itself last.
    pub overslept: Option<Overslept>,
    seen: Time,
}

impl Thread {
    /// It read a demand.
    pub fn ask(&mut self, demand: DemandId, at: Time, turn: Turn) {
        self.last = Last::Demand(demand);
        self.last_asked = Some((at, turn.nth));
        self.current = Some(demand);
        self.open += 1;
        push(&mut self.asked, (demand, turn.nth));
    }

    /// It read the end of an answer outside a transaction.
    pub fn answer(&mut self, answer: Answer) {
        push(&mut self.answers, answer);
    }
}

fn push<T>(queue: &mut VecDeque<T>, new: T) {
    if queue.len() >= READS {
        queue.pop_front();
    }
    queue.push_back(new);
}

/// All threads of a process.
#[derive(Debug, Default)]
pub struct Threads {
    table: HashMap<u32, Thread>,
    refused: u64,
}

impl Threads {
    /// A thread; `None` when there is no room, which is counted.
    pub fn meet(&mut self, thread: u32, at: Time) -> Option<&mut Thread> {
        if !self.table.contains_key(&thread) && self.table.len() >= limits::THREADS {
            self.table.retain(|_, thread| thread.open > 0 || thread.seen.saturating_add(SILENT) > at);
            if self.table.len() >= limits::THREADS {
                self.refused += 1;
                return None;
            }
        }
        let thread = self.table.entry(thread).or_default();
        thread.seen = at;
        Some(thread)
    }

    /// A thread that is known.
    pub fn get(&self, thread: u32) -> Option<&Thread> {
        self.table.get(&thread)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, thread: u32) -> Option<&mut Thread> {
        self.table.get_mut(&thread)
    }

    /// Threads that found no room since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}
