//! Whose threads are looked at, and when the probes for that are attached.

use std::{collections::BTreeSet, mem};

use super::{lenders::Lenders, watcher::Watcher};
use crate::{
    clock,
    config::Evidence as When,
    event::{Event, Parked, Parking, SECOND, Time},
    probes::Evidence,
};

/// How long after the last pressed process the probes stay attached: attaching is not free, and a pool that was
/// saturated is soon again.
const CALM: Time = 30 * SECOND;

/// What is looked at, and since when nothing is.
pub struct Pressure {
    when: When,
    pub(super) evidence: Evidence,
    pub(super) lenders: Lenders,
    pressed: BTreeSet<u32>,
    /// Processes that were asked for something; only kept where all of them are looked at.
    serving: BTreeSet<u32>,
    calm_since: Option<Time>,
}

impl Pressure {
    /// Looks at nobody yet.
    pub fn new(when: When, evidence: Evidence) -> Self {
        Self {
            when,
            evidence,
            lenders: Lenders::new(),
            pressed: BTreeSet::new(),
            serving: BTreeSet::new(),
            calm_since: None,
        }
    }

    /// A process was asked for something.
    pub fn serves(&mut self, pid: u32) {
        if self.when == When::Always {
            self.serving.insert(pid);
        }
    }

    /// Its threads are looked at.
    pub fn is_pressed(&self, pid: u32) -> bool {
        self.pressed.contains(&pid)
    }

    /// A process ended.
    pub fn part(&mut self, pid: u32) {
        self.serving.remove(&pid);
        self.pressed.remove(&pid);
        self.lenders.part(pid, &mut self.evidence);
    }
}

impl Watcher {
    /// Looks at the threads of these processes and no others.
    pub fn press(&mut self, wanted: &BTreeSet<u32>, events: &mut Vec<Event>) {
        let wanted = match self.pressure.when {
            When::Off => return,
            When::Auto => wanted.clone(),
            When::Always => self.pressure.serving.clone(),
        };
        let keep = !wanted.is_empty() || self.pressure.when == When::Always;
        if wanted != self.pressure.pressed {
            self.mark(wanted);
        }
        self.lend(CALM, events);
        if keep {
            self.pressure.calm_since = None;
            self.look();
        } else if self.pressure.evidence.is_attached() {
            let now = clock::now();
            if now.saturating_sub(*self.pressure.calm_since.get_or_insert(now)) >= CALM {
                self.look_away(events);
            }
        }
        events.extend(self.pressure.evidence.take_news().map(Event::Probes));
    }

    fn mark(&mut self, wanted: BTreeSet<u32>) {
        let before = mem::replace(&mut self.pressure.pressed, wanted);
        for pid in before.symmetric_difference(&self.pressure.pressed) {
            // A process that is not known to the kernel side has ended.
            let pressed = self.pressure.pressed.contains(pid);
            let _ = self
                .maps
                .press(*pid, pressed)
                .inspect_err(|error| tracing::debug!(pid, pressed, %error, "cannot mark a process"));
            self.pressure.lenders.press(*pid, pressed);
        }
    }

    fn look(&mut self) {
        if self.pressure.evidence.is_attached() {
            return;
        }
        let began = clock::now();
        self.pressure.evidence.attach();
        if self.pressure.evidence.is_attached() {
            let microseconds = clock::now().saturating_sub(began) / 1000;
            tracing::debug!(microseconds, "probes of waiting attached");
        }
    }

    /// Threads that sleep are told to do so no longer: nobody will see them wake.
    fn look_away(&mut self, events: &mut Vec<Event>) {
        let began = clock::now();
        self.pressure.evidence.detach();
        let at = clock::now();
        tracing::debug!(microseconds = at.saturating_sub(began) / 1000, "probes of waiting detached");
        let over = |(pid, thread, address)| {
            Event::Parked(Parked { pid, thread, address, at, parking: Parking::Over })
        };
        events.extend(self.maps.wake_all().into_iter().map(over));
    }
}
