//! In which processes the functions of TLS libraries have probes: in those that hold an encrypted connection, and for a while
//! after, so that the next one is seen from its beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{lenders::exit, watcher::Watcher};
use crate::{
    clock,
    config::Tls,
    discover::{
        Lookup, library,
        symbols::Door,
        tls::{self, Found, Library, WAYS},
    },
    event::{Event, SECOND, SocketId, Time},
    probes::{Evidence, Gate},
};

/// How long after a process's last encrypted connection the probes stay.
const CALM: Time = 30 * SECOND;
/// How often it is looked who still has one.
const LOOK: Time = SECOND;
/// Processes that are known to encrypt at once.
const PROCESSES: usize = 4096;

/// Whose libraries are looked at.
pub struct Plaintext {
    lookup: Option<Lookup<Found>>,
    /// Since when each has had no such connection.
    processes: BTreeMap<u32, Option<Time>>,
    looked: Time,
}

impl Plaintext {
    /// Nobody's yet, and never anybody's if that is not wanted.
    pub fn new(tls: Tls) -> Self {
        let lookup = (tls == Tls::Auto).then(tls::lookup);
        Self { lookup, processes: BTreeMap::new(), looked: 0 }
    }

    fn meet(&mut self, pid: u32) {
        let Some(lookup) = &self.lookup else { return };
        if let Some(calm_since) = self.processes.get_mut(&pid) {
            *calm_since = None;
        } else if self.processes.len() < PROCESSES {
            self.processes.insert(pid, None);
            lookup.ask(pid);
        }
    }

    /// A process ended.
    pub fn part(&mut self, pid: u32, evidence: &mut Evidence) {
        if self.processes.remove(&pid).is_some() {
            evidence.detach_library(pid);
        }
    }

    /// Those that have been calm for so long.
    fn calm(&mut self, encrypting: &BTreeSet<u32>, now: Time) -> Vec<u32> {
        let mut over = Vec::new();
        for (pid, calm_since) in &mut self.processes {
            if encrypting.contains(pid) {
                *calm_since = None;
            } else if now.saturating_sub(*calm_since.get_or_insert(now)) >= CALM {
                over.push(*pid);
            }
        }
        over
    }
}

impl Watcher {
    /// A connection is encrypted, by this process.
    pub(super) fn encrypts(&mut self, socket: SocketId, pid: u32) {
        if let Some(known) = self.known.connection(socket) {
            known.encrypts = pid;
            self.plaintext.meet(pid);
        }
    }

    /// Attaches where libraries were found, and detaches where nothing has been encrypted for a while.
    pub(super) fn read_plain(&mut self, events: &mut Vec<Event>) {
        let Some(lookup) = &self.plaintext.lookup else { return };
        let found: Vec<Found> = lookup.answers().collect();
        for found in found {
            self.attach_library(&found);
        }
        let now = clock::now();
        if now.saturating_sub(self.plaintext.looked) >= LOOK {
            self.plaintext.looked = now;
            let encrypting = self.known.encrypting();
            for pid in self.plaintext.calm(&encrypting, now) {
                self.leave_library(pid);
            }
        }
        events.extend(self.pressure.evidence.take_news().map(Event::Probes));
    }

    /// It runs another program now: what was known of its library is not of this one.
    pub(super) fn part_from_library(&mut self, pid: u32) {
        if self.plaintext.processes.contains_key(&pid) {
            self.leave_library(pid);
        }
    }

    fn leave_library(&mut self, pid: u32) {
        // First the kernel side: a connection that is left does without from then on.
        let _ = self
            .maps
            .reads_plain(pid, false, false)
            .inspect_err(|error| tracing::debug!(pid, %error, "cannot mark a process"));
        self.plaintext.part(pid, &mut self.pressure.evidence);
    }

    fn attach_library(&mut self, found: &Found) {
        let pid = found.pid;
        // It may have ended meanwhile, and another have its number.
        let same = library::program(pid) == Some(found.program);
        if !same || !self.plaintext.processes.contains_key(&pid) {
            return;
        }
        if found.libraries.is_empty() {
            tracing::debug!(pid, "no TLS library that is known here: by turns");
            return;
        }
        let began = clock::now();
        let files: Vec<(&Path, Vec<Gate>)> = found.libraries.iter().map(gates).collect();
        match self.pressure.evidence.attach_library(pid, &files) {
            Ok(true) => {
                let microseconds = clock::now().saturating_sub(began) / 1000;
                tracing::debug!(pid, libraries = files.len(), microseconds, "plaintext is seen");
                let _ = self
                    .maps
                    .reads_plain(pid, true, found.libraries.iter().any(|library| library.go))
                    .inspect_err(|error| tracing::warn!(pid, %error, "cannot mark a process"));
            }
            // No room: its next encrypted connection asks again.
            Ok(false) if !self.pressure.evidence.is_in_library(pid) => {
                self.plaintext.processes.remove(&pid);
            }
            Ok(false) => {}
            // That it ended meanwhile says nothing of the kernel.
            Err(_) if library::program(pid) != Some(found.program) => {}
            Err(outcome) => {
                tracing::warn!(pid, ?outcome, "plaintext cannot be seen");
                self.pressure.evidence.fail_in_library(&outcome);
            }
        }
    }
}

fn gates(library: &Library) -> (&Path, Vec<Gate>) {
    (&library.file, library.doors.iter().filter_map(gate).collect())
}

fn gate(door: &Door) -> Option<Gate> {
    let way = WAYS.iter().find(|way| way.function == door.name)?;
    let entered = way.entered.map(|probe| (probe, door.entry));
    let Some([done, returned]) = way.done else {
        return Some(Gate { entered, done: "", exits: Vec::new(), caught: None });
    };
    let caught = door.caught.map(|at| (returned, at));
    Some(Gate { entered, done, exits: door.exits.iter().map(exit).collect(), caught })
}
