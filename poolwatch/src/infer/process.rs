//! Processes: who holds connections, which of two with the same number is alive, and who has ended.
//!
//! In come [`Process`] and its end; out go its facts and the sockets that it holds. An ended process is
//! remembered for a while, because news of it may come late and must not raise it. It never asks the
//! system: a process that nobody told of has empty names.

use std::{collections::BTreeSet, sync::Arc};

use super::limits;
use crate::event::{Declared, HashMap, Process, ProcessId, SECOND, SocketId, Time};

/// How long an ended process is remembered.
const REMEMBERED: Time = 60 * SECOND;

/// What came of telling about a process.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// It was not known.
    New,
    /// Its facts are others now.
    Changed,
    /// Nothing new.
    Same,
    /// It has ended, or another has its number since.
    Ended,
    /// There is no room.
    Full,
}

#[derive(Debug)]
struct Entry {
    facts: Arc<Process>,
    sockets: BTreeSet<SocketId>,
    ended: Option<Time>,
}

/// All processes.
#[derive(Debug, Default)]
pub struct Processes {
    table: HashMap<ProcessId, Entry>,
    /// The newest process of each number, ended or not: older ones have surely ended.
    newest: HashMap<u32, ProcessId>,
    ended: BTreeSet<(Time, ProcessId)>,
}

/// What a process leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// Its facts.
    pub facts: Arc<Process>,
    /// Connections that it still held.
    pub sockets: BTreeSet<SocketId>,
}

impl Processes {
    /// Learns of a process, or of its new facts after `exec`. The caller ends [`Processes::replaced`] first.
    pub fn tell(&mut self, process: &Process) -> Told {
        if let Some(entry) = self.table.get_mut(&process.id) {
            if entry.ended.is_some() {
                return Told::Ended;
            }
            if *entry.facts == *process {
                return Told::Same;
            }
            entry.facts = Arc::new(process.clone());
            return Told::Changed;
        }
        if self.newest.get(&process.id.pid).is_some_and(|other| other.started > process.id.started) {
            return Told::Ended;
        }
        if !self.has_room() {
            return Told::Full;
        }
        let entry = Entry { facts: Arc::new(process.clone()), sockets: BTreeSet::new(), ended: None };
        self.table.insert(process.id, entry);
        self.newest.insert(process.id.pid, process.id);
        Told::New
    }

    /// The older process whose number `id` has now; it must have ended.
    pub fn replaced(&self, id: ProcessId) -> Option<ProcessId> {
        self.with_pid(id.pid).filter(|other| other.started < id.started)
    }

    /// A living process's facts.
    pub fn living(&self, id: ProcessId) -> Option<&Arc<Process>> {
        self.table.get(&id).filter(|entry| entry.ended.is_none()).map(|entry| &entry.facts)
    }

    /// The living process with this number.
    pub fn with_pid(&self, pid: u32) -> Option<ProcessId> {
        self.newest.get(&pid).copied().filter(|newest| self.living(*newest).is_some())
    }

    /// The sockets that a process holds.
    pub fn held(&self, id: ProcessId) -> Vec<SocketId> {
        self.table.get(&id).map_or_else(Vec::new, |entry| entry.sockets.iter().copied().collect())
    }

    /// The process holds this socket from now on.
    pub fn hold(&mut self, id: ProcessId, socket: SocketId) {
        if let Some(entry) = self.table.get_mut(&id) {
            entry.sockets.insert(socket);
        }
    }

    /// The process does not hold this socket any more.
    pub fn release(&mut self, id: ProcessId, socket: SocketId) {
        if let Some(entry) = self.table.get_mut(&id) {
            entry.sockets.remove(&socket);
        }
    }

    /// The process ended; `None` when it is not known to live.
    pub fn end(&mut self, id: ProcessId, at: Time) -> Option<Ended> {
        let entry = self.table.get_mut(&id).filter(|entry| entry.ended.is_none())?;
        entry.ended = Some(at);
        self.ended.insert((at, id));
        Some(Ended { facts: Arc::clone(&entry.facts), sockets: std::mem::take(&mut entry.sockets) })
    }

    /// Forgets processes that ended long ago.
    pub fn forget(&mut self, now: Time) {
        while let Some(&(at, id)) = self.ended.first() {
            if at.saturating_add(REMEMBERED) > now {
                return;
            }
            self.ended.pop_first();
            self.drop(id);
        }
    }

    fn has_room(&mut self) -> bool {
        if self.table.len() < limits::PROCESSES {
            return true;
        }
        let oldest = self.ended.pop_first();
        oldest.is_some_and(|(_, id)| self.drop(id))
    }

    fn drop(&mut self, id: ProcessId) -> bool {
        if self.newest.get(&id.pid) == Some(&id) {
            self.newest.remove(&id.pid);
        }
        self.table.remove(&id).is_some()
    }
}

/// A process that nobody told of.
pub fn unnamed(id: ProcessId) -> Process {
    Process {
        id,
        name: String::new(),
        service: String::new(),
        container: None,
        pod: None,
        namespace: None,
        declared: Declared::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, started: u64) -> Process {
        unnamed(ProcessId { pid, started })
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let mut processes = Processes::default();
        assert_eq!(processes.tell(&process(7, 1)), Told::New);
        let newer = ProcessId { pid: 7, started: 2 };
        assert_eq!(processes.replaced(newer), Some(ProcessId { pid: 7, started: 1 }));
        assert!(processes.end(ProcessId { pid: 7, started: 1 }, 5).is_some());
        assert_eq!(processes.tell(&process(7, 2)), Told::New);
        assert_eq!(processes.with_pid(7), Some(newer));
        assert_eq!(processes.tell(&process(7, 1)), Told::Ended);
    }

    #[test]
    fn an_ended_process_stays_ended_until_it_is_forgotten() {
        let mut processes = Processes::default();
        processes.tell(&process(7, 1));
        processes.end(ProcessId { pid: 7, started: 1 }, 5);
        assert_eq!(processes.tell(&process(7, 1)), Told::Ended);
        assert!(processes.end(ProcessId { pid: 7, started: 1 }, 6).is_none());
        processes.forget(5 + REMEMBERED);
        assert_eq!(processes.tell(&process(7, 1)), Told::New);
    }

    #[test]
    fn a_full_table_gives_up_the_ended_and_nothing_else() {
        let mut processes = Processes::default();
        for pid in 1..=4096 {
            assert_eq!(processes.tell(&process(pid, 1)), Told::New);
        }
        assert_eq!(processes.tell(&process(5000, 1)), Told::Full);
        processes.end(ProcessId { pid: 3, started: 1 }, 5);
        assert_eq!(processes.tell(&process(5000, 1)), Told::New);
        assert_eq!(processes.tell(&process(5001, 1)), Told::Full);
    }
}
