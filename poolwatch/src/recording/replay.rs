//! The driver of the core: events in, what the core makes of them shown to an observer.
//!
//! It reads no clock and writes nothing. A page belongs to the moment at which somebody read it:
//! whoever renders pages does so at each [`Seen::Scrape`] and keeps the last, so that what happened
//! after the last scrape of a recording is not on its page.

use super::error::ReadError;
use crate::{
    event::{Event, Time},
    infer::{Core, fact::Fact},
};

/// What a replay shows.
#[derive(Debug)]
pub enum Seen<'a> {
    /// These ended with one event. Never empty.
    Facts(&'a [Fact]),
    /// Somebody read the page, at this moment.
    Scrape(Time),
}

/// What was replayed.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Events that were applied.
    pub events: u64,
    /// Scrapes among them.
    pub scrapes: u64,
    /// Time of the latest event.
    pub ended: Time,
    /// Why the recording could not be read to its end; what came before was applied.
    pub problem: Option<ReadError>,
}

/// Applies events to the core until they end or cannot be read.
pub fn replay(
    events: impl Iterator<Item = Result<Event, ReadError>>,
    core: &mut Core,
    mut observe: impl FnMut(&Core, Seen<'_>),
) -> Replayed {
    let mut replayed = Replayed::default();
    let mut facts = Vec::new();
    for event in events {
        let event = match event {
            Ok(event) => event,
            Err(problem) => {
                replayed.problem = Some(problem);
                break;
            }
        };
        core.apply(&event, &mut facts);
        if !facts.is_empty() {
            observe(core, Seen::Facts(&facts));
            facts.clear();
        }
        replayed.events += 1;
        replayed.ended = replayed.ended.max(event.at().unwrap_or(0));
        if let Event::Scrape { at } = event {
            replayed.scrapes += 1;
            observe(core, Seen::Scrape(at));
        }
    }
    replayed
}
