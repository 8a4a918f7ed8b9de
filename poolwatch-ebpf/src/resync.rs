//! Finds the end of an answer by the last bytes of a read, when the framer is lost.
//!
//! Seven bytes decide: `Z 00 00 00 05` and `I`, `T` or `E` at the very end, behind a 0 or a 4. Every
//! message that may stand before a ReadyForQuery ends in NUL or is an empty body, whose length is 4;
//! text that happens to end in the other six bytes has a character there.

use poolwatch_ebpf::wire::{Connection, Counter, flags};

use crate::{
    emit,
    kernel::{self, Registers},
    maps, payload, queue,
    walk::Walk,
};

/// Segments looked at to find a vector's end.
const SEGMENTS: u32 = 8;

/// Looks at the end of a read of `length` bytes.
#[inline(always)]
pub unsafe fn tail(c: &mut Connection, w: &mut Walk, registers: &Registers, form: u8, length: u64) {
    w.at = 0;
    w.end = 0;
    w.vectors = 0;
    w.messages_left = 0;
    w.left = length;
    if payload::point(w, &mut c.rx, registers, form) {
        unsafe { look(c, w) };
    }
}

/// Looks at the end of one buffer.
#[inline(always)]
pub unsafe fn tail_of(c: &mut Connection, w: &mut Walk, buffer: u64, length: u64) {
    w.at = buffer;
    w.end = buffer + length;
    w.vectors = 0;
    w.messages_left = 0;
    w.left = 0;
    unsafe { look(c, w) };
}

/// Looks at the end of what the walk points at.
#[inline(always)]
unsafe fn look(c: &mut Connection, w: &mut Walk) {
    let mut segment = 0;
    while segment < SEGMENTS {
        if w.left == 0 {
            break;
        }
        if payload::next_segment(w) != 0 {
            return;
        }
        segment += 1;
    }
    let there = w.end.wrapping_sub(w.at);
    if w.left != 0 || there == 0 {
        return;
    }
    let take = if there > 8 { 8 } else { there };
    let mut bytes = [0u8; 8];
    if !unsafe { kernel::copy_user(bytes.as_mut_ptr(), take as u32, w.end - take) } {
        return;
    }
    let value = u64::from_be_bytes(bytes);
    c.trail = if take == 8 { value } else { c.trail << ((8 * take) & 63) | value >> ((64 - 8 * take) & 63) };
    if let Some(status) = ready_for_query(c.trail) {
        c.rx.lost = 0;
        c.rx.remaining = 0;
        c.rx.header_len = 0;
        c.no_credit = 1;
        c.ready = 1;
        c.proven = 1;
        c.flags |= flags::RESYNCED as u32 | flags::APPROXIMATE as u32;
        maps::count(Counter::Resynced);
        unsafe { queue::complete_all(c, w, status) };
        emit::clear_answer(c);
    }
}

#[inline(always)]
fn ready_for_query(trail: u64) -> Option<u8> {
    let status = trail as u8;
    let before = (trail >> 48) as u8;
    let matches = trail >> 8 & 0xff_ffff_ffff == 0x5a_0000_0005;
    (matches && (before == 0 || before == 4) && (status == b'I' || status == b'T' || status == b'E'))
        .then_some(status)
}
