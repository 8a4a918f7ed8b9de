//! Which statements each connection had executed: what its client said, joined to what it was answered.
//!
//! In come the kernel side's records in the order of the ring; out go [`Event::Query`] once per query and
//! [`Event::Statement`] per statement that ended. Texts end here: nothing of them goes on but summaries.

mod asked;
mod dialogue;
mod portals;
mod prepared;
mod room;
mod said;
#[cfg(test)]
mod tests;
mod told;

use std::{borrow::Cow, collections::hash_map::Entry};

use poolwatch_ebpf::wire::{
    BOUND, Execute, Header, Message, Request as RequestRecord, Statement as StatementRecord, flags,
};

use self::{
    dialogue::{Dialogue, Ended, Said, Shared},
    room::Room,
    said::Assembly,
    told::Told,
};
use crate::{
    event::{Event, HashMap, Outcome, Request, RequestKind, SocketId, SqlState, Transaction},
    postgres::{sql::Reader, tag},
};

/// Connections with a dialogue at once; the statements of further ones are of unknown queries.
const DIALOGUES: usize = 65_536;
/// Named statements of all connections at once.
const NAMES: usize = 262_144;
/// Runs of statements in flight of all connections at once.
const ASKED: usize = 262_144;

/// All connections' dialogues.
pub struct Sessions {
    dialogues: HashMap<SocketId, Session>,
    shared: Shared,
    told: Told,
    strangers: u64,
}

#[derive(Debug, Default)]
struct Session {
    dialogue: Dialogue,
    assembly: Assembly,
    /// First word of the tag of a request's first statement.
    operation: Option<(u32, Cow<'static, str>)>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl Sessions {
    /// Knows no connection.
    pub fn new() -> Self {
        let shared = Shared {
            reader: Reader::new(),
            names: Room::new(NAMES),
            asked: Room::new(ASKED),
            forgotten: 0,
            refused: 0,
        };
        Self { dialogues: HashMap::default(), shared, told: Told::default(), strangers: 0 }
    }

    /// A piece of a message was sent.
    pub fn message(&mut self, record: &Message, piece: &[u8], tell: &mut impl FnMut(Event)) {
        let socket = SocketId(record.header.socket);
        let Some((session, shared, told)) = self.session(&record.header) else { return };
        let Some(body) = session.assembly.add(record, piece) else { return };
        let said = Said {
            request: record.request,
            nth: record.nth,
            letter: record.letter,
            body,
            at: record.header.time,
        };
        session.dialogue.said(socket, &said, shared);
        told.tell(&mut session.dialogue, record.header.pid, tell);
    }

    /// An Execute of the unnamed portal was sent.
    pub fn execute(&mut self, record: &Execute, tell: &mut impl FnMut(Event)) {
        let socket = SocketId(record.header.socket);
        let Some((session, shared, told)) = self.session(&record.header) else { return };
        let what = (record.statement, record.flags & BOUND != 0);
        session.dialogue.executed(socket, (record.request, record.nth), what, record.header.time, shared);
        told.tell(&mut session.dialogue, record.header.pid, tell);
    }

    /// A statement ended that is not its request's last one.
    pub fn statement(&mut self, record: &StatementRecord, tell: &mut impl FnMut(Event)) {
        let socket = SocketId(record.header.socket);
        let Some((session, shared, told)) = self.session(&record.header) else { return };
        if record.nth == 0 {
            session.operation = Some((record.request, tag::kept_operation(&record.tag)));
        }
        let ended = Ended {
            request: record.request,
            nth: record.nth,
            at: record.header.time,
            started: (record.started != 0).then_some(record.started),
            rows: record.rows,
            outcome: record.outcome,
            sqlstate: SqlState::new(record.sqlstate),
            tag: &record.tag,
            executes: None,
        };
        session.dialogue.ended(socket, &ended, shared);
        told.tell(&mut session.dialogue, record.header.pid, tell);
    }

    /// A request was answered: tells its last statement, and completes it by its longest one's query.
    pub fn request(&mut self, record: &RequestRecord, request: &mut Request, tell: &mut impl FnMut(Event)) {
        let socket = request.socket;
        let Some((session, shared, told)) = self.session(&record.header) else { return };
        let nth = record.executes.saturating_sub(1);
        if record.executed != 0 {
            let what = (record.statement, u32::from(record.bound) & BOUND != 0);
            session.dialogue.executed(socket, (record.request, nth), what, request.ended, shared);
        }
        if let Some((of, operation)) = session.operation.take()
            && of == record.request
            && record.outcomes > 1
        {
            request.operation = operation;
        }
        let statements = matches!(request.kind, RequestKind::Query | RequestKind::Sync);
        if record.outcome != 0 && statements && record.flags & flags::MERGED == 0 {
            let seen = record.flags & flags::NO_START == 0;
            let ended = Ended {
                request: record.request,
                // Whatever was asked for stands somewhere else than there.
                nth: if seen { record.outcomes.saturating_sub(1) } else { u32::MAX },
                at: record.outcome_at.min(request.ended),
                started: request.started,
                rows: record.last_rows,
                outcome: record.outcome,
                sqlstate: request.sqlstate,
                tag: &record.tag,
                executes: (request.kind == RequestKind::Sync).then_some(record.executes),
            };
            session.dialogue.ended(socket, &ended, shared);
        }
        let over = (request.transaction == Transaction::Idle).then(|| {
            let rolled_back = request.errors > 0 || record.tag.starts_with(b"ROLLBACK\0");
            if rolled_back { Outcome::Failed } else { Outcome::Completed }
        });
        let last = record.request.wrapping_add(record.merged.max(1) - 1);
        if record.flags & flags::NO_START != 0 {
            told.tell(&mut session.dialogue, record.header.pid, tell);
            return;
        }
        let longest = session.dialogue.answered(socket, last, request.ended, over, shared);
        told.tell(&mut session.dialogue, record.header.pid, tell);
        if let Some(query) = longest {
            request.query = Some(query.id);
            told.introduce(&query, tell);
        }
    }

    /// A connection ended.
    pub fn close(&mut self, socket: SocketId) {
        if let Some(mut session) = self.dialogues.remove(&socket) {
            session.dialogue.close(&mut self.shared);
        }
    }

    fn session(&mut self, header: &Header) -> Option<(&mut Session, &mut Shared, &mut Told)> {
        let full = self.dialogues.len() >= DIALOGUES;
        let session = match self.dialogues.entry(SocketId(header.socket)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => {
                self.strangers += 1;
                return None;
            }
            Entry::Vacant(new) => new.insert(Session::default()),
        };
        if header.unheard > 0 {
            session.assembly.forget();
            session.dialogue.lose_names(&mut self.shared);
        }
        Some((session, &mut self.shared, &mut self.told))
    }

    /// What could not be remembered, by the places of `poolwatch_events_lost_total`.
    pub fn lost(&self) -> [(&'static str, u64); 3] {
        [
            ("statement_names", self.shared.forgotten),
            ("statements_in_flight", self.shared.refused),
            ("dialogues", self.strangers),
        ]
    }
}
