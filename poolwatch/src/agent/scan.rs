//! What no record tells: requests under way, UNIX sockets and processes that are gone, strangers.

use std::collections::BTreeSet;

use super::watcher::Watcher;
use crate::{
    clock,
    discover::{self, By},
    event::{Event, ProcessId, SECOND, Served, SocketId, Time},
};

/// How long a client that half-closed its connection may leave the rest of the answer unread.
const UNREAD: Time = 10 * SECOND;

impl Watcher {
    /// Looks at some known connections: what is under way has no record yet. Call [`Self::drain`] next, and
    /// then [`Self::gone`] with the answer.
    pub fn scan(&mut self, sockets: &[SocketId], events: &mut Vec<Event>) -> Vec<SocketId> {
        let at = clock::now();
        let mut absent = Vec::new();
        for socket in sockets.iter().copied() {
            let Some(standing) = self.maps.standing(socket) else {
                absent.push(socket);
                continue;
            };
            if standing.done.is_some_and(|done| done.saturating_add(UNREAD) < at) {
                self.maps.forget(socket);
                absent.push(socket);
                continue;
            }
            let Some(known) = self.known.connection(socket) else { continue };
            // Told again each time: the core holds what is under way open only so long.
            events.extend(standing.since.map(|since| Event::Inflight { socket, at, since }));
            if standing.missed > known.missed {
                let records = standing.missed - known.missed;
                known.missed = standing.missed;
                events.push(Event::Missed { socket, at, records });
            }
        }
        absent
    }

    /// Tells of connections that the kernel side did not know and whose end no record told.
    pub fn gone(&mut self, absent: Vec<SocketId>, events: &mut Vec<Event>) {
        let at = clock::now();
        for socket in absent {
            self.intake.forget(socket);
            if self.known.close(socket) {
                events.push(Event::Gone { socket, at });
            }
        }
    }

    /// UNIX sockets end without a sign: looks which are still there. Call [`Self::drain`] next, and then
    /// [`Self::gone`] with the answer.
    pub fn scan_unix(&mut self) -> Vec<SocketId> {
        let sockets = self.known.unix();
        if sockets.is_empty() {
            return Vec::new();
        }
        let asked: Vec<(u32, u64)> = sockets.iter().map(|(_, place)| *place).collect();
        let gone: BTreeSet<(u32, u64)> = self.unix.gone(&asked).into_iter().collect();
        let ended = sockets.into_iter().filter(|(_, place)| gone.contains(place)).map(|(socket, _)| socket);
        let ended: Vec<SocketId> = ended.collect();
        for socket in &ended {
            self.maps.forget(*socket);
        }
        ended
    }

    /// Accepted UNIX sockets end without a sign, too: forgets those that are gone. What they were asked for will
    /// not be answered.
    pub fn scan_aside(&mut self) -> Vec<Event> {
        let sockets = self.maps.aside();
        let asked: Vec<(u32, u64)> = sockets.iter().map(|aside| (aside.pid, aside.inode)).collect();
        let gone: BTreeSet<(u32, u64)> = self.unix.gone(&asked).into_iter().collect();
        let at = clock::now();
        let mut events = Vec::new();
        for aside in sockets.iter().filter(|aside| gone.contains(&(aside.pid, aside.inode))) {
            self.maps.forget_aside(aside.socket);
            if aside.asked {
                events.push(Event::Served(Served { socket: aside.socket, pid: aside.pid, at, turn: None }));
            }
        }
        events
    }

    /// Of some processes, those whose end no record told, or none yet. Call [`Self::drain`] next, and then
    /// [`Self::ended`] with the answer.
    pub fn scan_processes(processes: &[ProcessId]) -> Vec<ProcessId> {
        let gone = |process: &&ProcessId| discover::started(process.pid) != Some(process.started);
        processes.iter().filter(gone).copied().collect()
    }

    /// Tells of processes whose end no record told.
    pub fn ended(&mut self, processes: Vec<ProcessId>, events: &mut Vec<Event>) {
        let at = clock::now();
        for process in processes {
            if self.known.process(process.pid) == Some(process) {
                self.listed.remove(&process.pid);
                self.pressure.part(process.pid);
                self.plaintext.part(process.pid, &mut self.pressure.evidence);
                self.containers.part(process.pid);
                self.known.part(process);
                events.push(Event::Exit { process, at });
            }
        }
    }

    /// Tells of connections that the core heard of only in passing: their first record was lost, or they
    /// were handed to another process.
    pub fn introduce_strangers(&mut self, strangers: &[(SocketId, u32)], events: &mut Vec<Event>) {
        let wanted: Vec<(u32, By)> = strangers.iter().map(|(socket, pid)| (*pid, self.by(*socket))).collect();
        let found = discover::sockets(&wanted, &self.targets.ports);
        for ((socket, _), found) in strangers.iter().zip(found) {
            if let Some(found) = found
                && self.introduce(found.process, None, events)
            {
                self.open_older(*socket, &found, events);
            }
        }
    }
}
