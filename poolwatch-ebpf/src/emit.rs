//! The only writer of the ring, with `said.rs` and `demand.rs`. What does not fit is counted, in total and per connection.
//!
//! The reader polls: waking it costs ten times the record itself, so that happens only when the ring
//! fills up, or a connection is new. Fields are written one by one, since a struct literal becomes a loop over its bytes.

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    maps::ring_buf::RingBufEntry,
};
use poolwatch_ebpf::wire::{
    Close, ConnectFailed, Connection, Counter, Exec, Exit, Fork, Header, Kind, Open, Record, Request,
    Secured, Startup, UNIX_PATH_LEN, Waiting, by, family,
};

use crate::{
    kernel,
    maps::{self, RECORDS, WOKEN},
    said, turn,
    walk::Walk,
};

/// Above the mark, wake the reader once in so many bytes, not at every record.
const WAKE_STEP: u64 = 64 << 10;

#[inline(always)]
pub fn ring() -> *mut core::ffi::c_void {
    (&raw const RECORDS).cast_mut().cast()
}

#[inline(always)]
pub fn wake() -> u64 {
    let used = kernel::ring_used(ring());
    let mark = maps::wake_above();
    if used >= mark && used < mark + WAKE_STEP { BPF_RB_FORCE_WAKEUP as u64 } else { BPF_RB_NO_WAKEUP as u64 }
}

/// A new connection is told at once, since who opened it may be gone soon; of many in a row the first.
#[inline(always)]
fn wake_for_new(now: u64) -> u64 {
    const APART: u64 = 5_000_000;
    let Some(woken) = WOKEN.get_ptr_mut(0) else { return wake() };
    if now.wrapping_sub(unsafe { *woken }) < APART {
        return wake();
    }
    unsafe { *woken = now };
    BPF_RB_FORCE_WAKEUP as u64
}

#[inline(always)]
pub fn reserve<T: Record + 'static>() -> Option<RingBufEntry<T>> {
    let entry = RECORDS.reserve_untyped::<T>(0);
    let full =
        if T::KIND as u32 == Kind::Request as u32 { Counter::RequestsRingFull } else { Counter::RingFull };
    maps::count(if entry.is_some() { Counter::Emitted } else { full });
    entry
}

#[inline(always)]
pub unsafe fn header(to: *mut Header, kind: Kind, pid: u32, socket: u64, time: u64, missed: u32) {
    unsafe {
        (*to).kind = kind as u32;
        (*to).pid = pid;
        (*to).socket = socket;
        (*to).time = time;
        (*to).missed = missed;
        (*to).unheard = 0;
    }
}

/// A header of a connection's record, with all that the connection could not tell before.
#[inline(always)]
unsafe fn header_of(to: *mut Header, kind: Kind, c: &Connection, time: u64) {
    unsafe {
        header(to, kind, c.pid, c.socket, time, c.missed);
        (*to).unheard = c.unheard;
    }
}

/// A header of a record of which the loss is no lost request.
#[inline(always)]
pub unsafe fn header_beside(to: *mut Header, kind: Kind, c: &mut Connection, time: u64) {
    unsafe {
        header(to, kind, c.pid, c.socket, time, 0);
        (*to).unheard = c.unheard;
    }
    c.unheard = 0;
}

/// A connection was recognised. Needs the socket, which names the server.
#[inline(always)]
pub unsafe fn open(c: &mut Connection, sk: u64, now: u64) {
    unsafe {
        let Some(mut entry) = reserve::<Open>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Open, c.pid, c.socket, now, 0);
        (*record).connected = c.connected;
        (*record).process_started = c.process_started;
        (*record).inode = c.inode;
        (*record).family = c.family;
        (*record).midstream = c.midstream as u16;
        (*record).server_port = if c.family == family::UNIX { 0 } else { kernel::peer_port(sk) };
        (*record).client_port = if c.family == family::UNIX { 0 } else { kernel::own_port(sk) };
        address(&raw mut (*record).server_address, c.family, sk);
        (*record).comm = kernel::comm();
        path(record, c.family, sk);
        entry.submit(wake_for_new(now));
    }
    c.told = 1;
}

