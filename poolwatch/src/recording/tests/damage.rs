//! Cut and damaged recordings: an error and its place, never a panic, never another event.

use proptest::prelude::*;

use super::{every_kind, read_all, recording, request};
use crate::{
    event::{Event, SECOND},
    recording::{MAGIC, ReadError, VERSION, read},
};

/// Every kind, and enough time for several blocks.
fn events() -> Vec<Event> {
    let mut events = every_kind();
    events.extend((10..14).map(|n| request(n * SECOND)));
    events
}

/// Whether nothing was read but the first of the events that were written.
fn is_head(read: &[Event], whole: &[Event]) -> bool {
    whole.get(..read.len()) == Some(read)
}

#[test]
fn cut_at_any_byte_it_says_after_how_many_events() {
    let (events, whole) = (events(), recording(&events()));
    let mut most = 0;
    for cut in 0..whole.len() {
        let (read, error) = read_all(&whole[..cut]);
        assert!(is_head(&read, &events), "cut at {cut}");
        match error {
            Some(ReadError::NotARecording) => assert!(cut < MAGIC.len(), "cut at {cut}"),
            Some(ReadError::Truncated { events }) => assert_eq!(events, read.len() as u64, "cut at {cut}"),
            other => panic!("cut at {cut}: {other:?}"),
        }
        most = most.max(read.len());
    }
    // Only the end block's own cut leaves all of them.
    assert_eq!(most, events.len());
}

#[test]
fn with_any_bit_flipped_it_is_an_error_and_no_other_events() {
    let (events, whole) = (events(), recording(&events()));
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let (read, error) = read_all(&bytes);
            assert!(is_head(&read, &events), "byte {at} bit {bit}");
            assert!(error.is_some(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn with_any_byte_missing_or_doubled_it_is_an_error() {
    let (events, whole) = (events(), recording(&events()));
    for at in 0..whole.len() {
        let mut missing = whole.clone();
        missing.remove(at);
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at]);
        for bytes in [missing, doubled] {
            let (read, error) = read_all(&bytes);
            assert!(is_head(&read, &events), "byte {at}");
            assert!(error.is_some(), "byte {at}");
        }
    }
}

#[test]
fn other_files_are_no_recordings() {
    for bytes in [&b""[..], b"{\"json\": true}", b"poolwrex\x01\0\0\0", &[0x7f; 4096]] {
        let (read, error) = read_all(bytes);
        assert!(read.is_empty());
        assert!(matches!(error, Some(ReadError::NotARecording)), "{error:?}");
    }
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = recording(&[]);
    bytes[MAGIC.len()] += 1;
    let error = read_all(&bytes).1.unwrap();
    assert!(matches!(error, ReadError::NewerVersion { found, known: VERSION } if found == VERSION + 1));
    assert!(error.to_string().contains("newer poolwatch in format 2; this one reads up to 1"), "{error}");
}

#[test]
fn damage_is_told_with_its_block_and_place() {
    let events = [request(SECOND), request(3 * SECOND), request(5 * SECOND)];
    let head = recording(&[]).len() - 20;
    let mut bytes = recording(&events);
    // The first byte of the first block's data; before it stand two lengths and the checksum.
    bytes[head + 12] ^= 0xff;
    let (read, error) = read_all(&bytes);
    let error = error.unwrap();
    assert!(read.is_empty());
    let text = error.to_string();
    assert!(
        matches!(error, ReadError::Damaged { block: 1, offset, .. } if offset == head as u64),
        "{error:?}, expected at {head}"
    );
    assert!(text.contains("block 1") && text.contains(&format!("byte {head}")), "{text}");
}

#[test]
fn lengths_beyond_reason_are_not_believed() {
    let head = recording(&[]).len() - 20;
    for (length, raw) in [(u32::MAX, u32::MAX), (u32::MAX, 100), (100, u32::MAX), (1 << 30, 1 << 22)] {
        let mut bytes = recording(&[]);
        bytes[head..head + 4].copy_from_slice(&length.to_le_bytes());
        bytes[head + 4..head + 8].copy_from_slice(&raw.to_le_bytes());
        let error = read_all(&bytes).1.unwrap();
        let ReadError::Damaged { reason, .. } = error else { panic!("{error:?}") };
        assert!(reason.contains("beyond"), "{reason}");
    }
}

#[test]
fn what_follows_the_end_is_an_error() {
    let mut bytes = recording(&every_kind());
    bytes.push(0);
    let (read, error) = read_all(&bytes);
    assert_eq!(read, every_kind());
    assert!(matches!(error, Some(ReadError::Damaged { reason: "something follows the end", .. })));
}

#[test]
fn a_block_taken_out_is_missed_by_the_count() {
    let (one, two) = (recording(&[request(SECOND)]), recording(&[]));
    let head = two.len() - 20;
    let mut bytes = one[..head].to_vec();
    bytes.extend_from_slice(&one[one.len() - 20..]);
    let (read, error) = read_all(&bytes);
    assert!(read.is_empty());
    assert!(matches!(error, Some(ReadError::Damaged { block: 1, .. })), "{error:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut recording = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
        recording.extend_from_slice(&bytes);
        prop_assert!(read(&recording[..]).is_err());
        prop_assert!(read(&bytes[..]).is_err());
    }

    #[test]
    fn any_bytes_after_the_header_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut recording = recording(&[]);
        recording.truncate(recording.len() - 20);
        recording.extend_from_slice(&bytes);
        prop_assert!(read_all(&recording).1.is_some());
    }
}
