//! The traced process's events, as the agent would have told them.

use std::{collections::HashMap, net::Ipv4Addr};

use poolwatch::event::{
    Begun, Declared, Demand, Ending, Event, Outcome, Parked, Parking, Process, ProcessId, Protocol, Query,
    QueryId, Request, RequestKind, Served, Server, SocketId, Statement, Transaction, Turn,
};

use crate::{
    line::{Line, What},
    socket::{ANSWERS, ASKS, Place, Role, Sockets, ready},
};

/// The number that the process has in the recording.
pub const PID: u32 = 1000;
const PROCESS: ProcessId = ProcessId { pid: PID, started: 1 };
/// A text that a driver sends when a connection is taken back: `Q`, its length and `SEL`.
const RESETS: u64 = 0x4c45_5347_0000_0051;
const RESET: QueryId = QueryId(1);
/// Bytes of a read that is no request by its head: Go reads one byte in the background.
const PIECE: i64 = 8;

#[derive(Debug, Default)]
struct Connection {
    announced: bool,
    answered: bool,
    /// The request in flight: since when, its first letter, its length, and whether it resets.
    flight: Option<(u64, u8, u32, bool)>,
}

#[derive(Debug, Default)]
struct Thread {
    polls: u64,
    /// The demand that it works for, until it borrows.
    works_since: Option<u64>,
}

#[derive(Debug, Default)]
struct Told {
    events: Vec<Event>,
    threads: HashMap<u32, Thread>,
    connections: HashMap<SocketId, Connection>,
    /// Open demands, and whether their route is known.
    demands: HashMap<SocketId, (u64, bool)>,
}

/// All events of a capture.
pub fn events(lines: &[Line]) -> Vec<Event> {
    let sockets = Sockets::find(lines);
    let (mut told, mut place) = (Told::default(), Place::default());
    told.introduce();
    for line in lines {
        if let What::Close { fd } = line.what {
            told.close(line.at, place.id(fd), sockets.get(&place, fd).role);
        }
        place.follow(line);
        told.see(line, &sockets, &place);
    }
    told.events
}

impl Told {
    fn introduce(&mut self) {
        let (name, service) = ("captured".to_owned(), "captured".to_owned());
        let (container, pod, namespace) = (None, None, None);
        self.events.push(Event::Process(Box::new(Process {
            id: PROCESS,
            name,
            service,
            container,
            pod,
            namespace,
            declared: Declared::default(),
        })));
        let (summary, operation) = ("RESET".to_owned(), "RESET".to_owned());
        self.events.push(Event::Query(Query { id: RESET, summary, operation }));
    }

    fn turn(&mut self, thread: u32) -> Turn {
        Turn { thread, nth: self.threads.entry(thread).or_default().polls }
    }

    fn see(&mut self, line: &Line, sockets: &Sockets, place: &Place) {
        match line.what {
            What::Poll => self.threads.entry(line.thread).or_default().polls += 1,
            What::Read { fd, length, head, tail } => match sockets.get(place, fd).role {
                Role::Database => self.receive(line, place.id(fd), ready(length, tail)),
                Role::Accepted => self.ask(line, place.id(fd), length, head),
                Role::Other => {}
            },
            What::Write { fd, length, head } => {
                let socket = sockets.get(place, fd);
                match socket.role {
                    Role::Database => self.send(line, place.id(fd), length, head, socket.connected),
                    Role::Accepted if head & 0xffff_ffff == ANSWERS => self.serve(line, place.id(fd)),
                    _ => {}
                }
            }
            What::Slept { since, woken, address } => self.sleep(line, since, woken, address),
            What::Connect { .. } | What::Accept { .. } | What::Close { .. } => {}
        }
    }

    fn open(&mut self, at: u64, socket: SocketId, connected: Option<u64>) {
        let server = Server::Tcp(Ipv4Addr::LOCALHOST.into(), 5432);
        let midstream = connected.is_none();
        self.events.push(Event::Open { socket, process: PROCESS, server, at, connected, midstream });
        if !midstream {
            let (user, database) = ("app".to_owned(), "app".to_owned());
            self.events.push(Event::Startup { socket, at, user, database, replication: false });
        }
    }

    fn send(&mut self, line: &Line, socket: SocketId, length: i64, head: u64, connected: Option<u64>) {
        let turn = self.turn(line.thread);
        let connection = self.connections.entry(socket).or_default();
        let new = !std::mem::replace(&mut connection.announced, true);
        let starts_up = connected.is_some() && !connection.answered;
        let [letter, ..] = head.to_le_bytes();
        let bytes = u32::try_from(length).unwrap_or(0);
        let begins = connection.flight.is_none();
        connection.flight = connection.flight.or(Some((line.at, letter, bytes, head == RESETS)));
        if new {
            self.open(line.at, socket, connected);
        }
        if begins && !starts_up {
            self.events.push(Event::Begun(Begun { socket, at: line.at, turn, letter, bytes }));
        }
        if let Some(thread) = self.threads.get_mut(&line.thread) {
            thread.works_since = None;
        }
    }

