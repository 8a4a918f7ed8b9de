//! Text that was cut, or that does not parse, in; what can still be said of it out.
//!
//! It is read word by word, up to the first place where a literal might begin or end elsewhere than it
//! seems: nothing behind that is said, and nothing but keywords, names without quotes and signs is looked
//! at before it. The ids made here come from another hash than fingerprints, with a seed of its own.

use super::{
    lexer::{Kind, Token, Tokens},
    statement::{Does, Found},
    summary::Summary,
};
use crate::event::{Query, QueryId};

/// Words with which a command tag may begin, and the operation that they name.
#[rustfmt::skip]
const OPERATIONS: [&str; 47] = [
    "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "COPY",
    "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "EXECUTE", "EXPLAIN", "FETCH",
    "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PREPARE",
    "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY",
    "SELECT", "SET", "SHOW", "START", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM",
];
/// Words that begin a statement of another tag.
const SYNONYMS: [(&str, &str); 6] = [
    ("ABORT", "ROLLBACK"),
    ("ANALYSE", "ANALYZE"),
    ("END", "COMMIT"),
    ("TABLE", "SELECT"),
    ("VALUES", "SELECT"),
    ("WITH", "SELECT"),
];
/// What is said when even the operation is unknown.
const UNREADABLE: &str = "_OTHER";
/// Words behind which a relation's name stands.
const BEFORE_NAMES: [&[u8]; 5] = [b"from", b"join", b"into", b"update", b"table"];
/// Words that stand there too, and are no names.
#[rustfmt::skip]
const NO_NAMES: [&[u8]; 22] = [
    b"as", b"by", b"case", b"concurrently", b"distinct", b"exists", b"for", b"from", b"if", b"lateral",
    b"not", b"nowait", b"null", b"of", b"only", b"rows", b"select", b"set", b"skip", b"values", b"where",
    b"with",
];
/// Words in whose brackets `FROM` names no relation.
const OTHER_FROM: [&[u8]; 5] = [b"extract", b"overlay", b"position", b"substring", b"trim"];
/// Tokens that an id is made from.
const HASHED: usize = 256;
/// Depth of brackets that is followed.
const DEPTH: usize = 64;

/// What can be said of one statement.
pub fn statement(text: &[u8], cut: bool) -> Found {
    let operation = operation(text, cut).unwrap_or(UNREADABLE);
    let named = prepared_name(text);
    let prepares = match named {
        Some((Names::Prepare, _)) => {
            behind_as(text).and_then(|at| text.get(at..)).map(|text| query(text, cut))
        }
        _ => None,
    };
    let does = match (named, &prepares) {
        (Some((Names::Prepare, name)), Some(_)) => Does::Prepare(kept(name)),
        (Some((Names::Execute, name)), _) => Does::Execute(kept(name)),
        _ => Does::Nothing,
    };
    Found { query: described(text, cut, operation), prepares, does }
}

fn query(text: &[u8], cut: bool) -> Query {
    described(text, cut, operation(text, cut).unwrap_or(UNREADABLE))
}

fn described(text: &[u8], cut: bool, operation: &str) -> Query {
    let mut summary = Summary::default();
    summary.operation(operation);
    if operation != UNREADABLE {
        targets(&mut summary, text, cut);
    }
    let summary = summary.render();
    let id = QueryId(if operation == UNREADABLE { seeded().finish() } else { hash(text, cut, &summary) });
    Query { id, summary, operation: operation.to_owned() }
}

/// Whether it depends on `standard_conforming_strings` where its literals end.
pub fn ambiguous(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"\\'") && Tokens::of(text).any(|token| token.ambiguous())
}

/// The tokens that were captured whole: of a cut text, the last one may go on.
fn whole(text: &[u8], cut: bool) -> impl Iterator<Item = Token<'_>> + Clone {
    Tokens::spoken(text).take_while(move |token| !token.open && (!cut || token.end() < text.len()))
}

fn operation(text: &[u8], cut: bool) -> Option<&'static str> {
    let mut words = whole(text, cut).skip_while(|token| matches!(token.kind, Kind::Sign(b'(' | b';')));
    let first = words.next().filter(|token| token.kind == Kind::Word)?;
    if first.is(b"with") {
        return Some(main_operation(words));
    }
    let known = OPERATIONS.iter().map(|word| (*word, *word)).chain(SYNONYMS);
    known.into_iter().find(|(word, _)| first.is(word.as_bytes())).map(|found| found.1)
}

/// Behind `WITH` and its brackets.
fn main_operation<'a>(tokens: impl Iterator<Item = Token<'a>>) -> &'static str {
    let mut depth = 0_usize;
    for token in tokens {
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                let main = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];
                let found = main.into_iter().find(|word| token.is(word.as_bytes()));
                if let Some(word) = found {
                    return word;
                }
            }
            _ => {}
        }
    }
    "SELECT"
}

