//! Sockets that were open before the agent: joins processes' descriptors with the socket tables.
//!
//! Process numbers and ports come in, [`OlderSocket`]s go out: the client's ends of connections that
//! are, or may be, to PostgreSQL. A server's own ends are never told. Whether an uncertain one speaks
//! PostgreSQL is for the kernel side to find out; nothing is read from any connection here.

use std::collections::{HashMap, HashSet};

use super::{
    OLDER_SOCKETS, files, namespace,
    scan::Scan,
    socket::{Diag, Table},
    table::{Client, Tables},
    trouble::{self, Trouble},
};
use crate::event::{ProcessId, Server};

/// A client's socket that is older than the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderSocket {
    /// Who holds it; of several the one that started first.
    pub process: ProcessId,
    /// As in `/proc/PID/fd`.
    pub inode: u64,
    /// The socket's cookie; 0 = not known.
    pub cookie: u64,
    /// Where it leads.
    pub server: Server,
    /// It leads to PostgreSQL; else it only may.
    pub certain: bool,
}

impl OlderSocket {
    fn new(client: Client, process: ProcessId) -> Self {
        let Client { inode, cookie, server, certain, .. } = client;
        Self { process, inode, cookie, server, certain }
    }
}

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Older {
    /// In the order of processes and inodes.
    pub sockets: Vec<OlderSocket>,
    /// What could not be seen, and why, each once and in words.
    pub problems: Vec<String>,
}

/// Names one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Its inode, as in `/proc/PID/fd`.
    Inode(u64),
    /// Its cookie.
    Cookie(u64),
}

/// Every established client socket that leads or may lead to PostgreSQL.
///
/// `pids` are the only processes asked about, `None` = all. What leads to one of `ports` is certain.
pub fn older_sockets(pids: Option<&[u32]>, ports: &[u16]) -> Older {
    let mut trouble = Trouble::default();
    let pids = pids.map(|pids| pids.iter().copied().collect());
    let scan = Scan::run(pids.as_ref(), &mut trouble);
    let tables = read(&scan, &mut trouble);
    let older = tables.clients(ports).filter(|client| client.established).filter_map(|client| {
        let process = *scan.holders.get(&client.inode)?;
        Some(OlderSocket::new(client, process))
    });
    let mut sockets: Vec<OlderSocket> = older.take(OLDER_SOCKETS + 1).collect();
    let mut problems = trouble.tell();
    if sockets.len() > OLDER_SOCKETS {
        problems.push(format!("only {OLDER_SOCKETS} older sockets are told"));
        sockets.truncate(OLDER_SOCKETS);
    }
    sockets.sort_unstable_by_key(|socket| (socket.process, socket.inode));
    Older { sockets, problems }
}

/// Looks up single sockets of processes; `None` for one that is not there any more, is a server's
/// end, or (UNIX) was left by its server.
///
/// One call for many costs hardly more than one call for one: it reads whole tables.
pub fn sockets(wanted: &[(u32, By)], ports: &[u16]) -> Vec<Option<OlderSocket>> {
    let pids = wanted.iter().map(|(pid, _)| *pid).collect();
    let mut trouble = Trouble::default();
    let scan = Scan::run(Some(&pids), &mut trouble);
    let tables = read(&scan, &mut trouble);
    let names: HashSet<By> = wanted.iter().map(|(_, by)| *by).collect();
    let mut found = HashMap::new();
    for client in tables.clients(ports) {
        for by in [By::Inode(client.inode), By::Cookie(client.cookie)] {
            if names.contains(&by) {
                found.insert(by, client.clone());
            }
        }
    }
    let one = |(pid, by): &(u32, By)| Some(OlderSocket::new(found.get(by)?.clone(), *scan.ids.get(pid)?));
    wanted.iter().map(one).collect()
}

fn read(scan: &Scan, trouble: &mut Trouble) -> Tables {
    let mut tables = Tables::default();
    for (pid, network) in scan.networks.values() {
        match namespace::enter(network) {
            Ok(mut diag) => read_network(&mut diag, *pid, scan, &mut tables, trouble),
            Err(error) => {
                trouble.failed(trouble::ENTER, &error);
                read_files(*pid, scan, &mut tables, trouble);
            }
        }
    }
    tables
}

/// Reads one network namespace's tables.
fn read_network(diag: &mut Diag, pid: u32, scan: &Scan, tables: &mut Tables, trouble: &mut Trouble) {
    match diag.tcp() {
        Ok(table) => tables.add_tcp(whole(table, trouble), &scan.servers),
        Err(error) => {
            trouble.failed(trouble::TCP, &error);
            read_files(pid, scan, tables, trouble);
        }
    }
    match diag.unix() {
        Ok(table) => tables.add_unix(whole(table, trouble)),
        Err(error) => trouble.failed(trouble::UNIX, &error),
    }
}

/// What the files of a process that lives there know of it; nothing when it vanished.
fn read_files(pid: u32, scan: &Scan, tables: &mut Tables, trouble: &mut Trouble) {
    if let Ok(table) = files::tcp(pid) {
        tables.add_tcp(whole(table, trouble), &scan.servers);
    }
}

/// A table's sockets, after counting what is missing from it.
fn whole<T>(table: Table<T>, trouble: &mut Trouble) -> Vec<T> {
    trouble.left_out += table.left_out;
    table.sockets
}
