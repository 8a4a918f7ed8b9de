//! Which system calls move bytes through sockets, and where their payload is. Numbers are this
//! machine's own.

use poolwatch_ebpf::wire::{CALLS, call};

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

/// The table that the probes look calls up in.
pub fn forms() -> [u8; CALLS] {
    let mut table = [0; CALLS];
    for (number, form) in FORMS {
        if let Some(entry) = usize::try_from(number).ok().and_then(|number| table.get_mut(number)) {
            *entry = form;
        }
    }
    table
}