/// Before the first place that might be read otherwise: a quote of any sort, a sign of another dialect.
fn certain(text: &[u8], cut: bool) -> impl Iterator<Item = Token<'_>> + Clone {
    whole(text, cut).take_while(|token| {
        // A dollar sign in a word may be a quote that follows a letter too many.
        let quotes = match token.kind {
            Kind::Word => token.text.contains(&b'$'),
            kind => matches!(kind, Kind::String | Kind::Special | Kind::Quoted),
        };
        !quotes && !matches!(token.kind, Kind::Sign(b'$' | b'`' | b'\\' | b'#' | b'@' | b'\'' | b'"'))
    })
}

/// Names without quotes behind the words that names follow.
fn targets(summary: &mut Summary, text: &[u8], cut: bool) {
    let mut expected = false;
    let mut before: &[u8] = b"";
    let mut brackets: Vec<bool> = Vec::new();
    let mut tokens = certain(text, cut).peekable();
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Sign(b'(') if brackets.len() < DEPTH => {
                brackets.push(OTHER_FROM.iter().any(|word| before.eq_ignore_ascii_case(word)));
            }
            Kind::Sign(b')') => {
                brackets.pop();
            }
            Kind::Word if expected && !is_one_of(&token, &NO_NAMES) => {
                let qualifies = tokens.peek().is_some_and(|next| next.kind == Kind::Sign(b'.'));
                // A name's end is only certain where something follows it.
                let ends = !cut || tokens.peek().is_some();
                if !qualifies
                    && ends
                    && let Ok(name) = std::str::from_utf8(token.text)
                {
                    summary.relation(&name.to_lowercase());
                }
                expected = qualifies;
            }
            Kind::Sign(b'.') => {}
            Kind::Word => {
                let names = is_one_of(&token, &BEFORE_NAMES) && brackets.last() != Some(&true);
                expected = (names && !before.eq_ignore_ascii_case(b"distinct"))
                    || (expected && is_one_of(&token, &[b"only", b"lateral", b"if", b"not", b"exists"]));
            }
            _ => expected = false,
        }
        before = token.text;
    }
}

fn is_one_of(token: &Token<'_>, words: &[&[u8]]) -> bool {
    words.iter().any(|word| token.is(word))
}

/// The summary, then words, names and signs with every literal as one mark. Of a text that does not parse, only what comes
/// before a quote; lists of literals count as one, whatever their length; given rows do not count.
fn hash(text: &[u8], cut: bool, summary: &str) -> u64 {
    let mut hash = seeded();
    hash.write(summary.as_bytes());
    let mut marked = false;
    let mut held: Option<Token<'_>> = None;
    let quotes = move |token: &Token<'_>| {
        let quoted = matches!(token.kind, Kind::Quoted | Kind::Special | Kind::String);
        token.ambiguous() || (!cut && quoted)
    };
    let tokens = whole(text, cut).take_while(|token| !quotes(token) && !token.is(b"values"));
    for token in tokens.take(HASHED) {
        let literal = !matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Sign(_));
        if literal && marked {
            held = None;
            continue;
        }
        if let Some(comma) = held.take() {
            hash.write(comma.text);
        }
        if marked && token.kind == Kind::Sign(b',') {
            held = Some(token);
            continue;
        }
        marked = literal;
        match token.kind {
            _ if literal => hash.write(b"?"),
            Kind::Word => hash.write(&token.text.to_ascii_lowercase()),
            _ => hash.write(token.text),
        }
    }
    hash.finish()
}

/// FNV-1a, mixed at the end: the same from run to run, and never `libpg_query`'s.
struct Hash(u64);

const fn seeded() -> Hash {
    Hash(0x706f_6f6c_7761_7463)
}

impl Hash {
    /// Bytes, and that they end.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(b"\0") {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Prepare,
    Execute,
}

/// The name in `PREPARE name …` or `EXECUTE name …`, where something follows that shows its end.
fn prepared_name(text: &[u8]) -> Option<(Names, Token<'_>)> {
    let mut tokens = Tokens::spoken(text).skip_while(|token| token.kind == Kind::Sign(b';'));
    let verb = tokens.next()?;
    let name =
        tokens.next().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted) && !token.open)?;
    let next = tokens.next()?;
    let opens = next.kind == Kind::Sign(b'(');
    if verb.is(b"prepare") && (opens || next.is(b"as")) {
        return Some((Names::Prepare, name));
    }
    (verb.is(b"execute") && opens).then_some((Names::Execute, name))
}

/// Where the query of `PREPARE name (types) AS query` begins.
pub fn behind_as(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for token in Tokens::spoken(text).skip_while(|token| !token.is(b"prepare")).skip(2) {
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && token.is(b"as") => return Some(token.end()),
            _ => {}
        }
    }
    None
}

/// A name as the server keeps it: in lower case unless quoted, and at most 63 bytes.
fn kept(name: Token<'_>) -> Box<[u8]> {
    const LONGEST: usize = 63;
    let bytes = match name.kind {
        Kind::Quoted => {
            let inner = name.text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
            let mut doubled = false;
            let once = inner.unwrap_or(name.text).iter().copied().filter(|byte| {
                doubled = *byte == b'"' && !doubled;
                !doubled
            });
            once.take(LONGEST).collect::<Vec<u8>>()
        }
        _ => name.text.iter().take(LONGEST).map(u8::to_ascii_lowercase).collect(),
    };
    bytes.into()
}
