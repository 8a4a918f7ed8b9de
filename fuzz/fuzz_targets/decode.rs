//! Any bytes from the ring become sightings or a count, and sessions stay within their bounds.
//!
//! The first half of each input is taken as it is; the second is made into records that have the right
//! length and few connections, so that what they say meets what was said before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poolwatch::{event::SocketId, intake::Records};
use poolwatch_ebpf::wire::{
    Close, ConnectFailed, Exec, Execute, Exit, Fork, Message, Open, Request, Secured, Startup, Statement,
};

/// Lengths by kind.
const LENGTHS: [usize; 12] = [
    size_of::<Open>(),
    size_of::<Startup>(),
    size_of::<Request>(),
    size_of::<Secured>(),
    size_of::<Close>(),
    size_of::<ConnectFailed>(),
    size_of::<Exec>(),
    size_of::<Exit>(),
    size_of::<Fork>(),
    size_of::<Message>(),
    size_of::<Execute>(),
    size_of::<Statement>(),
];
const HEADER: usize = 32;
const SOCKETS: u64 = 3;

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::new();
    let mut sightings = Vec::new();
    let (raw, made) = bytes.split_at(bytes.len() / 2);
    records.take(raw, &mut sightings);
    let mut rest = made;
    let mut time = 0_u64;
    let mut taken = 1;
    while let [kind, socket, length, body @ ..] = rest {
        let (body, behind) = body.split_at(body.len().min(usize::from(*length)));
        time += 1;
        records.take(&record(*kind, *socket, time, body), &mut sightings);
        taken += 1;
        rest = behind;
    }
    assert_eq!(records.totals().records, taken);
    // A request, its first byte's query and its statements: nothing makes events without end.
    assert!(sightings.len() <= 64 + 8 * bytes.len(), "{} sightings", sightings.len());
    (0..SOCKETS).for_each(|socket| records.forget(SocketId(socket)));
});

/// A record of this kind, its fields from the body: small numbers, so that they meet each other.
fn record(kind: u8, socket: u8, time: u64, body: &[u8]) -> Vec<u8> {
    let kind = usize::from(kind) % LENGTHS.len();
    let mut record = vec![0; LENGTHS[kind]];
    record[0..4].copy_from_slice(&(kind as u32 + 1).to_ne_bytes());
    record[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    record[8..16].copy_from_slice(&(u64::from(socket) % SOCKETS).to_ne_bytes());
    record[16..24].copy_from_slice(&time.to_ne_bytes());
    if socket > 250 {
        record[28..32].copy_from_slice(&1_u32.to_ne_bytes());
    }
    if kind == 9 {
        return message(record, body);
    }
    for (to, from) in record[HEADER..].chunks_mut(4).zip(body) {
        to[0] = *from;
    }
    record
}

/// A message, whole or in pieces, whose bytes follow.
fn message(mut record: Vec<u8>, body: &[u8]) -> Vec<u8> {
    let [request, nth, letter, offset, text @ ..] = body else { return record };
    let kept = u32::try_from(text.len()).unwrap_or(0);
    let length = kept + u32::from(*offset);
    let fields = [u32::from(*request), u32::from(*nth), length, u32::from(offset / 16), kept];
    for (to, field) in record[HEADER..].chunks_mut(4).zip(fields) {
        to.copy_from_slice(&field.to_ne_bytes());
    }
    record[HEADER + 20] = b"QPCBE"[usize::from(*letter) % 5];
    record.extend_from_slice(text);
    record
}
