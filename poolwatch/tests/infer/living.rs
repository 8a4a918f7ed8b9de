//! Which processes and connections live: the contract's words as a reference, without states or pools.

use std::collections::{BTreeMap, BTreeSet};

use poolwatch::event::{Event, ProcessId, SocketId, Time};

/// Who lives.
#[derive(Default)]
pub struct Living {
    pub processes: BTreeMap<u32, ProcessId>,
    pub opens: u64,
    ended: BTreeSet<ProcessId>,
    connections: BTreeMap<SocketId, Connection>,
    now: Time,
    /// Sum over the connections that have ended.
    lived: u128,
}

struct Connection {
    opener: ProcessId,
    holder: ProcessId,
    address: String,
    member: bool,
    born: Time,
}

impl Living {
    pub fn apply(&mut self, event: &Event) {
        self.now = self.now.max(time(event).unwrap_or(0));
        match event {
            Event::Process(process) => {
                self.raise(process.id);
            }
            Event::Open { socket, process, server, at, connected, midstream } => {
                let born = connected.filter(|_| !midstream).unwrap_or(*at).min(*at);
                let address = server.address();
                self.open(
                    *socket,
                    Connection { opener: *process, holder: *process, address, member: true, born },
                );
            }
            Event::Startup { socket, user, database, replication, .. } => {
                let named = !user.is_empty() && !database.is_empty();
                if let Some(connection) = self.connections.get_mut(socket).filter(|_| *replication || named) {
                    connection.member = !*replication;
                }
            }
            Event::Request(request) => {
                if let Some(connection) = self.connections.get_mut(&request.socket)
                    && let Some(user) = self.processes.get(&request.pid)
                {
                    connection.holder = *user;
                }
            }
            Event::Close { socket, at, .. } | Event::Gone { socket, at } => self.close(*socket, *at),
            Event::Exit { process, at } => self.end(*process, *at),
            _ => {}
        }
    }

    /// Members of pools by process and address.
    pub fn totals(&self) -> BTreeMap<(ProcessId, String), u32> {
        let mut totals = BTreeMap::new();
        for connection in self.connections.values().filter(|connection| connection.member) {
            *totals.entry((connection.holder, connection.address.clone())).or_default() += 1;
        }
        totals
    }

    /// Sum of the lives of all connections until `now`.
    pub fn lived(&self, now: Time) -> u128 {
        let lives = self.connections.values().map(|connection| life(connection, now));
        self.lived + lives.sum::<u128>()
    }

    fn raise(&mut self, id: ProcessId) -> bool {
        let current = self.processes.get(&id.pid).copied();
        let newer = |other: &ProcessId| other.pid == id.pid && other.started >= id.started;
        if self.ended.iter().any(newer) || current.is_some_and(|current| current.started > id.started) {
            return false;
        }
        if let Some(older) = current.filter(|current| *current != id) {
            self.end(older, self.now);
        }
        self.processes.insert(id.pid, id);
        true
    }

    fn open(&mut self, socket: SocketId, connection: Connection) {
        if !self.connections.contains_key(&socket) && self.raise(connection.holder) {
            self.connections.insert(socket, connection);
            self.opens += 1;
        }
    }

    fn close(&mut self, socket: SocketId, at: Time) {
        let ended = self.connections.remove(&socket);
        self.lived += ended.map_or(0, |connection| life(&connection, at));
    }

    fn end(&mut self, id: ProcessId, at: Time) {
        if self.processes.get(&id.pid) != Some(&id) {
            return;
        }
        self.processes.remove(&id.pid);
        self.ended.insert(id);
        let held = self.connections.iter().filter(|(_, connection)| connection.holder == id);
        for socket in held.map(|(socket, _)| *socket).collect::<Vec<_>>() {
            let opener = self.connections.get(&socket).map(|connection| connection.opener);
            let lives = opener.filter(|opener| self.processes.get(&opener.pid) == Some(opener));
            match (self.connections.get_mut(&socket), lives) {
                (Some(connection), Some(opener)) => connection.holder = opener,
                _ => self.close(socket, at),
            }
        }
    }
}

fn life(connection: &Connection, end: Time) -> u128 {
    u128::from(end.saturating_sub(connection.born))
}

/// When an event happened; `None` where it does not say, or where that is of no weight.
pub fn time(event: &Event) -> Option<Time> {
    if matches!(event, Event::Ready { .. }) { None } else { event.at() }
}