#[inline(always)]
unsafe fn address(to: *mut [u8; 16], of: u16, sk: u64) {
    unsafe {
        *to = match of {
            family::INET => {
                let a = kernel::peer_address4(sk);
                [a[0], a[1], a[2], a[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
            family::INET6 => kernel::peer_address6(sk),
            _ => [0; 16],
        };
    }
}

#[inline(always)]
unsafe fn path(record: *mut Open, of: u16, sk: u64) {
    unsafe {
        (*record).path_len = 0;
        let mut i = 0;
        while i < UNIX_PATH_LEN {
            (*record).path[i] = 0;
            i += 1;
        }
        if of != family::UNIX {
            return;
        }
        if let Some((from, length)) = kernel::peer_path(sk)
            && kernel::copy_kernel((&raw mut (*record).path).cast(), UNIX_PATH_LEN as u32, from)
        {
            (*record).path_len = if length > UNIX_PATH_LEN as u32 { UNIX_PATH_LEN as u32 } else { length };
        }
    }
}

/// A StartupMessage is whole.
#[inline(always)]
pub unsafe fn startup(c: &mut Connection, startup: &mut Startup, now: u64) {
    unsafe { header_beside(&raw mut startup.header, Kind::Startup, c, now) };
    let written = RECORDS.output_untyped::<Startup>(&*startup, wake()).is_ok();
    maps::count(if written { Counter::Emitted } else { Counter::RingFull });
}

/// A request was answered.
#[inline(always)]
pub unsafe fn request(c: &mut Connection, w: &Walk, waiting: &Waiting, at: u64, status: u8, merged: u32) {
    if c.told == 0 {
        unsafe { open(c, w.sk, w.now) };
    }
    let executed = c.held != 0 && c.held_request == c.answered && merged == 1;
    if merged > 1 {
        unsafe { said::release(c, w.now) };
    }
    if executed {
        c.held = 0;
    }
    unsafe {
        let Some(mut entry) = reserve::<Request>() else {
            c.missed += merged;
            return;
        };
        let record = entry.as_mut_ptr();
        header_of(&raw mut (*record).header, Kind::Request, c, at);
        (*record).started = waiting.started;
        (*record).first_byte = c.first_byte;
        (*record).sent = waiting.sent as u64;
        (*record).received = c.received;
        (*record).executes = waiting.executes();
        (*record).request = c.answered;
        (*record).outcomes = c.outcomes;
        (*record).last_rows = c.last_rows;
        (*record).completions = c.completions;
        (*record).rows = c.rows;
        (*record).errors = c.errors;
        (*record).merged = merged;
        (*record).flags = c.flags as u16;
        (*record).kind = waiting.kind();
        (*record).status = status;
        (*record).sqlstate = c.sqlstate;
        (*record).tag = c.tag;
        (*record).outcome = c.outcome;
        (*record).outcome_at = c.outcome_at;
        (*record).executed = executed as u8;
        (*record).bound = c.held_bound;
        (*record).statement = c.held_statement;
        (*record).turn = if c.serves != 0 { turn::of(c.reader) } else { 0 };
        (*record).thread = if c.serves != 0 { c.reader } else { 0 };
        (*record).reserved = 0;
        entry.submit(wake());
    }
    c.missed = 0;
    c.unheard = 0;
}

/// The next answer begins with nothing counted.
#[inline(always)]
pub fn clear_answer(c: &mut Connection) {
    c.first_byte = 0;
    c.received = 0;
    c.completions = 0;
    c.rows = 0;
    c.errors = 0;
    c.outcomes = 0;
    c.outcome = 0;
    c.outcome_at = 0;
    c.statement_rows = 0;
    c.last_rows = 0;
    c.flags = 0;
    c.sqlstate = [0; 5];
    c.tag = [0; poolwatch_ebpf::wire::TAG_LEN];
}

/// A connection went behind encryption.
#[inline(always)]
pub unsafe fn secured(c: &mut Connection, now: u64) {
    unsafe {
        let Some(mut entry) = reserve::<Secured>() else { return };
        let record = entry.as_mut_ptr();
        header_beside(&raw mut (*record).header, Kind::Secured, c, now);
        (*record).by = c.secured as u32;
        (*record).reserved = 0;
        // Whoever can read it otherwise is to hear of it at once.
        entry.submit(wake_for_new(now));
    }
}

/// Its plaintext is seen from here on, where the TLS library takes and hands it over.
#[inline(always)]
pub unsafe fn plain(c: &mut Connection, now: u64) {
    unsafe {
        let Some(mut entry) = reserve::<Secured>() else { return };
        let record = entry.as_mut_ptr();
        header_beside(&raw mut (*record).header, Kind::Secured, c, now);
        (*record).by = by::PLAIN;
        (*record).reserved = 0;
        entry.submit(wake());
    }
}

/// A connection ended.
#[inline(always)]
pub unsafe fn close(c: &Connection, ended_by: u16, errno: u16, now: u64) {
    if c.told == 0 {
        return;
    }
    unsafe {
        let Some(mut entry) = reserve::<Close>() else { return };
        let record = entry.as_mut_ptr();
        header_of(&raw mut (*record).header, Kind::Close, c, now);
        (*record).ended_by = ended_by;
        (*record).errno = errno;
        (*record).sqlstate = c.sqlstate;
        (*record).reserved = [0; 7];
        entry.submit(wake());
    }
}

/// A `connect()` failed.
#[inline(always)]
pub unsafe fn connect_failed(sk: u64, candidate: &maps::Candidate, errno: u16, now: u64) {
    unsafe {
        let Some(mut entry) = reserve::<ConnectFailed>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::ConnectFailed, candidate.pid, 0, now, 0);
        (*record).connected = candidate.connected;
        (*record).process_started = candidate.process_started;
        let of = kernel::family(sk);
        (*record).family = of;
        (*record).server_port = kernel::peer_port(sk);
        (*record).errno = errno as u32;
        address(&raw mut (*record).server_address, of, sk);
        (*record).comm = candidate.comm;
        entry.submit(wake());
    }
}

/// A watched process runs another program.
#[inline(always)]
pub unsafe fn exec(pid: u32, started: u64) {
    unsafe {
        let Some(mut entry) = reserve::<Exec>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Exec, pid, 0, kernel::now(), 0);
        (*record).process_started = started;
        entry.submit(wake());
    }
}

/// A watched process ended.
#[inline(always)]
pub unsafe fn exit(pid: u32, started: u64) {
    unsafe {
        let Some(mut entry) = reserve::<Exit>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Exit, pid, 0, kernel::now(), 0);
        (*record).process_started = started;
        entry.submit(wake());
    }
}

/// A listed process forked.
#[inline(always)]
pub unsafe fn fork(child: u32, parent: u32) {
    unsafe {
        let Some(mut entry) = reserve::<Fork>() else { return };
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Fork, child, 0, kernel::now(), 0);
        (*record).parent = parent;
        (*record).reserved = 0;
        entry.submit(wake());
    }
}
