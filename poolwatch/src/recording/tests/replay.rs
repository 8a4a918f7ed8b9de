//! The driver of the core.

use super::{every_kind, read_all, recording, request};
use crate::{
    event::{Event, SECOND},
    infer::{Core, settings::Settings},
    recording::{ReadError, Seen, read, replay},
};

fn scrapes(bytes: &[u8]) -> (Vec<u64>, crate::recording::Replayed) {
    let mut core = Core::new(Settings::default());
    let mut scrapes = Vec::new();
    let replayed = replay(read(bytes).unwrap().1, &mut core, |_, seen| match seen {
        Seen::Scrape(at) => scrapes.push(at),
        Seen::Facts(facts) => assert!(!facts.is_empty()),
    });
    (scrapes, replayed)
}

#[test]
fn every_scrape_is_shown_and_everything_is_counted() {
    let mut events = every_kind();
    events.extend([Event::Scrape { at: 7 * SECOND }, request(9 * SECOND), Event::Tick { at: 8 * SECOND }]);
    let (scrapes, replayed) = scrapes(&recording(&events));
    assert_eq!(scrapes, [5 * SECOND, 7 * SECOND]);
    assert_eq!((replayed.events, replayed.scrapes, replayed.ended), (19, 2, 9 * SECOND));
    assert!(replayed.problem.is_none());
}

#[test]
fn a_cut_recording_is_replayed_as_far_as_it_goes() {
    let events: Vec<Event> = (1..9).map(|n| Event::Scrape { at: n * SECOND }).collect();
    let whole = recording(&events);
    let cut = &whole[..whole.len() - 30];
    let (scrapes, replayed) = scrapes(cut);
    assert_eq!(scrapes.len(), read_all(cut).0.len());
    assert_eq!(replayed.events, scrapes.len() as u64);
    assert!(replayed.events > 0 && replayed.events < 8);
    assert!(matches!(replayed.problem, Some(ReadError::Truncated { events }) if events == replayed.events));
}
