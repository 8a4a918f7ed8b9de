//! The right side of the agent: events go into the core, facts into the exporter and the log.
//!
//! A live agent and a replay share it, and it knows no time but the events' own: so a replay keeps and
//! forgets the same series as the agent did.

use std::collections::BTreeSet;

use crate::{
    event::{Event, SocketId, Time},
    export::{Exporter, Picture, Question, log::LogLines},
    infer::{Core, fact::Fact, snapshot::Snapshot},
};

/// The core with everything that listens to it.
#[derive(Debug)]
pub struct Told {
    core: Core,
    exporter: Exporter,
    lines: LogLines,
    facts: Vec<Fact>,
    now: Time,
}

impl Told {
    /// Knows nothing yet.
    pub fn new(core: Core, exporter: Exporter) -> Self {
        Self { core, exporter, lines: LogLines::default(), facts: Vec::new(), now: 0 }
    }

    /// Tells one event.
    pub fn tell(&mut self, event: &Event) {
        self.now = self.now.max(event.at().unwrap_or(0));
        self.facts.clear();
        self.core.apply(event, &mut self.facts);
        let passing = matches!(event, Event::Tick { .. } | Event::Scrape { .. });
        if self.facts.is_empty() && !passing {
            return;
        }
        self.exporter.observe(&self.facts, self.now);
        for line in self.lines.observe(&self.facts, self.now) {
            line.write();
        }
    }

    /// What ended with the event that was told last.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Connections that were heard of in passing only.
    pub fn strangers(&mut self) -> Vec<(SocketId, u32)> {
        self.core.strangers()
    }

    /// Processes of which the threads should be looked at.
    pub fn pressed(&self) -> BTreeSet<u32> {
        self.core.pressed()
    }

    /// Some process with a pool is asked for something.
    pub fn serves(&self) -> bool {
        self.core.serves()
    }

    /// How things stand.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.core.snapshot(now)
    }

    /// What the answer to a question about this moment is rendered from. Whether anybody is here needs no look.
    pub fn picture(&mut self, question: Question, now: Time) -> Picture {
        let asks_nothing = question == Question::Alive;
        let snapshot = if asks_nothing { Snapshot::default() } else { self.core.snapshot(now) };
        self.exporter.picture(question, snapshot)
    }
}
