//! One connection: who holds it, where it leads, who it says it is, and its state.
//!
//! The state is private and changes by named moves alone; each move returns what it did, so that leases
//! and pools follow it without looking inside. Moves accept any order of news and never go back in time.

use super::labels::Place;
use crate::event::{ProcessId, Request, Time};

/// Who a connection said it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Its startup was not seen, or was cut.
    Unidentified,
    /// It named a database and a user.
    Named {
        /// Database.
        database: String,
        /// User.
        user: String,
    },
    /// A replication connection, never part of a pool.
    Replication,
}

/// A connection's state as pools count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Before its first `ReadyForQuery`.
    Opening,
    /// Not established.
    Unknown,
    /// Not used.
    Idle,
    /// A request is in flight.
    Used,
    /// Used, but only because a transaction is open.
    IdleInTransaction,
}

/// The beginning of a stretch of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// When, never before the end of the stretch before it.
    pub at: Time,
    /// When the request was sent: earlier than `at` when it was pipelined.
    pub sent: Time,
    /// `at` is surely the beginning: the connection was known to be idle before.
    pub sure: bool,
}

/// The end of a stretch of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Since when the pool counted the connection as used.
    pub begun: Time,
    /// When.
    pub at: Time,
    /// The use ended here; else only the knowledge of it did.
    pub sure: bool,
}

/// What a move did: a beginning comes before an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Standing before.
    pub from: Standing,
    /// Standing now.
    pub to: Standing,
    /// Use began.
    pub began: Option<Begin>,
    /// Use ended.
    pub ended: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Opening,
    Unknown,
    Idle,
    Used(Use),
}

#[derive(Clone, Copy, Debug)]
struct Use {
    from: Time,
    /// A request known by a scan, without answer yet: its first byte.
    inflight: Option<Time>,
    transaction: bool,
}

/// The newest answered request; a startup is sent when it is answered, since it is no use.
#[derive(Clone, Copy, Debug)]
struct Answered {
    sent: Time,
    ended: Time,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Who holds it.
    pub process: ProcessId,
    /// Where it leads.
    pub server: Place,
    /// Who it said it is.
    pub identity: Identity,
    /// What hides it: `tls`, `gss` or `other`.
    pub hidden: Option<&'static str>,
    /// `connect()` or the `StartupMessage`, where seen.
    pub connected: Option<Time>,
    /// When it came to be, as far as that was seen.
    pub born: Time,
    state: State,
    answered: Option<Answered>,
    /// All use before this moment is accounted for.
    clear: Time,
}

impl Connection {
    /// A connection whose startup is under way.
    pub fn opening(process: ProcessId, server: Place, at: Time, connected: Option<Time>) -> Self {
        Self::new(process, server, connected.unwrap_or(at).min(at), connected, State::Opening)
    }

    /// A connection that is older than the agent.
    pub fn midstream(process: ProcessId, server: Place, at: Time) -> Self {
        Self::new(process, server, at, None, State::Unknown)
    }

    fn new(process: ProcessId, server: Place, born: Time, connected: Option<Time>, state: State) -> Self {
        let (identity, hidden, answered) = (Identity::Unidentified, None, None);
        Self { process, server, identity, hidden, connected, born, state, answered, clear: born }
    }

    /// How it stands.
    pub const fn standing(&self) -> Standing {
        match self.state {
            State::Opening => Standing::Opening,
            State::Unknown => Standing::Unknown,
            State::Idle => Standing::Idle,
            State::Used(Use { inflight: None, transaction: true, .. }) => Standing::IdleInTransaction,
            State::Used(_) => Standing::Used,
        }
    }

    /// It was answered before that moment, if it was asked anything but to begin, and nothing is known of it since.
    pub fn is_idle_since(&self, before: Time) -> bool {
        let begun = |answered: Answered| answered.sent == answered.ended;
        let calm = |answered: Answered| answered.ended <= before || begun(answered);
        matches!(self.state, State::Idle) && self.answered.is_none_or(calm)
    }

    /// Since when its pool counts it as used.
    pub const fn used_from(&self) -> Option<Time> {
        match self.state {
            State::Used(used) => Some(used.from),
            _ => None,
        }
    }

