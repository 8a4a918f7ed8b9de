//! Which system calls move bytes through sockets, and where their payload is; and which wait. Numbers are
//! this machine's own.

use poolwatch_ebpf::wire::{CALLS, call, pause};

/// The calls, by number.
const FORMS: [(libc::c_long, u8); 14] = [
    (libc::SYS_write, call::SENDS | call::BUFFER),
    (libc::SYS_writev, call::SENDS | call::VECTOR),
    (libc::SYS_pwritev2, call::SENDS | call::VECTOR),
    (libc::SYS_sendto, call::SENDS | call::BUFFER),
    (libc::SYS_sendmsg, call::SENDS | call::MESSAGE),
    (libc::SYS_sendmmsg, call::SENDS | call::MESSAGES),
    // Bytes of these two never pass through the process.
    (libc::SYS_sendfile, call::SENDS),
    (libc::SYS_splice, call::SPLICE),
    (libc::SYS_read, call::RECEIVES | call::BUFFER),
    (libc::SYS_readv, call::RECEIVES | call::VECTOR),
    (libc::SYS_preadv2, call::RECEIVES | call::VECTOR),
    (libc::SYS_recvfrom, call::RECEIVES | call::BUFFER | call::FLAGS_FOURTH),
    (libc::SYS_recvmsg, call::RECEIVES | call::MESSAGE | call::FLAGS_THIRD),
    (libc::SYS_recvmmsg, call::RECEIVES | call::MESSAGES | call::FLAGS_FOURTH),
];

/// Since Linux 6.7, the same everywhere.
const FUTEX_WAIT: libc::c_long = 455;

/// Calls that wait, by number. What an architecture has not, has no number there.
const PAUSES: [(libc::c_long, u8); 7] = [
    (libc::SYS_epoll_pwait, pause::INPUT),
    (libc::SYS_epoll_pwait2, pause::INPUT),
    (libc::SYS_ppoll, pause::INPUT),
    (libc::SYS_pselect6, pause::INPUT),
    (libc::SYS_futex, pause::FUTEX),
    (libc::SYS_futex_waitv, pause::PLACES),
    (FUTEX_WAIT, pause::PLACE),
];
/// Those that newer architectures left out.
#[cfg(target_arch = "x86_64")]
const OLD_PAUSES: [(libc::c_long, u8); 3] =
    [(libc::SYS_epoll_wait, pause::INPUT), (libc::SYS_poll, pause::INPUT), (libc::SYS_select, pause::INPUT)];
#[cfg(not(target_arch = "x86_64"))]
const OLD_PAUSES: [(libc::c_long, u8); 0] = [];

/// The table that the probes look a call's payload up in.
pub fn forms() -> [u8; CALLS] {
    table(&FORMS)
}

/// The table that they look up what a call waits for in.
pub fn pauses() -> [u8; CALLS] {
    table(&[&PAUSES[..], &OLD_PAUSES[..]].concat())
}

fn table(calls: &[(libc::c_long, u8)]) -> [u8; CALLS] {
    let mut table = [0; CALLS];
    for (number, form) in calls {
        if let Some(entry) = usize::try_from(*number).ok().and_then(|number| table.get_mut(number)) {
            *entry = *form;
        }
    }
    table
}
