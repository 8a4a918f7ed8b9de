//! Who waits for a connection, and how long: one process's demands joined to what it lends.
//!
//! In come the process's demands, begins and answers of requests, parked threads and borrowers; out go
//! waits, one per borrowing whose wait is known, and how many wait now. Which method spoke, and how far to
//! trust it, is said with each. docs/accuracy.md tells the method in a page.
//!
//! | file | what it knows |
//! |---|---|
//! | `demand.rs`, `route.rs` | what the process was asked, and what is usual for each route |
//! | `thread.rs`, `turns.rs` | what each thread read last, and how its turns lie between cause and effect |
//! | `lent.rs`, `lending.rs` | each connection as it is lent; the idle ones of a pool in order |
//! | `begin.rs`, `answer.rs`, `serve.rs` | what a request, its answer, a demand and its response do: the links |
//! | `unlent.rs`, `astray.rs` | demands that were served without a connection: borrowers that gave up; those that nobody serves |
//! | `way.rs`, `order.rs` | what one waited, by its route's usual way to the pool, and by its neighbours in the queue |
//! | `handed.rs`, `late.rs` | demands that workers serve for an event loop; demands and borrowings that no turn links |
//! | `park.rs`, `queue.rs`, `borrow.rs`, `lender.rs` | better evidence: sleeping threads, a pooler's clients, probes in the pool's library |
//! | `gauge.rs`, `outside.rs`, `rate.rs` | how many wait now, and the integral of it; how many are on their way; how often demands come |
//! | `given.rs` | what came back while somebody waited, and was lent in the same moment |
//! | `tally.rs`, `agreement.rs`, `confidence.rs`, `waiting.rs` | waits of the last 60 s; how far to trust them; what a pool is told |

mod agreement;
mod answer;
mod astray;
mod begin;
mod borrow;
mod confidence;
mod demand;
mod gauge;
mod given;
mod handed;
mod late;
mod lender;
mod lending;
mod lengths;
mod lent;
mod order;
mod outside;
mod park;
mod queue;
mod rate;
mod route;
mod samples;
mod serve;
mod tally;
mod thread;
mod turns;
mod unlent;
mod waiting;
mod way;

use std::collections::BTreeMap;

pub use self::{
    answer::Answered,
    tally::Tally,
    waiting::{Elapsed, Waiting},
};
use self::{
    borrow::Borrowers,
    demand::Demands,
    gauge::Gauge,
    handed::Handed,
    late::Late,
    lending::Lending,
    lent::{Lent, State},
    park::Parkings,
    queue::Queue,
    route::Routes,
    thread::Threads,
    turns::Turns,
    way::Doubts,
};
use super::{given_up::Patience, pools::PoolRef};
use crate::event::{HashMap, SocketId, Time};

/// Weight of one observation in a share that follows the newest ones.
const NEWEST: f64 = 0.02;
/// Share of contrary observations below which one thread is taken to serve one demand at a time.
const FEW: f64 = 0.02;
/// Exchanges of a library's own before they are relied on, and the least share of all answers.
const MARKS: (u64, u64) = (10, 20);

/// A wait of a borrower ended, or its length became known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waited {
    /// Whose connection it got.
    pub pool: PoolRef,
    /// How long it waited in nanoseconds; below zero by the noise of what was taken off.
    pub took: f64,
}

/// One process.
#[derive(Debug, Default)]
pub struct Waits {
    demands: Demands,
    routes: Routes,
    threads: Threads,
    lent: HashMap<SocketId, Lent>,
    lendings: BTreeMap<PoolRef, Lending>,
    /// Demands that their thread read while another of its was open.
    overlapping: f64,
    /// Responses that another thread wrote than the one that read the demand.
    foreign: f64,
    /// Borrowings that are not their demand's first: how long these waited is not known.
    further: f64,
    /// Responses that came after the connection's next request.
    belated: f64,
    /// Demands that cannot be counted: several at a time on one socket.
    uncountable: f64,
    /// Turns from reading a demand to its first request.
    starts: Turns,
    /// Turns from reading an answer to the response.
    ends: Turns,
    /// Turns from reading an answer to the connection's next request, where that came at once.
    handovers: Turns,
    marks: u64,
    /// Share of the borrowings that begin with such an exchange: the library tries what it lends.
    tried: f64,
    answers: u64,
    /// First letter and length of exchanges that are a library's own.
    returns: Vec<(u8, u32)>,
    parkings: Parkings,
    handed: Handed,
    late: Late,
    queue: Queue,
    borrowers: Borrowers,
    gauge: Gauge,
    waited: Vec<Waited>,
    patience: Patience,
    /// A connection could not be made last.
    failed: Option<Time>,
    /// The newest beginning of a request.
    newest_begin: Time,
    /// Borrowers that gave up.
    gave_up: Vec<Waited>,
    /// Demands that were served with a connection.
    linked: u64,
    /// How many others were served while one of these was open, on average.
    overtaken: f64,
    /// How doubtful the waits are that were told lately.
    doubts: Doubts,
    /// Share of the records that was lost lately.
    loss: f64,
    /// Demands of routes that borrow that were served and not told yet.
    served: u64,
}

