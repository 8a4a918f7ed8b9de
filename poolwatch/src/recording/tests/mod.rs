//! Recordings that are whole, cut and damaged.

mod damage;
mod file;
mod round;

use super::{Header, ReadError, Writer, read};
use crate::{
    clock::Clock,
    event::{
        Begun, Borrow, Borrowing, Declared, Demand, Ending, Event, Outcome, Parked, Parking, ProbeState,
        Process, ProcessId, Protocol, Query, QueryId, Request, RequestKind, SECOND, Served, Server, SocketId,
        SqlState, Statement, Time, Transaction, Turn,
    },
    infer::settings::{ServerSettings, Settings},
};

/// A header of which every part is set; its clock is the same in every run.
fn header() -> Header {
    let server = ServerSettings {
        address: "10.0.0.5".into(),
        port: Some(5432),
        alias: Some("main".into()),
        max_connections: Some(100),
    };
    Header {
        agent: "0.1.0".into(),
        clock: postcard::from_bytes::<Clock>(&[0xb9, 0x60]).unwrap(),
        settings: Settings {
            pool_max: vec![(Some("shop".into()), 20), (None, 10)],
            servers: vec![server],
            ..Settings::default()
        },
        labels: vec![("region".into(), "eu".into())],
        label_user: true,
    }
}

const SOCKET: SocketId = SocketId(0x1234_5678_9abc);
const PROCESS: ProcessId = ProcessId { pid: 42, started: 123_456 };

fn request(ended: Time) -> Event {
    Event::Request(Request {
        socket: SOCKET,
        pid: 42,
        missed: 1,
        started: Some(ended - 3000),
        first_byte: Some(ended - 1000),
        ended,
        kind: RequestKind::Sync,
        transaction: Transaction::Open,
        merged: 1,
        executes: 2,
        completions: 2,
        rows: 17,
        errors: 1,
        sent: 300,
        received: 4000,
        operation: "SELECT".into(),
        sqlstate: SqlState::new(*b"23505"),
        query: Some(QueryId(7)),
        approximate: true,
        turn: Some(Turn { thread: 43, nth: 9 }),
    })
}

/// One event of every kind, each part of it set.
fn every_kind() -> Vec<Event> {
    let (socket, process, at) = (SOCKET, PROCESS, 5 * SECOND);
    let turn = Turn { thread: 43, nth: 9 };
    let server = Server::Unix("/run/postgresql".into(), 5432);
    let ending = Ending {
        terminate: true,
        end_of_file: true,
        reset: true,
        startup: true,
        errno: Some(104),
        sqlstate: SqlState::new(*b"57P01"),
    };
    vec![
        Event::Probes(vec![ProbeState {
            probe: "send".into(),
            attached: true,
            verdict: "ok".into(),
            reason: "none".into(),
        }]),
        Event::Ready { at },
        Event::Process(Box::new(Process {
            id: process,
            name: "server.js".into(),
            service: "shop".into(),
            container: Some("web".into()),
            pod: Some("web-1".into()),
            namespace: Some("prod".into()),
            declared: Declared {
                min: Some(2),
                max: Some(20),
                idle_timeout: Some(30_000),
                connection_timeout: Some(-1),
            },
        })),
        Event::Open {
            socket,
            process,
            server: Server::Tcp("2001:db8::1".parse().unwrap(), 6432),
            at,
            connected: Some(at - 1),
            midstream: true,
        },
        Event::Startup { socket, at, user: "app".into(), database: "shop".into(), replication: true },
        Event::Secured { socket, at, by: "tls".into() },
        Event::Query(Query { id: QueryId(7), summary: "SELECT shop".into(), operation: "SELECT".into() }),
        Event::Statement(Statement {
            socket,
            pid: 42,
            query: Some(QueryId(7)),
            ended: at,
            took: Some(3000),
            rows: 17,
            outcome: Outcome::Failed,
            resumed: 1,
            sqlstate: SqlState::new(*b"23505"),
        }),
        request(at),
        Event::Inflight { socket, at, since: at - 2 },
        Event::Begun(Begun { socket, at, turn, letter: b'P', bytes: 90 }),
        Event::Demand(Demand { socket, pid: 42, at, turn, protocol: Protocol::Http2, route: Some(0xfeed) }),
        Event::Served(Served { socket, pid: 42, at, turn: Some(turn) }),
        Event::Parked(Parked { pid: 42, thread: 43, address: 0x7f01, at, parking: Parking::Over }),
        Event::Borrow(Borrow {
            pid: 42,
            borrower: 0xc000_0001,
            pool: 0xc000_0002,
            thread: 43,
            at,
            borrowing: Borrowing::Refused,
        }),
        Event::Missed { socket, at, records: 3 },
        Event::Close { socket, at, ending },
        Event::Gone { socket, at },
        Event::ConnectFailed { process, server, at, connected: at - 9, errno: Some(111) },
        Event::Exit { process, at },
        Event::Books { events: 9, lost: vec![("ring".into(), 2)], unparsed: vec![("header".into(), 1)] },
        Event::Tick { at },
        Event::Scrape { at },
        Event::Borrowers { pid: 42, at, told: true },
    ]
}

/// A whole recording of these events.
fn recording(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header()).unwrap();
    for event in events {
        writer.write(event).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// What can be read, and why not more.
fn read_all(bytes: &[u8]) -> (Vec<Event>, Option<ReadError>) {
    let (read_header, mut iterator) = match read(bytes) {
        Ok(opened) => opened,
        Err(error) => return (Vec::new(), Some(error)),
    };
    assert_eq!(read_header, header());
    let mut events = Vec::new();
    let error = loop {
        match iterator.next() {
            Some(Ok(event)) => events.push(event),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(iterator.next().is_none(), "nothing follows the end or an error");
    (events, error)
}
