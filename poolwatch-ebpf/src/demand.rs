//! Tells of demands, of what serves them, and of threads that sleep meanwhile.

use poolwatch_ebpf::wire::{Begun, Connection, Demand, Inbound, Kind, Parked, Served};

use crate::{
    emit::{header, reserve, wake},
    kernel, queue, turn,
    walk::Walk,
};

/// The process was asked for something.
#[inline(always)]
pub unsafe fn asked(i: &Inbound, socket: u64, route: Option<u32>) {
    unsafe {
        let Some(mut entry) = reserve::<Demand>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Demand, i.pid, socket, i.began, 0);
        (*record).turn = i.turn;
        (*record).thread = i.thread;
        (*record).route = route.unwrap_or(0);
        (*record).protocol = i.protocol;
        (*record).readable = route.is_some() as u8;
        (*record).reserved = [0; 6];
        entry.submit(wake());
    }
}

/// It was answered by the current thread, or not at all.
#[inline(always)]
pub unsafe fn served(i: &Inbound, socket: u64, answered: bool) {
    let thread = if answered { kernel::thread() as u32 } else { 0 };
    let turns = if answered { turn::of(thread) } else { 0 };
    unsafe {
        let Some(mut entry) = reserve::<Served>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Served, i.pid, socket, kernel::now(), 0);
        (*record).turn = turns;
        (*record).thread = thread;
        (*record).reserved = 0;
        entry.submit(wake());
    }
}

/// The process asks the database. Tells of a request that began where none was in flight, once its first letter
/// was seen.
#[inline(always)]
pub unsafe fn begins(c: &mut Connection, w: &Walk, bytes: u32) {
    if c.serves == 0 {
        return;
    }
    let turns = turn::asks(c.sender as u32);
    if c.beginning == 0 || w.letter == 0 {
        return;
    }
    c.beginning = 0;
    // Not when another thread read the answer already.
    if c.sending != 0 || c.queue_head != c.queue_tail {
        unsafe { begun(c, w.letter as u8, bytes, turns) };
    }
}

/// What was sent may be a Sync, or else the last word: which of them, its answer says.
#[inline(always)]
pub fn may_begin(c: &mut Connection) {
    if c.serves != 0 {
        c.alone_in = turn::asks(c.sender as u32);
    }
}

/// It was a Sync.
#[inline(always)]
pub unsafe fn began(c: &mut Connection) {
    const SYNC: u32 = 5;
    if c.serves != 0 && c.beginning != 0 {
        c.beginning = 0;
        unsafe { begun(c, b'S', SYNC, c.alone_in) };
    }
}

#[inline(always)]
unsafe fn begun(c: &mut Connection, letter: u8, bytes: u32, turns: u64) {
    let started = unsafe { queue::oldest_started(c) };
    unsafe {
        let Some(mut entry) = reserve::<Begun>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Begun, c.pid, c.socket, started, 0);
        (*record).turn = turns;
        (*record).thread = c.sender as u32;
        (*record).bytes = bytes;
        (*record).letter = letter;
        (*record).reserved = [0; 7];
        entry.submit(wake());
    }
}

/// The current thread sleeps, or does no longer.
#[inline(always)]
pub unsafe fn parked(parking: u32, address: u64, now: u64) {
    let thread = kernel::thread();
    unsafe {
        let Some(mut entry) = reserve::<Parked>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Parked, (thread >> 32) as u32, 0, now, 0);
        (*record).address = address;
        (*record).thread = thread as u32;
        (*record).parking = parking;
        entry.submit(wake());
    }
}
