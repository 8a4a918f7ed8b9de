//! Frames what a client sent or received, wherever it was seen: in a socket call, or where a TLS library takes and
//! hands over plaintext. The walk points at the bytes when they come in here.

use poolwatch_ebpf::wire::{Connection, Counter, ended_by, family};

use crate::{
    demand, ending, filter, frame, kernel, maps, payload, secured,
    walk::{State, Walk, done},
};

/// Malformed messages after which an unproven socket is given up.
const STRIKES: u8 = 3;

/// The client sent what the walk points at, so many bytes.
#[inline(always)]
pub unsafe fn sent(connection: *mut Connection, walk: &mut Walk, chunk: *mut u8, length: u32) -> Option<()> {
    unsafe {
        let c = &mut *connection;
        if c.tx.lost != 0 {
            c.tx.lost = 0;
            c.sending = 0;
            c.sending_bytes = 0;
            c.sending_executes = 0;
            c.asking = 0;
        }
        if c.sending == 0 && c.queue_head == c.queue_tail && c.early == 0 {
            // Once it serves, it does.
            c.serves |= (c.serves == 0 && filter::serves(c.pid)) as u8;
            c.beginning = c.serves;
        }
        let mut state = State { connection, walk, chunk };
        kernel::repeat(maps::hops(), frame::step_client, &mut state);
        demand::begins(&mut *connection, walk, length);
        // A message that was sent in part ends its sendmmsg, without an error.
        if walk.partial != 0 {
            payload::last_of_vector(&mut (*connection).tx);
        }
        after_sent(&mut *connection, walk)
    }
}

#[inline(always)]
unsafe fn after_sent(c: &mut Connection, w: &Walk) -> Option<()> {
    match w.done {
        done::GONE => return None,
        done::MALFORMED => {
            maps::count(Counter::ClientUnparsed);
            unsafe { malformed(c, w) };
        }
        done::UNREAD => {
            maps::count(Counter::PayloadUnread);
            frame::lose_client(c);
        }
        done::NO if !w.exhausted() => {
            maps::count(Counter::WalkCapped);
            frame::lose_client(c);
        }
        _ => {}
    }
    if c.ending & ended_by::TERMINATE as u8 != 0 && c.family == family::UNIX {
        unsafe { ending::end(c, ended_by::TERMINATE, 0) };
    }
    Some(())
}

/// Bytes that no client of PostgreSQL sends: TLS on an older connection, or another protocol.
#[inline(always)]
unsafe fn malformed(c: &mut Connection, w: &Walk) {
    frame::lose_client(c);
    if c.proven != 0 && c.midstream == 0 {
        return;
    }
    c.strikes += 1;
    if c.proven == 0 && c.strikes >= STRIKES {
        maps::count(Counter::Rejected);
        ending::forget(c);
        return;
    }
    if c.proven != 0 && c.ready == 0 && c.strikes >= STRIKES && c.secured == 0 {
        unsafe { secured::found(c, w.sk, w.now) };
    }
}

/// The client received what the walk points at. False when its end is still to be looked at for the end of an
/// answer: where messages begin is not known.
#[inline(always)]
pub unsafe fn received(connection: *mut Connection, walk: &mut Walk, chunk: *mut u8) -> bool {
    unsafe {
        if (*connection).rx.lost != 0 {
            return false;
        }
        let mut state = State { connection, walk, chunk };
        kernel::repeat(maps::hops(), frame::step_server, &mut state);
        if walk.done == done::ALL || (walk.done == done::NO && walk.exhausted()) {
            return true;
        }
        maps::count(match walk.done {
            done::MALFORMED => Counter::ServerUnparsed,
            done::UNREAD => Counter::PayloadUnread,
            _ => Counter::WalkCapped,
        });
        frame::lose_server(&mut *connection);
        false
    }
}
