//! Which processes and which sockets are looked at. Runs first, reads little.

use poolwatch_ebpf::wire::{standing, watch};

use crate::{
    kernel,
    maps::{self, PROCESSES},
    stranger,
};

/// The process's standing; 0 = none.
#[inline(always)]
pub fn standing_of(pid: u32) -> u32 {
    PROCESSES.get_ptr(pid).map_or(0, |bits| unsafe { *bits })
}

/// Connections of this process are watched.
#[inline(always)]
pub fn watched(pid: u32) -> bool {
    let bits = standing_of(pid);
    if maps::watch() == watch::ALL { bits & standing::DENIED == 0 } else { bits & standing::LISTED != 0 }
}

/// The process was asked for something.
#[inline(always)]
pub fn serves(pid: u32) -> bool {
    standing_of(pid) & standing::SERVES != 0
}

/// Remembers that the process holds a connection, so that its end is told.
#[inline(always)]
pub fn holds(pid: u32) {
    if let Some(bits) = PROCESSES.get_ptr_mut(pid) {
        if unsafe { *bits } & standing::HOLDS != 0 {
            return;
        }
        unsafe { *bits |= standing::HOLDS };
    } else if PROCESSES.insert(pid, standing::HOLDS, 0).is_err() {
        maps::count(poolwatch_ebpf::wire::Counter::ProcessesFull);
    }
    stranger::another_age();
}

/// The UNIX socket leads to a server: the name that its peer is bound to ends in `.s.PGSQL.PORT`.
/// Source: `UNIXSOCK_PATH` in src/include/libpq/pqcomm.h; libpq and every server fix this form.
#[inline(always)]
pub fn leads_to_postgres(sk: u64) -> bool {
    const NAME: &[u8; 8] = b"s.PGSQL.";
    let Some((path, length)) = kernel::peer_path(sk) else { return false };
    if length < 12 {
        return false;
    }
    // The length may or may not count a closing NUL, and the port has one to five digits; the usual
    // four come first.
    let end = path + length as u64;
    let mut digits = 4u64;
    let mut tried = 0;
    while tried < 6 {
        if &kernel::read(end - digits - 8, [0u8; 8]) == NAME {
            return true;
        }
        digits = match digits {
            4 => 5,
            5 => 6,
            6 => 3,
            3 => 2,
            _ => 1,
        };
        tried += 1;
    }
    false
}