    /// No `ReadyForQuery` was seen.
    pub const fn is_new(&self) -> bool {
        self.answered.is_none()
    }

    /// Its state cannot be known until the next answer: until the loss was noticed it stands as told last,
    /// in gauges and integrals alike.
    pub fn lose(&mut self, at: Time) -> Moved {
        self.stop(at, false)
    }

    /// It ended; `seen` = at this very moment.
    pub fn end(&mut self, at: Time, seen: bool) -> Moved {
        self.stop(at, seen)
    }

    fn stop(&mut self, at: Time, sure: bool) -> Moved {
        let from = self.standing();
        let ended = match self.state {
            State::Used(used) => Some(self.clear_until(used.from, at, sure)),
            _ => None,
        };
        self.state = State::Unknown;
        Moved { from, to: Standing::Unknown, began: None, ended }
    }

    /// A scan found a request without answer, sent at `since`.
    pub fn send(&mut self, since: Time) -> Moved {
        let from = self.standing();
        let mut began = None;
        let fresh = self.answered.is_some_and(|answered| since > answered.sent);
        match self.state {
            State::Idle if fresh => {
                let at = since.max(self.clear);
                began = Some(Begin { at, sent: since, sure: true });
                self.state = State::Used(Use { from: at, inflight: Some(since), transaction: false });
            }
            State::Used(used) if fresh => {
                self.state = State::Used(Use { inflight: Some(since), ..used });
            }
            _ => {}
        }
        Moved { from, to: self.standing(), began, ended: None }
    }

    /// Its startup was answered: what went before was no use.
    pub fn ready(&mut self, request: &Request) -> Moved {
        let from = self.standing();
        let mut began = None;
        if matches!(self.state, State::Opening | State::Unknown) {
            self.note(request.ended, request.ended);
            self.clear = self.clear.max(request.ended);
            self.state = State::Idle;
            if request.transaction.is_open() {
                began = Some(Begin { at: self.clear, sent: self.clear, sure: true });
                self.state = State::Used(Use { from: self.clear, inflight: None, transaction: true });
            }
        }
        Moved { from, to: self.standing(), began, ended: None }
    }

    /// A request was answered. One that is older than the newest answer changes nothing.
    pub fn answer(&mut self, request: &Request) -> Moved {
        let from = self.standing();
        if self.answered.is_some_and(|answered| request.ended < answered.ended) {
            return Moved { from, to: from, began: None, ended: None };
        }
        let sent = request.started.or(request.first_byte).unwrap_or(request.ended).min(request.ended);
        self.note(sent, request.ended);
        let (mut used, began) = self.using(sent, request.started.is_some());
        used.inflight = used.inflight.filter(|since| *since > sent);
        used.transaction = request.transaction.is_open();
        let mut ended = None;
        self.state = State::Used(used);
        if used.inflight.is_none() && !used.transaction {
            ended = Some(self.clear_until(used.from, request.ended, true));
            self.state = State::Idle;
        }
        Moved { from, to: self.standing(), began, ended }
    }

    /// It goes from one pool to another; returns from when till when it was used in the first.
    pub fn hand(&mut self, at: Time) -> Option<End> {
        let State::Used(used) = &mut self.state else { return None };
        let end = End { begun: used.from, at: at.max(used.from), sure: false };
        used.from = end.at;
        Some(end)
    }

    /// The use that goes on, or one that began when the request was sent.
    fn using(&self, sent: Time, start_seen: bool) -> (Use, Option<Begin>) {
        if let State::Used(used) = self.state {
            return (used, None);
        }
        let at = sent.max(self.clear);
        let sure = start_seen && matches!(self.state, State::Idle);
        (Use { from: at, inflight: None, transaction: false }, Some(Begin { at, sent, sure }))
    }

    fn clear_until(&mut self, begun: Time, at: Time, sure: bool) -> End {
        let at = at.max(begun);
        self.clear = self.clear.max(at);
        End { begun, at, sure }
    }

    fn note(&mut self, sent: Time, ended: Time) {
        self.answered = Some(Answered { sent, ended });
    }
}