    fn receive(&mut self, line: &Line, socket: SocketId, status: Option<u8>) {
        let Some(status) = status else { return };
        let turn = self.turn(line.thread);
        let connection = self.connections.entry(socket).or_default();
        if !std::mem::replace(&mut connection.announced, true) {
            self.open(line.at, socket, None);
        }
        let connection = self.connections.entry(socket).or_default();
        let new = !std::mem::replace(&mut connection.answered, true);
        let flight = connection.flight.take();
        if new && flight.is_some_and(|flight| flight.1 == 0) {
            self.answer(line.at, socket, RequestKind::Startup, status, flight, turn);
            return;
        }
        if flight.is_some_and(|flight| flight.3) {
            self.events.push(Event::Statement(reset(socket, line.at)));
        }
        let simple = flight.is_some_and(|flight| flight.1 == b'Q');
        let kind = if simple { RequestKind::Query } else { RequestKind::Sync };
        self.answer(line.at, socket, kind, status, flight, turn);
    }

    fn answer(
        &mut self,
        at: u64,
        socket: SocketId,
        kind: RequestKind,
        status: u8,
        flight: Option<(u64, u8, u32, bool)>,
        turn: Turn,
    ) {
        let transaction = match status {
            b'T' => Transaction::Open,
            b'E' => Transaction::Failed,
            _ => Transaction::Idle,
        };
        self.events.push(Event::Request(Request {
            socket,
            pid: PID,
            missed: 0,
            started: flight.map(|flight| flight.0),
            first_byte: None,
            ended: at,
            kind,
            transaction,
            merged: 1,
            executes: 1,
            completions: 1,
            rows: 0,
            errors: 0,
            sent: flight.map_or(0, |flight| u64::from(flight.2)),
            received: 0,
            operation: "SELECT".into(),
            sqlstate: None,
            query: None,
            approximate: true,
            turn: Some(turn),
        }));
    }

    fn ask(&mut self, line: &Line, socket: SocketId, length: i64, head: u64) {
        let whole = ASKS.contains(&(head & 0xffff_ffff));
        // The rest of a `GET ` of which one byte was read before.
        let rest = head & 0xff_ffff == 0x20_5445;
        if length <= 0 {
            return;
        }
        let turn = self.turn(line.thread);
        let [_, _, _, _, fourth, fifth, ..] = head.to_le_bytes();
        let route = match (whole, rest) {
            (true, _) => Some(u32::from(fifth)),
            (_, true) => Some(u32::from(fourth)),
            _ => None,
        };
        let at = match self.demands.get_mut(&socket) {
            Some((at, known)) if !*known && !whole && route.is_some() => {
                *known = true;
                *at
            }
            None if whole || length < PIECE => {
                self.demands.insert(socket, (line.at, route.is_some()));
                self.threads.entry(line.thread).or_default().works_since = Some(line.at);
                line.at
            }
            _ => return,
        };
        self.events.push(Event::Demand(Demand {
            socket,
            pid: PID,
            at,
            turn,
            protocol: Protocol::Http,
            route,
        }));
    }

    fn serve(&mut self, line: &Line, socket: SocketId) {
        let turn = self.turn(line.thread);
        if self.demands.remove(&socket).is_some() {
            self.events.push(Event::Served(Served { socket, pid: PID, at: line.at, turn: Some(turn) }));
        }
        if let Some(thread) = self.threads.get_mut(&line.thread) {
            thread.works_since = None;
        }
    }

    fn sleep(&mut self, line: &Line, since: u64, woken: bool, address: u64) {
        let works = self.threads.get(&line.thread).and_then(|thread| thread.works_since);
        if works.is_none_or(|works| works > since) {
            return;
        }
        let told =
            |at, parking| Event::Parked(Parked { pid: PID, thread: line.thread, address, at, parking });
        self.events.push(told(since, Parking::Asleep));
        self.events.push(told(line.at, if woken { Parking::Woken } else { Parking::Over }));
    }

    fn close(&mut self, at: u64, socket: SocketId, role: Role) {
        if self.demands.remove(&socket).is_some() {
            self.events.push(Event::Served(Served { socket, pid: PID, at, turn: None }));
        }
        if role == Role::Database && self.connections.remove(&socket).is_some_and(|one| one.announced) {
            let ending = Ending { terminate: true, ..Ending::default() };
            self.events.push(Event::Close { socket, at, ending });
        }
    }
}

fn reset(socket: SocketId, ended: u64) -> Statement {
    Statement {
        socket,
        pid: PID,
        query: Some(RESET),
        ended,
        took: None,
        rows: 0,
        outcome: Outcome::Completed,
        resumed: 0,
        sqlstate: None,
    }
}
