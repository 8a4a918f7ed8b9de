//! Plans of well-formed connections: what a driver, a kernel side without losses and a scan each second
//! would tell of them, in the order of time.

use std::ops::Range;

use poolwatch::event::{Event, Request, RequestKind, SocketId, Transaction};
use proptest::prelude::*;

use crate::world::{close, inflight, open, request, startup, tick};

/// A planned request; times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub sent: u64,
    pub answered: u64,
    pub transaction: bool,
}

/// A planned connection.
#[derive(Clone, Debug)]
pub struct Plan {
    pub pid: u32,
    pub database: &'static str,
    pub opened: u64,
    pub ready: u64,
    pub requests: Vec<Asked>,
    pub closed: u64,
}

/// Gap before (less than 0: pipelined), duration, whether a transaction stays open.
type Step = (i64, u64, bool);

fn plan() -> impl Strategy<Value = Plan> {
    let step = (prop_oneof![3 => 0..3000_i64, 1 => -400..0_i64], 0..4000_u64, any::<bool>());
    let steps = prop::collection::vec(step, 0..8);
    let database = prop::sample::select(vec!["shop", "stock"]);
    (1..3_u32, database, 0..5000_u64, 0..300_u64, steps, 0..3000_u64).prop_map(
        |(pid, database, opened, login, steps, rest)| laid_out(pid, database, opened, login, &steps, rest),
    )
}

fn laid_out(pid: u32, database: &'static str, opened: u64, login: u64, steps: &[Step], rest: u64) -> Plan {
    let ready = opened + login;
    let (mut sent, mut end) = (ready, ready);
    let mut requests = Vec::new();
    for (gap, took, transaction) in steps {
        // A request is sent after the one before it, and answered after it.
        sent = end.saturating_add_signed(*gap).max(sent + 1);
        end = (sent + took).max(end);
        requests.push(Asked { sent, answered: end, transaction: *transaction });
    }
    Plan { pid, database, opened, ready, requests, closed: end + rest }
}

pub fn plans() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(), 1..8)
}

impl Plan {
    /// Stretches of use, pipelined requests in one.
    pub fn stretches(&self) -> Vec<Range<u64>> {
        let mut stretches: Vec<Range<u64>> = Vec::new();
        let mut open = false;
        for asked in &self.requests {
            match stretches.last_mut() {
                Some(last) if open || asked.sent < last.end => last.end = asked.answered,
                _ => stretches.push(asked.sent..asked.answered),
            }
            open = asked.transaction;
        }
        if let Some(last) = stretches.last_mut().filter(|_| open) {
            last.end = self.closed;
        }
        stretches
    }

    fn events(&self, socket: u64) -> Vec<(u64, Event)> {
        let answered = |asked: &Asked, kind| {
            let transaction = if asked.transaction { Transaction::Open } else { Transaction::Idle };
            let plain = request(socket, asked.sent, asked.answered);
            (asked.answered, Event::Request(Request { pid: self.pid, transaction, kind, ..plain }))
        };
        let login = Asked { sent: self.opened, answered: self.ready, transaction: false };
        let mut events = vec![
            (self.opened, open(socket, self.pid, self.opened)),
            (self.opened, startup(socket, self.database, self.opened)),
            answered(&login, RequestKind::Startup),
        ];
        events.extend(self.requests.iter().map(|asked| answered(asked, RequestKind::Query)));
        events.push((self.closed, close(socket, self.closed)));
        events
    }

    /// What a scan at `now` sees: the oldest request without answer.
    fn scanned(&self, socket: u64, now: u64) -> Option<Event> {
        let asked = self.requests.iter().find(|asked| asked.answered > now)?;
        (asked.sent <= now).then(|| inflight(socket, asked.sent, now))
    }
}

/// Connection `n` of the plans is socket `n`.
pub fn socket(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// All plans as events in the order of time, with a scan and a tick each second.
pub fn events(plans: &[Plan]) -> Vec<(u64, Event)> {
    let mut events: Vec<_> =
        plans.iter().enumerate().flat_map(|(number, plan)| plan.events(socket(number))).collect();
    let end = plans.iter().map(|plan| plan.closed).max().unwrap_or(0);
    for now in (0..=end + 1000).step_by(1000) {
        let seen = plans.iter().enumerate().filter_map(|(number, plan)| plan.scanned(socket(number), now));
        events.extend(seen.map(|event| (now, event)));
        events.push((now, tick(now)));
    }
    // What was answered at the moment of a scan is told before it; the tick ends its moment.
    events.sort_by_key(|(at, event)| {
        let rank = match event {
            Event::Inflight { .. } => 1,
            Event::Tick { .. } => 2,
            _ => 0,
        };
        (*at, rank)
    });
    events
}

/// The socket that an event speaks of.
pub fn of(event: &Event) -> Option<SocketId> {
    match event {
        Event::Open { socket, .. }
        | Event::Startup { socket, .. }
        | Event::Inflight { socket, .. }
        | Event::Close { socket, .. } => Some(*socket),
        Event::Request(request) => Some(request.socket),
        _ => None,
    }
}
