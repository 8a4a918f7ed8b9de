//! The right side of the agent: events go into the recording and the core, facts into the exporter.

use std::fs::File;

use anyhow::{Context, Result};

use crate::{
    event::{Event, SocketId, Time},
    export::{Answer, Exporter, Question, log::LogLines},
    infer::{Core, fact::Fact},
    recording::Writer,
};

/// The core with everything that listens to it.
pub struct Told {
    core: Core,
    exporter: Exporter,
    lines: LogLines,
    recording: Option<Writer<File>>,
    facts: Vec<Fact>,
    now: Time,
}

impl Told {
    /// Knows nothing yet.
    pub fn new(core: Core, exporter: Exporter, recording: Option<Writer<File>>) -> Self {
        Self { core, exporter, lines: LogLines::default(), recording, facts: Vec::new(), now: 0 }
    }

    /// Tells one event.
    ///
    /// # Errors
    /// When the recording cannot be written.
    pub fn tell(&mut self, event: &Event) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.write(event).context("cannot write the recording")?;
        }
        // The exporter's time is the events' own, so that a replay keeps and forgets the same series.
        self.now = self.now.max(event.at().unwrap_or(0));
        self.facts.clear();
        self.core.apply(event, &mut self.facts);
        self.exporter.observe(&self.facts, self.now);
        for line in self.lines.observe(&self.facts, self.now) {
            line.write();
        }
        Ok(())
    }

    /// Connections that were heard of in passing only.
    pub fn strangers(&mut self) -> Vec<(SocketId, u32)> {
        self.core.strangers()
    }

    /// Answers a question about this moment.
    pub fn answer(&mut self, question: &Question, now: Time) -> Answer {
        self.exporter.answer(question, &self.core.snapshot(now))
    }

    /// Closes the recording.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<()> {
        match self.recording.take() {
            Some(recording) => recording.finish().context("cannot close the recording"),
            None => Ok(()),
        }
    }
}
