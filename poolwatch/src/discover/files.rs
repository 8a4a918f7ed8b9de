//! The socket tables as files, for where `sock_diag` is not to be had: `/proc/PID/net`.
//!
//! They know no cookies, and not to whom a UNIX socket leads.

use std::collections::HashSet;

use procfs::{ProcResult, net::TcpState};

use super::{
    process,
    socket::{State, Table, TcpSocket, endpoint},
};

/// The TCP sockets of the network namespace in which `pid` lives.
pub(super) fn tcp(pid: u32) -> ProcResult<Table<TcpSocket>> {
    let process = process::open(pid)?;
    let mut table = Table::default();
    for entry in process.tcp()?.into_iter().chain(process.tcp6().unwrap_or_default()) {
        let state = match entry.state {
            TcpState::Listen => State::Listening,
            TcpState::Established => State::Established,
            TcpState::CloseWait | TcpState::FinWait1 | TcpState::FinWait2 => State::Ending,
            _ => continue,
        };
        table.push(Some(TcpSocket {
            inode: entry.inode,
            cookie: 0,
            local: endpoint(entry.local_address.ip(), entry.local_address.port()),
            remote: endpoint(entry.remote_address.ip(), entry.remote_address.port()),
            state,
        }));
    }
    Ok(table)
}

/// Inodes of all UNIX sockets of the network namespace in which `pid` lives.
pub(super) fn unix(pid: u32) -> ProcResult<HashSet<u64>> {
    Ok(process::open(pid)?.unix()?.into_iter().map(|entry| entry.inode).collect())
}
