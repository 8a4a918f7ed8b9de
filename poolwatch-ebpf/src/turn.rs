//! Threads: how often each waited for input, and whether it works on a demand.
//!
//! A thread has an entry once it read a demand or, while somebody counts, waited for input; the entry leaves
//! with it.

use poolwatch_ebpf::wire::{Counter, Thread};

use crate::maps::{self, THREADS};

/// Waits for input that a thread began, as far as they were counted.
#[inline(always)]
pub fn of(thread: u32) -> u64 {
    THREADS.get_ptr(thread).map_or(0, |thread| unsafe { (*thread).turns })
}

#[inline(always)]
fn entry(thread: u32, pid: u32) -> Option<*mut Thread> {
    if let Some(entry) = THREADS.get_ptr_mut(thread) {
        return Some(entry);
    }
    let fresh = Thread { turns: 0, demand: 0, asleep: 0, address: 0, pid, reserved: 0 };
    if THREADS.insert(thread, fresh, 0).is_err() {
        maps::count(Counter::ThreadsFull);
        return None;
    }
    THREADS.get_ptr_mut(thread)
}

/// A thread begins to wait for input.
#[inline(always)]
pub fn next(thread: u32, pid: u32) {
    if let Some(entry) = entry(thread, pid) {
        unsafe { (*entry).turns += 1 };
    }
}

/// A thread read a demand. Says how often it waited for input.
#[inline(always)]
pub fn asked(thread: u32, pid: u32, socket: u64) -> u64 {
    let Some(entry) = entry(thread, pid) else { return 0 };
    unsafe {
        (*entry).demand = socket;
        (*entry).turns
    }
}

/// The demand that a thread read on this socket is over.
#[inline(always)]
pub fn answered(thread: u32, socket: u64) {
    if let Some(entry) = THREADS.get_ptr_mut(thread)
        && unsafe { (*entry).demand } == socket
    {
        unsafe { (*entry).demand = 0 };
    }
}

/// A thread asks the database. Says how often it waited for input.
#[inline(always)]
pub fn asks(thread: u32) -> u64 {
    let Some(entry) = THREADS.get_ptr_mut(thread) else { return 0 };
    unsafe {
        (*entry).demand = 0;
        (*entry).turns
    }
}
