//! What was written is read.

use proptest::prelude::*;

use super::{every_kind, header, read_all, recording, request};
use crate::{
    event::{Event, SECOND, SocketId},
    recording::{ReadError, VERSION, Writer},
};

#[test]
fn every_kind_of_event_comes_back_as_it_was() {
    let (events, error) = read_all(&recording(&every_kind()));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, every_kind());
}

#[test]
fn an_empty_recording_is_whole() {
    let (events, error) = read_all(&recording(&[]));
    assert!(events.is_empty() && error.is_none());
}

#[test]
fn many_blocks_are_one_stream() {
    let events: Vec<Event> = (0..20_000).map(|n| request(SECOND + n * 1_000_000)).collect();
    let (read, error) = read_all(&recording(&events));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, events);
}

/// If this fails, an event or the header is written otherwise than before, and older recordings would
/// be misread: raise `VERSION` if it was released since it was raised last, and write the number here.
#[test]
fn the_format_of_this_version_does_not_change() {
    let bytes = postcard::to_stdvec(&(header(), every_kind())).unwrap();
    assert_eq!((VERSION, crc32fast::hash(&bytes)), (1, 3_094_751_236));
}

/// A killed agent: the events that were written so far, without an end.
fn killed(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header()).unwrap();
    for event in events {
        writer.write(event).unwrap();
    }
    drop(writer);
    bytes
}

#[test]
fn a_killed_agent_loses_at_most_the_last_second() {
    let events: Vec<Event> = (0..55).map(|n| request(SECOND + n * SECOND / 10)).collect();
    let (read, error) = read_all(&killed(&events));
    // Blocks end with the first event that is a second after their first one: 11 events each.
    assert_eq!(read, events[..55]);
    assert!(matches!(error, Some(ReadError::Truncated { events: 55 })), "{error:?}");
    let (read, error) = read_all(&killed(&events[..54]));
    assert_eq!(read, events[..44]);
    assert!(matches!(error, Some(ReadError::Truncated { events: 44 })), "{error:?}");
}

#[test]
fn a_killed_agent_loses_at_most_a_block() {
    let events: Vec<Event> = (0..20_000).map(|n| request(SECOND + n)).collect();
    let (read, error) = read_all(&killed(&events));
    assert_eq!(read, events[..read.len()]);
    let lost: usize =
        events[read.len()..].iter().map(|event| postcard::to_stdvec(event).unwrap().len()).sum();
    assert!(lost < 64 * 1024, "{lost} bytes of events were lost");
    assert!(matches!(error, Some(ReadError::Truncated { events }) if events == read.len() as u64));
}

proptest! {
    #[test]
    fn any_texts_and_times_come_back(
        texts in proptest::collection::vec((".{0,60}", ".{0,60}", any::<u64>()), 0..40)
    ) {
        let events: Vec<Event> = texts
            .into_iter()
            .map(|(user, database, at)| {
                Event::Startup { socket: SocketId(at), at, user, database, replication: false }
            })
            .collect();
        let (read, error) = read_all(&recording(&events));
        prop_assert!(error.is_none());
        prop_assert_eq!(read, events);
    }
}
