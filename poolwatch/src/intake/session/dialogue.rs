//! One connection's dialogue: what the client said, and which statement each answer ends.
//!
//! In come what was said (whole messages, Executes) and what was answered, each with its request's number
//! and its place in it; out go [`Statement`]s. Whatever cannot be paired is a statement of an unknown
//! query, never another one's.

use std::rc::Rc;

use poolwatch_ebpf::wire::{UNNAMED, name_hash};

use super::{
    asked::{Asked, One},
    portals::{Binding, Portals, Suspended},
    prepared::Prepared,
    room::Room,
};
use crate::{
    event::{Outcome, Query, SocketId, SqlState, Statement, Time},
    postgres::{
        names::{self, Closed, Text},
        sql::{Effect, Reader, Script},
        tag,
    },
};

/// Room of all sessions together, and what they share.
pub struct Shared {
    /// Reads texts.
    pub reader: Reader,
    /// Room for named statements.
    pub names: Room,
    /// Room for statements in flight.
    pub asked: Room,
    /// Named statements that were forgotten to make room.
    pub forgotten: u64,
    /// Statements in flight for which there was no room.
    pub refused: u64,
}

/// A message of the client, as far as it was told.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its request.
    pub request: u32,
    /// `Execute` messages before it.
    pub nth: u32,
    /// Type byte.
    pub letter: u8,
    /// Its body, maybe cut.
    pub body: &'a [u8],
    /// When it was told.
    pub at: Time,
}

/// How one statement ended, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Its request.
    pub request: u32,
    /// Statements of the request that ended before.
    pub nth: u32,
    /// When.
    pub at: Time,
    /// First byte of the request.
    pub started: Option<Time>,
    /// `DataRow`s for it.
    pub rows: u32,
    /// `C`, `I`, `s` or `E`.
    pub outcome: u8,
    /// Its error.
    pub sqlstate: Option<SqlState>,
    /// Its command tag, NUL-padded.
    pub tag: &'a [u8],
    /// `Execute`s of its request, where that is known by now.
    pub executes: Option<u32>,
}

/// The dialogue.
#[derive(Debug, Default)]
pub struct Dialogue {
    prepared: Prepared,
    portals: Portals,
    asked: Asked,
    /// When the last statement of a request ended.
    last: Option<(u32, Time)>,
    /// The longest statement of a request so far.
    longest: Option<(u32, Time, Option<Rc<Query>>)>,
    /// Statements that ended, for whoever asks next.
    ended: Vec<(Option<Rc<Query>>, Statement)>,
}

impl Dialogue {
    /// Messages were not told: what names mean is not known any more.
    pub fn lose_names(&mut self, shared: &mut Shared) {
        self.prepared.close_all(&mut shared.names);
        self.portals.forget_names();
    }

    /// The connection is over.
    pub fn close(&mut self, shared: &mut Shared) {
        self.lose_names(shared);
        self.asked.clear(&mut shared.asked);
    }

    /// A message was sent.
    pub fn said(&mut self, socket: SocketId, said: &Said<'_>, shared: &mut Shared) {
        let unreadable = || Text { bytes: &[], cut: true };
        match said.letter {
            b'Q' => {
                let text = names::query(said.body);
                let script = shared.reader.read(text.bytes, text.cut);
                if !self.asked.script(said.request, script, &mut shared.asked) {
                    shared.refused += 1;
                }
            }
            b'P' => {
                let (name, text) = names::parse(said.body).unwrap_or_else(|| (said.body, unreadable()));
                let text = shared.reader.read(text.bytes, text.cut);
                if !self.asked.parse(said.request, said.nth, Rc::clone(&text), &mut shared.asked) {
                    shared.refused += 1;
                }
                shared.forgotten += self.prepared.define(name_hash(name), Some(text), &mut shared.names);
            }
            b'B' => self.bind(socket, said),
            b'E' => {
                let portal = names::execute(said.body).unwrap_or(said.body);
                let binding = self.portals.binding(name_hash(portal));
                self.execute(said.request, said.nth, binding, shared);
            }
            b'C' => match names::close(said.body) {
                Some(Closed::Statement(name)) => self.prepared.close(name_hash(name), &mut shared.names),
                Some(Closed::Portal(name)) => {
                    let dropped = self.portals.close(name_hash(name));
                    self.drop_suspended(socket, dropped, said.at, Outcome::Completed);
                }
                None => self.lose_names(shared),
            },
            _ => {}
        }
    }

