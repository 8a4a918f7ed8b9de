//! In which processes the probes of pools' libraries are attached: in those that are looked at, and for a while
//! after.

use std::collections::BTreeMap;

use super::watcher::Watcher;
use crate::{
    clock,
    discover::{
        Lookup,
        library::{self, Found},
        symbols::{self, Function, If, Left},
    },
    event::{Event, Time},
    probes::{Evidence, Exit, Place},
};

/// Processes in whose library probes are attached, and since when each is calm.
pub struct Lenders {
    lookup: Lookup<Found>,
    attached: BTreeMap<u32, Option<Time>>,
}

impl Lenders {
    /// None yet.
    pub fn new() -> Self {
        Self { lookup: library::lookup(), attached: BTreeMap::new() }
    }

    /// A process is looked at from now on, or no longer.
    pub fn press(&mut self, pid: u32, pressed: bool) {
        match self.attached.get_mut(&pid) {
            Some(calm_since) => *calm_since = (!pressed).then(clock::now),
            None if pressed => self.lookup.ask(pid),
            None => {}
        }
    }

    /// A process ended.
    pub fn part(&mut self, pid: u32, evidence: &mut Evidence) {
        self.attached.remove(&pid);
        evidence.detach_from(pid);
    }
}

impl Watcher {
    /// Attaches where functions were found, and detaches where it has been calm for so long.
    pub(super) fn lend(&mut self, calm: Time, events: &mut Vec<Event>) {
        let found: Vec<Found> = self.pressure.lenders.lookup.answers().collect();
        for found in found {
            self.attach_to(&found, events);
        }
        let now = clock::now();
        let over = |since: &Option<Time>| since.is_some_and(|since| now.saturating_sub(since) >= calm);
        let attached = &mut self.pressure.lenders.attached;
        let calm: Vec<u32> = attached.iter().filter(|(_, since)| over(since)).map(|(pid, _)| *pid).collect();
        for pid in calm {
            self.pressure.lenders.part(pid, &mut self.pressure.evidence);
            events.push(Event::Borrowers { pid, at: clock::now(), told: false });
        }
    }

    /// It runs another program now: what was known of its library is not of this one.
    pub(super) fn part_from_lender(&mut self, pid: u32, events: &mut Vec<Event>) {
        if self.pressure.lenders.attached.contains_key(&pid) {
            events.push(Event::Borrowers { pid, at: clock::now(), told: false });
        }
        self.pressure.part(pid);
    }

    fn attach_to(&mut self, found: &Found, events: &mut Vec<Event>) {
        let pid = found.pid;
        // It may have ended meanwhile, and another have its number; or be calm again.
        let same = library::program(pid) == Some(found.program);
        if !same || !self.pressure.is_pressed(pid) {
            return;
        }
        let began = clock::now();
        let places: Vec<Place> = found.lenders.iter().map(place).collect();
        match self.pressure.evidence.attach_to(pid, &places) {
            Ok(true) => {
                let at = clock::now();
                tracing::debug!(pid, microseconds = at.saturating_sub(began) / 1000, "borrowers are told of");
                self.pressure.lenders.attached.insert(pid, None);
                events.push(Event::Borrowers { pid, at, told: true });
            }
            Ok(false) => {}
            // That it ended meanwhile says nothing of the kernel.
            Err(_) if library::program(pid) != Some(found.program) => {}
            Err(outcome) => {
                tracing::warn!(pid, ?outcome, "borrowers cannot be told of");
                self.pressure.evidence.fail_to_attach(&outcome);
            }
        }
    }
}

fn place(function: &Function) -> Place {
    Place { passed: function.passed, exits: function.exits.iter().map(exit).collect() }
}

pub(super) fn exit(found: &symbols::Exit) -> Exit {
    let exit = match found.with {
        Left::Register => Exit::with_register(found.at),
        Left::Nil => Exit::with_nil(found.at),
        Left::Stack(distance) => Exit::with_stack(found.at, distance),
    };
    match found.when {
        If::Always => exit,
        If::Zero => exit.only_if(true),
        If::NotZero => exit.only_if(false),
    }
}
