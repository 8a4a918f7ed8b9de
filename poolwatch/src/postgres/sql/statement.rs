//! Text that parses in, its statements out: each with its fingerprint, its summary and its effect.
//!
//! The only file that calls the parser. The parser's own trouble with a text (too deep for it, too much
//! memory) is the same as a text that does not parse; it never becomes the agent's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_query::{
    FingerprintOptions, Node, NodeEnum,
    protobuf::{DiscardMode, PrepareStmt, RawStmt},
};

use super::{
    lexer::{Kind, Tokens},
    tree::Walk,
    unread, utility,
};
use crate::event::{Query, QueryId};

/// Relations by their names with their schemas, whatever alias they have: with PostgreSQL 18's own rule,
/// `users u` and `orders u` would be one.
const OPTIONS: FingerprintOptions = FingerprintOptions::RANGEVAR_PG17_COMPAT;

/// What a statement does to its session's prepared statements when it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// `PREPARE`: the name now stands for the query.
    Prepare {
        /// As the server keeps it: folded and cut.
        name: Box<[u8]>,
        /// What `EXECUTE` will run.
        query: std::rc::Rc<Query>,
    },
    /// `EXECUTE`: the statement runs what the name stands for.
    Execute {
        /// As the server keeps it.
        name: Box<[u8]>,
    },
    /// `DEALLOCATE`: the name stands for nothing any more.
    Deallocate {
        /// As the server keeps it.
        name: Box<[u8]>,
    },
    /// `DEALLOCATE ALL`, `DISCARD ALL`
    DeallocateAll,
}

/// What is said of one statement, before it is known whether its query is a new one.
pub struct Found {
    /// Its query.
    pub query: Query,
    /// What `PREPARE` prepares.
    pub prepares: Option<Query>,
    /// Everything but [`Effect::Prepare`], whose query is in `prepares`.
    pub does: Does,
}

/// [`Effect`] with the query still apart.
pub enum Does {
    /// See [`Effect::None`].
    Nothing,
    /// See [`Effect::Prepare`].
    Prepare(Box<[u8]>),
    /// See [`Effect::Execute`].
    Execute(Box<[u8]>),
    /// See [`Effect::Deallocate`].
    Deallocate(Box<[u8]>),
    /// See [`Effect::DeallocateAll`].
    DeallocateAll,
}

/// The fingerprint of a text as [`Query::id`] has it; `None` when it does not parse.
pub fn fingerprint(text: &str) -> Option<QueryId> {
    let fingerprint = pg_query::fingerprint(text, 0, OPTIONS).ok()?;
    Some(QueryId(fingerprint.value))
}

/// Its statements; `None` when one of them does not parse.
pub fn statements(text: &str) -> Option<Vec<Found>> {
    // The parser's Rust half looks into the tree as its C half is known to build it; where it is wrong
    // about that, it panics, after the C half is done and left nothing behind.
    let found: Option<Vec<Found>> = match catch_unwind(AssertUnwindSafe(|| pg_query::parse(text, 0))).ok()? {
        Ok(parsed) => parsed.protobuf.stmts.iter().map(|raw| statement(text, raw)).collect(),
        Err(pg_query::Error::Decode(_)) => too_deep(text),
        Err(_) => None,
    };
    let mut found = found?;
    if unread::ambiguous(text.as_bytes()) {
        found.iter_mut().for_each(say_little);
    }
    Some(found)
}

/// What the text says depends on a setting of the server that is not known here.
fn say_little(found: &mut Found) {
    for query in std::iter::once(&mut found.query).chain(&mut found.prepares) {
        query.summary.clone_from(&query.operation);
    }
}

fn statement(text: &str, raw: &RawStmt) -> Option<Found> {
    let text = part(text, raw)?;
    let node = raw.stmt.as_deref()?;
    let query = query(node, text)?;
    let does = does(node.node.as_ref()?);
    let prepares = match &node.node {
        Some(NodeEnum::PrepareStmt(prepare)) => prepared(prepare, text),
        _ => None,
    };
    Some(Found { query, prepares, does })
}

/// The statement's own text: a length of 0 is all of the rest.
fn part<'a>(text: &'a str, raw: &RawStmt) -> Option<&'a str> {
    let rest = text.get(usize::try_from(raw.stmt_location).ok()?..)?;
    let length = usize::try_from(raw.stmt_len).ok()?;
    if length == 0 { Some(rest) } else { rest.get(..length) }
}

fn query(node: &Node, text: &str) -> Option<Query> {
    let id = fingerprint(text)?;
    let operation = utility::operation(node.node.as_ref()?, text);
    let mut walk = Walk::default();
    utility::describe(&mut walk, node, &operation, text);
    Some(Query { id, summary: walk.summary.render(), operation })
}

fn prepared(prepare: &PrepareStmt, text: &str) -> Option<Query> {
    let inner = text.get(unread::behind_as(text.as_bytes())?..)?;
    query(prepare.query.as_deref()?, inner)
}

fn does(node: &NodeEnum) -> Does {
    let name = |name: &str| name.as_bytes().into();
    match node {
        NodeEnum::PrepareStmt(prepare) => Does::Prepare(name(&prepare.name)),
        NodeEnum::ExecuteStmt(execute) => Does::Execute(name(&execute.name)),
        NodeEnum::DeallocateStmt(one) if !one.isall && !one.name.is_empty() => {
            Does::Deallocate(name(&one.name))
        }
        NodeEnum::DeallocateStmt(_) => Does::DeallocateAll,
        NodeEnum::DiscardStmt(discard) if discard.target() == DiscardMode::DiscardAll => Does::DeallocateAll,
        _ => Does::Nothing,
    }
}

/// The tree is deeper than its decoder goes: the fingerprint is known, the summary comes from the words.
fn too_deep(text: &str) -> Option<Vec<Found>> {
    let parts = pg_query::split_with_parser(text).ok()?;
    parts.into_iter().filter(|part| speaks(part)).map(deep).collect()
}

fn speaks(text: &str) -> bool {
    Tokens::spoken(text.as_bytes()).any(|token| token.kind != Kind::Sign(b';'))
}

fn deep(text: &str) -> Option<Found> {
    let mut found = unread::statement(text.as_bytes(), false);
    found.query.id = fingerprint(text)?;
    if let Some(inner) = &mut found.prepares {
        inner.id = fingerprint(text.get(unread::behind_as(text.as_bytes())?..)?)?;
    }
    Some(found)
}