    fn bind(&mut self, socket: SocketId, said: &Said<'_>) {
        let Some((portal, statement)) = names::bind(said.body) else {
            // Names longer than any server takes.
            self.portals.forget_names();
            return;
        };
        // The kernel side keeps the unnamed portal's statement, but for this one.
        if !portal.is_empty() {
            self.portals.forget_unnamed();
        }
        let text = self.prepared.text(name_hash(statement));
        let (_, dropped) = self.portals.bind(name_hash(portal), text);
        self.drop_suspended(socket, dropped, said.at, Outcome::Completed);
    }

    /// An Execute of the unnamed portal was sent; `statement` is 0 where only the portal tells.
    pub fn executed(
        &mut self,
        socket: SocketId,
        (request, nth): (u32, u32),
        (statement, bound): (u64, bool),
        at: Time,
        shared: &mut Shared,
    ) {
        let binding = if bound && statement != 0 {
            let (binding, dropped) = self.portals.bind(UNNAMED, self.prepared.text(statement));
            self.drop_suspended(socket, dropped, at, Outcome::Completed);
            binding
        } else {
            self.portals.binding(UNNAMED)
        };
        self.execute(request, nth, binding, shared);
    }

    fn execute(&mut self, request: u32, nth: u32, binding: Binding, shared: &mut Shared) {
        if !self.asked.execute(request, nth, binding, &mut shared.asked) {
            shared.refused += 1;
        }
    }

    /// A statement ended.
    pub fn ended(&mut self, socket: SocketId, ended: &Ended<'_>, shared: &mut Shared) {
        let began = match self.last {
            Some((request, at)) if request == ended.request && ended.nth > 0 => Some(at),
            _ => ended.started,
        };
        self.last = Some((ended.request, ended.at));
        let took = began.map(|began| ended.at.saturating_sub(began));
        let one = self.asked.find(ended.request, ended.nth);
        self.asked.answered_before(ended.request, ended.nth, &mut shared.asked);
        let rows = tag::rows(ended.tag).unwrap_or_else(|| u64::from(ended.rows));
        let mut statement = Suspended { query: None, took, rows, resumed: 0 };
        let mut again = false;
        match one {
            Some(One::OfScript(script, place)) => self.run(&script, place, ended, &mut statement, shared),
            Some(One::OfBinding(number, text)) => {
                if let Some(script) = text {
                    self.run(&script, 0, ended, &mut statement, shared);
                }
                if let Some(before) = self.portals.resume(number) {
                    statement.took = before.took.zip(took).map(|(before, now)| before.saturating_add(now));
                    statement.rows = statement.rows.saturating_add(before.rows);
                    statement.resumed = before.resumed.saturating_add(1);
                }
                if ended.outcome == b's' {
                    self.note_longest(ended.request, took, statement.query.as_ref());
                    let over = self.portals.suspend(number, statement);
                    self.drop_suspended(socket, over, ended.at, Outcome::Completed);
                    return;
                }
                if ended.outcome != b'E' && self.portals.finish(number) {
                    again = true;
                    statement.resumed = 1;
                }
            }
            None if ended.outcome == b'E' && !self.blame(ended, &mut statement) => return,
            None => {}
        }
        self.note_longest(ended.request, took, statement.query.as_ref());
        let outcome = match ended.outcome {
            b'E' => Outcome::Failed,
            _ if again => Outcome::Continued,
            _ => Outcome::Completed,
        };
        self.tell(
            socket,
            statement,
            ended.at,
            outcome,
            ended.sqlstate.filter(|_| outcome == Outcome::Failed),
        );
    }

