//! Whether what was read from an accepted socket asks for something, by its first bytes.

use poolwatch_ebpf::wire::{Inbound, protocol};

use crate::route::{Head, is_upper};

/// Types of TLS records.
mod record {
    pub const CHANGE_CIPHER_SPEC: u8 = 0x14;
    pub const APPLICATION_DATA: u8 = 0x17;
}
/// Bytes of a TLS record's header, and of a whole ChangeCipherSpec.
const RECORD_HEADER: u32 = 5;
const CHANGE_CIPHER_SPEC: u32 = 6;

/// These first bytes ask for something.
#[inline(always)]
pub fn asks(i: &mut Inbound, head: &Head) -> bool {
    let first = head.bytes[0];
    if head.length == 0 {
        return true;
    }
    match i.protocol {
        // Else the rest of a body that was answered before it was read.
        protocol::HTTP => is_upper(first),
        // Neither the start nor the end of a connection, nor what a request is followed by.
        protocol::POSTGRES => is_upper(first) && first != b'X',
        protocol::TLS => asks_by_record(i, head),
        _ => true,
    }
}

/// Application data asks, but for what follows ChangeCipherSpec: that is the end of the handshake.
#[inline(always)]
fn asks_by_record(i: &mut Inbound, head: &Head) -> bool {
    let last = i.record;
    i.record = 0;
    // What follows a header that was read alone is its body.
    if last != 0 && last != record::CHANGE_CIPHER_SPEC {
        return false;
    }
    let kind = head.bytes[0];
    let alone = head.length == RECORD_HEADER;
    if kind == record::CHANGE_CIPHER_SPEC && head.length <= CHANGE_CIPHER_SPEC {
        i.record = kind;
    } else if last == record::CHANGE_CIPHER_SPEC && head.length == 1 {
        // The one byte of a ChangeCipherSpec.
        i.record = last;
        return false;
    } else if alone && (kind != record::APPLICATION_DATA || last != 0) {
        i.record = record::APPLICATION_DATA;
    }
    kind == record::APPLICATION_DATA && last == 0
}