impl Waits {
    /// A connection that can be lent is there.
    pub fn enter(&mut self, socket: SocketId, pool: PoolRef, idle: bool, at: Time) {
        if self.lent.contains_key(&socket) {
            return;
        }
        self.advance(at);
        let state = if idle { State::Idle } else { State::Perhaps };
        self.lent.insert(socket, Lent::new(pool, state, at));
        self.lending(pool).add(socket, state, at);
        self.weigh(at);
    }

    /// It is known already.
    pub fn knows(&self, socket: SocketId) -> bool {
        self.lent.contains_key(&socket)
    }

    /// A connection is gone.
    pub fn leave(&mut self, socket: SocketId, at: Time) {
        self.advance(at);
        if let Some(lent) = self.lent.remove(&socket) {
            self.lending(lent.pool).remove(socket, lent.state, lent.since);
        }
        self.weigh(at);
    }

    /// A connection belongs to another pool, or to none.
    pub fn transfer(&mut self, socket: SocketId, to: Option<PoolRef>, at: Time) {
        let Some(state) = self.lent.get(&socket).map(|lent| lent.state) else { return };
        self.leave(socket, at);
        if let Some(pool) = to {
            self.enter(socket, pool, state == State::Idle, at);
        }
    }

    /// A pool is gone.
    pub fn end(&mut self, pool: PoolRef) {
        self.gauge.end(pool);
        self.borrowers.end(pool);
        self.lendings.remove(&pool);
        self.lent.retain(|_, lent| lent.pool != pool);
    }

    /// One thread serves one demand at a time.
    pub fn serves_by_threads(&self) -> bool {
        let few = self.few();
        self.overlapping < few && self.foreign < few && !self.handed.is_usual()
    }

    /// Waits that became known since the last call.
    pub fn take_waited(&mut self, waited: &mut Vec<Waited>) {
        waited.append(&mut self.waited);
    }

    /// Borrowers that gave up since the last call: the pool is the one that they waited for.
    pub fn take_gave_up(&mut self) -> Vec<Waited> {
        std::mem::take(&mut self.gave_up)
    }

    /// What found no room since the last call: demands and threads, borrowers.
    pub fn take_refused(&mut self) -> [(&'static str, u64); 3] {
        [
            ("demands", self.demands.take_refused()),
            ("threads", self.threads.take_refused()),
            ("borrowers", self.borrowers.take_refused()),
        ]
    }

    fn lending(&mut self, pool: PoolRef) -> &mut Lending {
        self.lendings.entry(pool).or_default()
    }

    /// A connection stands otherwise, `since` when its pool counts from.
    fn place(&mut self, socket: SocketId, state: State, since: Time) {
        let Some(lent) = self.lent.get_mut(&socket) else { return };
        let (pool, before, from) = (lent.pool, lent.state, lent.since);
        lent.state = state;
        lent.since = since;
        let lending = self.lending(pool);
        lending.remove(socket, before, from);
        lending.add(socket, state, since);
    }

    /// The library marks what it takes back.
    const fn marks_returns(&self) -> bool {
        self.marks > MARKS.0 && self.marks * MARKS.1 > self.answers
    }
}

/// What an estimate says, as a [`Time`].
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut at both ends, as wanted")]
pub(in crate::infer) const fn nanoseconds(estimate: f64) -> Time {
    estimate as Time
}

/// Follows the newest observations of something that is so or not.
fn follow(share: &mut f64, is: bool) {
    *share += NEWEST * (f64::from(u8::from(is)) - *share);
}
