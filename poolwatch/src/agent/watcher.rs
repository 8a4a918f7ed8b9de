//! The left side of the agent: what the kernel side and `/proc` know, told as events.
//!
//! It decides nothing about pools. It completes what a record cannot carry (who the process is), leaves
//! out what the user does not want, and looks up what no record tells.

use std::{collections::BTreeSet, mem};

use anyhow::Result;

use super::{
    containers::Containers,
    known::{Known, KnownConnection},
    plaintext::Plaintext,
    pressure::Pressure,
};
use crate::{
    clock,
    config::{Evidence, Targets, Tls},
    discover::{self, By, UnixSockets},
    event::{Event, ProcessId, SocketId, Time},
    intake::{Intake, Opener, Sighting},
    probes::{Attached, Maps, Older, ProbeLog, catalog::Tier},
};

/// Ports whose failed connects are told, those of the user included: the kernel's map holds so many.
const PORTS: usize = 256;

/// What is seen of the machine.
pub struct Watcher {
    pub(super) intake: Intake,
    pub(super) maps: Maps,
    pub(super) tier: Tier,
    pub(super) targets: Targets,
    pub(super) known: Known,
    pub(super) unix: UnixSockets,
    pub(super) containers: Containers,
    ports: BTreeSet<u16>,
    /// Taken from the ring; earlier ones may still follow.
    sightings: Vec<Sighting>,
    /// Listed processes that still live.
    pub(super) listed: BTreeSet<u32>,
    /// Records that were lost and could not be told of their connection.
    pub(super) refused: u64,
    /// What encrypted connections do is told.
    turns: bool,
    log: ProbeLog,
    pub(super) plaintext: Plaintext,
    // Detaches when dropped.
    pub(super) pressure: Pressure,
}

impl Watcher {
    /// Watches through what was attached.
    ///
    /// # Errors
    /// When the kernel side's maps cannot be written.
    pub fn new(
        attached: Attached,
        targets: Targets,
        (when, tls): (Evidence, Tls),
        containers: Containers,
    ) -> Result<Self> {
        let Attached { evidence, ring, maps, tier, log, .. } = attached;
        let mut watcher = Self {
            intake: Intake::new(ring),
            maps,
            tier,
            known: Known::default(),
            unix: UnixSockets::new(),
            containers,
            ports: BTreeSet::new(),
            sightings: Vec::new(),
            listed: targets.pids.iter().copied().collect(),
            targets,
            refused: 0,
            turns: tls != Tls::Off,
            log,
            plaintext: Plaintext::new(tls),
            pressure: Pressure::new(when, evidence),
        };
        for pid in watcher.everybody() {
            watcher.maps.list(pid)?;
        }
        for port in watcher.targets.ports.clone() {
            watcher.tell_failures(port);
        }
        Ok(watcher)
    }

    /// The named processes, and those that descend from them already.
    fn everybody(&self) -> Vec<u32> {
        let pids = &self.targets.pids;
        if self.targets.follow_children { discover::family(pids) } else { pids.clone() }
    }

    /// The connections to look at.
    pub fn sockets(&self) -> Vec<SocketId> {
        self.known.sockets()
    }

    /// The processes to look at.
    pub fn processes(&self) -> Vec<ProcessId> {
        self.known.processes()
    }

    /// The ring, to wait on.
    pub const fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Every process that was named has ended.
    pub fn nobody_left(&self) -> bool {
        !self.targets.pids.is_empty() && self.listed.is_empty()
    }

    /// Finds the connections that are older than the probes.
    pub fn scan_older(&mut self, events: &mut Vec<Event>) -> Vec<String> {
        let pids = (!self.targets.pids.is_empty()).then(|| self.everybody());
        let found = discover::older_sockets(pids.as_deref(), &self.targets.ports);
        let mut problems = found.problems;
        for socket in found.sockets {
            let Some(id) = self.identity(&socket) else {
                problems
                    .push(format!("an open connection of process {} has no identity", socket.process.pid));
                continue;
            };
            if socket.certain && !self.introduce(socket.process, None, events) {
                continue;
            }
            let discover::OlderSocket { process, inode, ref server, certain, .. } = socket;
            if let Err(error) = self.maps.adopt(&Older { socket: id, process, inode, server, certain }) {
                self.refused += 1;
                problems.push(format!("an open connection of process {}: {error}", socket.process.pid));
                continue;
            }
            if socket.certain {
                self.open_older(id, &socket, events);
            }
        }
        problems
    }

    pub(super) fn open_older(
        &mut self,
        id: SocketId,
        socket: &discover::OlderSocket,
        events: &mut Vec<Event>,
    ) {
        self.tell_failures(socket.server.port());
        let process = self.holder(id, socket.process);
        let (inode, server) = (socket.inode, socket.server.clone());
        let known = KnownConnection { process, inode, server: server.clone(), missed: 0, encrypts: 0 };
        self.known.open(id, known);
        events.push(Event::Open {
            socket: id,
            process,
            server,
            at: clock::now(),
            connected: None,
            midstream: true,
        });
    }

