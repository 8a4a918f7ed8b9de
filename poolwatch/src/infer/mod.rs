//! The pure core: events and time in, facts and snapshots out.
//!
//! No I/O, no clock, no panic; every table has a bound in [`limits`]. Words in order: process →
//! connection → request → lease → pool → wait; a word uses only words before it.

pub mod fact;
pub mod limits;
pub mod settings;
pub mod snapshot;

use self::{fact::Fact, settings::Settings, snapshot::Snapshot};
use crate::event::{Event, Time};

/// Everything that is known about the watched processes' pools.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
}

impl Core {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Learns that something happened; what ended with it is pushed to `facts`.
    pub fn apply(&mut self, _event: &Event, _facts: &mut Vec<Fact>) {}

    /// How things stand at `now`.
    pub fn snapshot(&self, _now: Time) -> Snapshot {
        let _ = &self.settings;
        Snapshot::default()
    }
}
