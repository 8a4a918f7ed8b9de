//! A socket that is older than the probes, as the kernel side is told of it.

use poolwatch_ebpf::wire::{Connection, Half, family, phase};

use crate::{discover::OlderSocket, event::Server, probes::catalog::Tier};

/// Nanoseconds in a hundredth of a second.
const TICK: u64 = 10_000_000;

/// The map value to begin with: messages follow, and where the server's begin is not known. `None` when
/// the tier knows sockets by something that was not found.
pub fn connection(socket: &OlderSocket, tier: Tier) -> Option<Connection> {
    let identity = match tier {
        Tier::Sock => socket.cookie,
        Tier::Syscall => socket.inode,
    };
    let family = match socket.server {
        Server::Unix(..) => family::UNIX,
        Server::Tcp(address, _) if address.is_ipv4() => family::INET,
        Server::Tcp(..) => family::INET6,
    };
    // The core is told of certain ones now, of the others when they turn out to speak PostgreSQL.
    let certain = u8::from(socket.certain);
    (identity != 0).then(|| Connection {
        socket: identity,
        process_started: socket.process.started * TICK,
        inode: socket.inode,
        pid: socket.process.pid,
        family,
        phase: phase::MESSAGES,
        told: certain,
        proven: certain,
        midstream: 1,
        rx: Half { lost: 1, ..Half::default() },
        ..Connection::EMPTY
    })
}