    /// One statement of a text ended.
    fn run(
        &mut self,
        script: &Script,
        place: usize,
        ended: &Ended<'_>,
        of: &mut Suspended,
        shared: &mut Shared,
    ) {
        let Some(spoken) = script.statements.get(place) else { return };
        of.query = Some(Rc::clone(&spoken.query));
        if ended.outcome == b'C' {
            self.take_effect(&spoken.effect, &mut of.query, shared);
        }
    }

    /// An error before or behind all Executes: the former is a Parse's, the latter nobody's.
    fn blame(&self, ended: &Ended<'_>, statement: &mut Suspended) -> bool {
        match (ended.executes, self.asked.parsed(ended.request)) {
            (Some(0), Some(text)) => {
                statement.query = text.statements.first().map(|spoken| Rc::clone(&spoken.query));
                true
            }
            // A Query or an Execute that was not told.
            (Some(executes), _) => executes > ended.nth,
            (None, _) => true,
        }
    }

    /// What a statement does to names, and which query an `EXECUTE` runs.
    fn take_effect(&mut self, effect: &Effect, query: &mut Option<Rc<Query>>, shared: &mut Shared) {
        match effect {
            Effect::None => {}
            Effect::Prepare { name, query } => {
                let text = Some(Rc::new(Script::of(Rc::clone(query))));
                shared.forgotten += self.prepared.define(name_hash(name), text, &mut shared.names);
            }
            Effect::Execute { name } => {
                let text = self.prepared.text(name_hash(name));
                *query = text.and_then(|text| text.statements.first().map(|spoken| Rc::clone(&spoken.query)));
            }
            Effect::Deallocate { name } => self.prepared.close(name_hash(name), &mut shared.names),
            Effect::DeallocateAll => self.prepared.close_all(&mut shared.names),
        }
    }

    /// A request was answered: nothing up to it is in flight any more. Says which query's statement took
    /// longest in it.
    pub fn answered(
        &mut self,
        socket: SocketId,
        request: u32,
        at: Time,
        transaction_over: Option<Outcome>,
        shared: &mut Shared,
    ) -> Option<Rc<Query>> {
        self.asked.answered(request, &mut shared.asked);
        if let Some(outcome) = transaction_over {
            for suspended in self.portals.end_transaction() {
                self.drop_suspended(socket, Some(suspended), at, outcome);
            }
        }
        let longest = self.longest.take().filter(|(of, ..)| *of == request);
        longest.and_then(|(_, _, query)| query)
    }

    /// Statements that ended since the last call, with their queries.
    pub fn take(&mut self) -> impl Iterator<Item = (Option<Rc<Query>>, Statement)> + '_ {
        self.ended.drain(..)
    }

    fn note_longest(&mut self, request: u32, took: Option<Time>, query: Option<&Rc<Query>>) {
        let took = took.unwrap_or(0);
        if !self.longest.as_ref().is_some_and(|(of, longest, _)| *of == request && *longest >= took) {
            self.longest = Some((request, took, query.cloned()));
        }
    }

    fn drop_suspended(&mut self, socket: SocketId, dropped: Option<Suspended>, at: Time, outcome: Outcome) {
        if let Some(statement) = dropped {
            self.tell(socket, statement, at, outcome, None);
        }
    }

    fn tell(
        &mut self,
        socket: SocketId,
        statement: Suspended,
        ended: Time,
        outcome: Outcome,
        sqlstate: Option<SqlState>,
    ) {
        let Suspended { query, took, rows, resumed } = statement;
        let id = query.as_ref().map(|query| query.id);
        self.ended.push((
            query,
            Statement { socket, pid: 0, query: id, ended, took, rows, outcome, resumed, sqlstate },
        ));
    }
}
