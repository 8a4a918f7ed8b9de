//! Where a system call's payload is: buffer, vector, message or vector of messages.

use poolwatch_ebpf::wire::{Half, call};

use crate::{
    kernel::{self, Registers},
    maps::{self, VECTORS},
    walk::{Walk, done},
};

/// `struct iovec`
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    base: u64,
    length: u64,
}

/// `msg_iov` and `msg_iovlen` of `struct msghdr`: the same layout on every 64-bit machine.
const MESSAGE_VECTOR: u64 = 16;
/// Size of `struct mmsghdr`, and its `msg_len`.
const MESSAGES_STEP: u64 = 64;
const MESSAGES_LENGTH: u64 = 56;

/// Points the walk at the first byte of the call's payload; false when the call does not show it.
#[inline(always)]
pub fn point(walk: &mut Walk, half: &mut Half, registers: &Registers, form: u8) -> bool {
    let second = registers.second();
    match form & call::FORM {
        call::BUFFER => {
            walk.at = second;
            walk.end = second + walk.left;
            walk.left = 0;
            true
        }
        call::VECTOR => {
            walk.vector = second;
            walk.vectors = registers.third();
            true
        }
        call::MESSAGE => message(walk, second),
        call::MESSAGES => {
            see_vector();
            message(walk, second + next_message(half, second, registers.third()) * MESSAGES_STEP)
        }
        _ => false,
    }
}

/// Points the walk at all messages that a finished `sendmmsg` or `recvmmsg` moved.
#[inline(always)]
pub fn point_at_messages(walk: &mut Walk, registers: &Registers, moved: u64) {
    walk.messages = registers.second();
    walk.messages_left = moved;
    walk.left = 0;
}

#[inline(always)]
fn message(walk: &mut Walk, header: u64) -> bool {
    let vector = kernel::read_user(header + MESSAGE_VECTOR, [0u64; 2]);
    walk.vector = vector[0];
    walk.vectors = vector[1];
    vector[0] != 0
}

/// Which message of the vector this call of the hook is about: the hook comes once per message, in
/// order, and the system call starts again at the first.
#[inline(always)]
fn next_message(half: &mut Half, vector: u64, length: u64) -> u64 {
    if half.vector != vector || half.vector_next as u64 >= length {
        half.vector = vector;
        half.vector_next = 0;
    }
    let index = half.vector_next as u64;
    half.vector_next += 1;
    index & 1023
}

/// Somebody uses vectors of messages.
#[inline(always)]
pub fn sees_vectors() -> bool {
    VECTORS.get_ptr(0).is_some_and(|seen| unsafe { *seen } != 0)
}

#[inline(always)]
fn see_vector() {
    if let Some(seen) = VECTORS.get_ptr_mut(0) {
        unsafe { *seen = 1 };
    }
}

/// The system call ends with this call of the hook: its next one starts at the first message again.
#[inline(always)]
pub fn last_of_vector(half: &mut Half) {
    half.vector_next = 0;
}

/// Goes to the next segment. The answer is the loop's: 1 ends the walk.
#[inline(always)]
pub fn next_segment(walk: &mut Walk) -> i64 {
    if walk.left == 0 || walk.vectors == 0 {
        if walk.messages_left == 0 {
            walk.done = done::ALL;
            return 1;
        }
        walk.messages_left -= 1;
        let header = walk.messages;
        walk.messages += MESSAGES_STEP;
        walk.left = kernel::read_user(header + MESSAGES_LENGTH, 0u32) as u64;
        return if message(walk, header) { 0 } else { unread(walk) };
    }
    let segment = kernel::read_user(walk.vector, Segment { base: 0, length: 0 });
    if segment.base == 0 && segment.length != 0 {
        return unread(walk);
    }
    walk.vector += 16;
    walk.vectors -= 1;
    let length = if segment.length < walk.left { segment.length } else { walk.left };
    walk.partial = (segment.length > walk.left) as u32;
    walk.at = segment.base;
    walk.end = segment.base + length;
    walk.left -= length;
    0
}

/// Goes to the first byte of the payload, past empty segments; false when none is found.
#[inline(always)]
pub fn first_byte(walk: &mut Walk) -> bool {
    const EMPTY_SEGMENTS: u32 = 8;
    let mut segment = 0;
    while segment < EMPTY_SEGMENTS {
        if walk.at < walk.end {
            return true;
        }
        if next_segment(walk) != 0 {
            return false;
        }
        segment += 1;
    }
    walk.at < walk.end
}

#[inline(always)]
fn unread(walk: &mut Walk) -> i64 {
    walk.done = done::UNREAD;
    1
}

/// What the call does with sockets, by its number; 0 = nothing.
#[inline(always)]
pub fn form(registers: &Registers) -> u8 {
    maps::call_form(registers.number())
}

/// The call's `MSG_…` flags.
#[inline(always)]
pub fn flags(registers: &Registers, form: u8) -> u64 {
    if form & call::FLAGS_FOURTH != 0 {
        registers.fourth()
    } else if form & call::FLAGS_THIRD != 0 {
        registers.third()
    } else {
        0
    }
}