    /// Who is asked whether a connection is still there: whoever was asked before, while that process lives.
    fn holder(&mut self, id: SocketId, found: ProcessId) -> ProcessId {
        let before = self.known.connection(id).map(|known| known.process);
        before.filter(|process| discover::started(process.pid) == Some(process.started)).unwrap_or(found)
    }

    /// Takes a portion of what the ring holds. True when more is left.
    pub fn drain(&mut self, events: &mut Vec<Event>) -> bool {
        if let Some(show) = &mut self.log {
            show();
        }
        self.tell_named(events);
        let mut sightings = mem::take(&mut self.sightings);
        let portion = self.intake.drain(&mut sightings);
        for sighting in sightings.drain(..portion.ready) {
            self.take(sighting, events);
        }
        self.sightings = sightings;
        portion.more
    }

    pub(super) fn see(&mut self, sighting: Sighting, events: &mut Vec<Event>) {
        let Sighting { event, time, pid, missed, opener, .. } = sighting;
        let Some(mut event) = event else {
            self.renew(pid, events);
            return;
        };
        match &mut event {
            Event::Open { socket, process, server, .. } => {
                let Opener { comm, inode } = opener.map(|opener| *opener).unwrap_or_default();
                if !self.introduce(*process, Some(&comm), events) {
                    self.maps.forget(*socket);
                    self.intake.forget(*socket);
                    return;
                }
                self.tell_failures(server.port());
                let (process, server) = (*process, server.clone());
                let known = KnownConnection { process, inode, server, missed: 0, encrypts: 0 };
                self.known.open(*socket, known);
            }
            Event::ConnectFailed { process, .. } => {
                let comm = opener.as_ref().map(|opener| opener.comm.as_str());
                if !self.introduce(*process, comm, events) {
                    return;
                }
            }
            Event::Request(request) => {
                if let Some(known) = self.known.connection(request.socket) {
                    // Those that a scan noticed were told already.
                    request.missed = request.missed.saturating_sub(known.missed);
                    known.missed = 0;
                } else if self.denied(request.pid) {
                    return;
                }
            }
            Event::Startup { socket, .. } => self.tell_missed(*socket, missed, time, events),
            Event::Secured { socket, by, .. } => {
                self.tell_missed(*socket, missed, time, events);
                if by == "tls" {
                    self.encrypts(*socket, pid);
                }
            }
            Event::Close { socket, .. } => {
                self.tell_missed(*socket, missed, time, events);
                if !self.known.close(*socket) {
                    return;
                }
            }
            Event::Exit { process, .. } => {
                self.listed.remove(&process.pid);
                self.pressure.part(process.pid);
                self.plaintext.part(process.pid, &mut self.pressure.evidence);
                self.containers.part(process.pid);
                self.known.part(*process);
            }
            // Before its first connection was told, or after its end, a process is nobody's.
            Event::Demand(_) | Event::Served(_) | Event::Begun(_) | Event::Parked(_) | Event::Borrow(_) => {
                if self.known.process(pid).is_none() {
                    return;
                }
                if matches!(event, Event::Demand(_)) {
                    self.pressure.serves(pid);
                }
            }
            _ => {}
        }
        let silent = match &event {
            Event::Secured { socket, at, .. } if !self.turns => Some((*socket, *at)),
            _ => None,
        };
        events.push(event);
        events.extend(silent.map(|(socket, at)| Event::Missed { socket, at, records: 0 }));
    }

    fn tell_missed(&mut self, socket: SocketId, missed: u32, at: Time, events: &mut Vec<Event>) {
        let Some(known) = self.known.connection(socket) else { return };
        let records = missed.saturating_sub(known.missed);
        known.missed = 0;
        if records > 0 {
            events.push(Event::Missed { socket, at, records });
        }
    }

    fn tell_failures(&mut self, port: u16) {
        if self.ports.len() < PORTS && self.ports.insert(port) && self.maps.tell_failures(port).is_err() {
            self.refused += 1;
        }
    }

    /// What the attached tier knows the socket by; `None` when that was not found.
    fn identity(&self, socket: &discover::OlderSocket) -> Option<SocketId> {
        let identity = match self.tier {
            Tier::Sock => socket.cookie,
            Tier::Syscall => socket.inode,
        };
        (identity != 0).then_some(SocketId(identity))
    }

    pub(super) const fn by(&self, socket: SocketId) -> By {
        match self.tier {
            Tier::Sock => By::Cookie(socket.0),
            Tier::Syscall => By::Inode(socket.0),
        }
    }

    /// The books of the kernel side and of the intake.
    pub fn books(&self) -> Event {
        let (kernel, totals) = (self.maps.books(), self.intake.totals());
        let [short, kind, field] = totals.unreadable;
        let own = |name: &str, count: u64| (name.to_owned(), count);
        let mut lost = kernel.lost();
        lost.push(own("scan", self.known.overflow() + self.refused));
        lost.extend(self.intake.lost().map(|(name, count)| own(name, count)));
        let mut unparsed = kernel.unparsed();
        unparsed.extend([
            own("startup_cut", totals.cut),
            own("record_short", short),
            own("record_kind", kind),
            own("record_field", field),
            own("container", self.containers.missed()),
        ]);
        Event::Books { events: totals.records, lost, unparsed }
    }
}
