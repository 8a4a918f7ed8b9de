//! SQL: the text of a `Query` or `Parse` message in, its statements' fingerprints and summaries out.
//!
//! One [`Reader`] remembers what it read, within written bounds; a text that it knows, or that differs from
//! one in literals alone, costs a look-up. Text that does not parse or was cut gets an id and a summary
//! too. No literal ever comes out, and nothing here fails.

mod cache;
mod lexer;
mod masked;
mod readable;
mod recent;
mod statement;
mod summary;
mod tree;
mod unread;
mod utility;

use std::rc::Rc;

pub use self::statement::{Effect, fingerprint};
use self::{
    cache::{Bound, Cache},
    lexer::{Kind, Tokens},
    masked::Masker,
    recent::Recent,
    statement::{Does, Found},
};
use crate::event::{QUERIES, Query};

/// Longest text that is read; what is longer is taken as cut there. Bytes. The parser takes up to
/// three microseconds a byte for the worst that fits in here.
pub const LONGEST_TEXT: usize = 8 << 10;
/// Texts that are remembered, in each of two generations.
const TEXTS: Bound = Bound { entries: 4096, bytes: 4 << 20 };
/// Queries of which there is one copy, in each of two generations.
const SHARED: Bound = Bound { entries: QUERIES, bytes: 8 << 20 };

/// What a text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its statements in their order; empty for a text without any, as a comment.
    pub statements: Vec<Spoken>,
    /// The text goes on: the last statement is known in part, and others may follow it.
    pub cut: bool,
}

impl Script {
    /// A query that is known already, as a text of its own.
    pub fn of(query: Rc<Query>) -> Self {
        Self { statements: vec![Spoken { query, effect: Effect::None }], cut: false }
    }
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Which query.
    pub query: Rc<Query>,
    /// What it does to prepared statements.
    pub effect: Effect,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Texts that went through the parser.
    pub parsed: u64,
    /// Of these, the ones that do not parse, or were cut.
    pub unread: u64,
    /// Texts and queries that were forgotten to make room.
    pub evicted: u64,
}

/// Reads texts.
pub struct Reader {
    recent: Recent,
    whole: Cache<Box<[u8]>, Rc<Script>>,
    cut: Cache<Box<[u8]>, Rc<Script>>,
    /// By the text without its literals.
    masked: Cache<Box<[u8]>, Rc<Script>>,
    masker: Masker,
    queries: Cache<u64, Rc<Query>>,
    books: Books,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        Self {
            recent: Recent::default(),
            whole: Cache::new(TEXTS),
            cut: Cache::new(TEXTS),
            masked: Cache::new(TEXTS),
            masker: Masker::default(),
            queries: Cache::new(SHARED),
            books: Books::default(),
        }
    }

    /// Statements of the text of one `Query` or `Parse` message, in their order. `cut`: the text goes on,
    /// but was not captured.
    pub fn read(&mut self, text: &[u8], cut: bool) -> Rc<Script> {
        let (text, cut) = match text.get(..LONGEST_TEXT) {
            Some(head) if text.len() > LONGEST_TEXT => (head, true),
            _ => (text, cut),
        };
        if cut {
            return self.read_cut(text);
        }
        if let Some(script) = self.recent.get(text) {
            return script;
        }
        if let Some(script) = self.whole.get(text) {
            self.recent.put(text, &[], &script);
            return script;
        }
        let Some((key, literals)) = self.masker.key(text) else {
            let script = self.parse(text, false);
            remember(&mut self.whole, text.into(), &script);
            return script;
        };
        if let Some(script) = self.masked.get(key) {
            self.recent.put(text, literals, &script);
            return script;
        }
        let key: Box<[u8]> = key.into();
        let script = self.parse(text, false);
        remember(&mut self.masked, key, &script);
        script
    }

    fn read_cut(&mut self, text: &[u8]) -> Rc<Script> {
        if let Some(script) = self.cut.get(text) {
            return script;
        }
        let script = self.parse(text, true);
        remember(&mut self.cut, text.into(), &script);
        script
    }

    /// What was counted.
    pub fn books(&self) -> Books {
        let evicted = [&self.whole, &self.cut, &self.masked].map(Cache::evicted).iter().sum::<u64>()
            + self.queries.evicted();
        Books { evicted, ..self.books }
    }

    fn parse(&mut self, text: &[u8], cut: bool) -> Rc<Script> {
        self.books.parsed += 1;
        // The server takes the text up to its first NUL.
        let end = text.iter().position(|byte| *byte == 0);
        let (text, cut) = end.and_then(|end| text.get(..end)).map_or((text, cut), |head| (head, false));
        let found = if cut { self.parse_cut(text) } else { self.parse_whole(text) };
        let statements = found.into_iter().map(|found| self.share(found)).collect();
        Rc::new(Script { statements, cut })
    }

    fn parse_whole(&mut self, text: &[u8]) -> Vec<Found> {
        if !speaks(text) {
            return Vec::new();
        }
        let readable = readable::readable(text);
        if let Some(statements) = readable.and_then(|text| statement::statements(&text)) {
            return statements;
        }
        self.books.unread += 1;
        vec![unread::statement(text, false)]
    }

    /// Statements that end before the cut are whole.
    fn parse_cut(&mut self, text: &[u8]) -> Vec<Found> {
        self.books.unread += 1;
        let ends =
            Tokens::spoken(text).filter(|token| token.kind == Kind::Sign(b';')).map(|token| token.end());
        let (head, tail) = text.split_at_checked(ends.last().unwrap_or(0)).unwrap_or((b"", text));
        let readable = if speaks(head) { readable::readable(head) } else { None };
        let Some(mut found) = readable.and_then(|text| statement::statements(&text)) else {
            let unread = if speaks(head) { text } else { tail };
            return if speaks(text) { vec![unread::statement(unread, true)] } else { Vec::new() };
        };
        if speaks(tail) {
            found.push(unread::statement(tail, true));
        }
        found
    }

    /// One copy of a query, the first that was met: an id has one summary.
    fn share(&mut self, found: Found) -> Spoken {
        let query = self.one(found.query);
        let effect = match (found.does, found.prepares) {
            (Does::Prepare(name), Some(prepared)) => Effect::Prepare { name, query: self.one(prepared) },
            (Does::Execute(name), _) => Effect::Execute { name },
            // Of a name that stands for something unknown, nothing may be said.
            (Does::Prepare(name) | Does::Deallocate(name), _) => Effect::Deallocate { name },
            (Does::DeallocateAll, _) => Effect::DeallocateAll,
            (Does::Nothing, _) => Effect::None,
        };
        Spoken { query, effect }
    }

    fn one(&mut self, query: Query) -> Rc<Query> {
        let id = query.id.0;
        if let Some(known) = self.queries.get(&id) {
            return known;
        }
        let weight = size_of::<Query>() + query.summary.len() + query.operation.len();
        let query = Rc::new(query);
        self.queries.put(id, Rc::clone(&query), weight);
        query
    }
}

/// Whether there is a statement at all.
fn speaks(text: &[u8]) -> bool {
    Tokens::spoken(text).any(|token| token.kind != Kind::Sign(b';'))
}

fn remember(texts: &mut Cache<Box<[u8]>, Rc<Script>>, key: Box<[u8]>, script: &Rc<Script>) {
    let statement = |spoken: &Spoken| size_of::<Spoken>() + size_of::<Query>() + spoken.query.summary.len();
    let weight = key.len() + size_of::<Script>() + script.statements.iter().map(statement).sum::<usize>();
    texts.put(key, Rc::clone(script), weight);
}

#[cfg(test)]
mod tests;
