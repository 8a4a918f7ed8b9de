//! A server on one event loop with a pool, as its sockets show it, and what is true of its borrowers.
//!
//! Each thing that happens is one turn: a demand is read, an answer is read and its response written, somebody's
//! patience ends. The first who waits gets the next connection.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use poolwatch::event::{
    Begun, Demand, Event, Protocol, Request, SECOND, Served, SocketId, Time, Transaction, Turn,
};

use crate::world::request;

const MICROSECOND: Time = SECOND / 1_000_000;
/// Sockets of demands begin here; smaller ones are connections.
pub const DEMANDS: u64 = 10_000;

/// How it serves. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    pub connections: u64,
    /// How long a borrower waits.
    pub patience: Option<u64>,
    pub protocol: Protocol,
}

/// When a request comes, and how long its query takes.
pub type Asked = (u64, u64);

/// What its library would say.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Waits of those that got a connection.
    pub waits: Vec<u64>,
    /// Waits of those that gave up.
    pub gave_up: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Answer { connection: u64, demand: usize, sent: u64 },
    Asked(usize),
    Over(usize),
}

#[derive(Default)]
struct Run {
    events: Vec<Event>,
    truth: Truth,
    agenda: BinaryHeap<Reverse<(u64, Happening)>>,
    idle: VecDeque<u64>,
    waiting: VecDeque<usize>,
    turn: Turn,
}

/// Exponentially distributed round 1, by a fixed row of dice.
fn exponential(count: usize) -> Vec<f64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| -(1.0 - draw()).ln()).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
const fn whole(microseconds: f64) -> u64 {
    microseconds as u64 + 1
}

/// Requests that come one by one, `rate` a second, with queries of 30 ms on average.
pub fn requests(from: u64, rate: f64, count: usize) -> Vec<Asked> {
    let drawn = exponential(2 * count);
    let (gaps, queries) = drawn.split_at(count);
    let mut at = from;
    let mut next = |gap: &f64| {
        at += whole(gap * 1e6 / rate);
        at
    };
    gaps.iter().zip(queries).map(|(gap, query)| (next(gap), whole(query * 3e4))).collect()
}

fn came(asked: &[Asked], demand: usize) -> Asked {
    asked.get(demand).copied().unwrap_or_default()
}

impl Serving {
    pub const fn new(connections: u64) -> Self {
        Self { connections, patience: None, protocol: Protocol::Http }
    }

    /// Its events in their order, and what is true.
    pub fn serve(&self, asked: &[Asked]) -> (Vec<Event>, Truth) {
        let mut run = Run { idle: (1..=self.connections).collect(), ..Run::default() };
        run.turn.thread = 7;
        run.agenda
            .extend(asked.iter().enumerate().map(|(nth, (at, _))| Reverse((*at, Happening::Asked(nth)))));
        while let Some(Reverse((at, happening))) = run.agenda.pop() {
            run.turn.nth += 1;
            match happening {
                Happening::Asked(demand) => self.ask(&mut run, asked, demand, at),
                Happening::Answer { connection, demand, sent } => {
                    run.answer(connection, sent, at);
                    run.respond(demand, at);
                    match run.waiting.pop_front() {
                        Some(next) => run.borrow(asked, connection, next, at),
                        None => run.idle.push_back(connection),
                    }
                }
                Happening::Over(demand) => {
                    if let Some(place) = run.waiting.iter().position(|waiting| *waiting == demand) {
                        run.waiting.remove(place);
                        run.truth.gave_up.push(at - came(asked, demand).0);
                        run.respond(demand, at);
                    }
                }
            }
        }
        (run.events, run.truth)
    }

    fn ask(&self, run: &mut Run, asked: &[Asked], demand: usize, at: u64) {
        let (socket, turn, at_ns) = (SocketId(DEMANDS + demand as u64), run.turn, at * MICROSECOND);
        let (protocol, route) = (self.protocol, Some(1));
        run.events.push(Event::Demand(Demand { socket, pid: 1, at: at_ns, turn, protocol, route }));
        match (run.idle.pop_front(), self.patience) {
            (Some(connection), _) => run.borrow(asked, connection, demand, at),
            (None, patience) => {
                run.waiting.push_back(demand);
                run.agenda.extend(patience.map(|patience| Reverse((at + patience, Happening::Over(demand)))));
            }
        }
    }
}

impl Run {
    fn borrow(&mut self, asked: &[Asked], connection: u64, demand: usize, at: u64) {
        let (came, query) = came(asked, demand);
        self.truth.waits.push(at - came);
        let (socket, at_ns) = (SocketId(connection), at * MICROSECOND);
        self.events.push(Event::Begun(Begun { socket, at: at_ns, turn: self.turn, letter: b'Q', bytes: 30 }));
        self.agenda.push(Reverse((at + query, Happening::Answer { connection, demand, sent: at })));
    }

    fn answer(&mut self, connection: u64, sent: u64, at: u64) {
        let plain = request(connection, 0, 0);
        let (started, ended, turn) = (Some(sent * MICROSECOND), at * MICROSECOND, Some(self.turn));
        let transaction = Transaction::Idle;
        self.events.push(Event::Request(Request { started, ended, turn, transaction, ..plain }));
    }

    fn respond(&mut self, demand: usize, at: u64) {
        let (socket, turn) = (SocketId(DEMANDS + demand as u64), Some(self.turn));
        self.events.push(Event::Served(Served { socket, pid: 1, at: at * MICROSECOND, turn }));
    }
}
