//! A text in, a key out that texts share only if they differ in plain literals alone, in places where
//! nothing but an expression can stand: there neither fingerprint nor summary depends on their values.
//!
//! It is a filter before the parser and never wrong, so it gives up early: on comments, backslashes,
//! control characters, any other quoting than `'…'`, anything but queries. A literal that stands where it
//! might matter (the type `float(24)`, an array's bounds, a setting) stays in the key as it is.

use std::ops::Range;

use super::lexer::{Kind, Token, Tokens, is_operator, is_space};

/// Statements whose literals are expressions.
const VERBS: [&[u8]; 7] = [b"select", b"insert", b"update", b"delete", b"with", b"execute", b"call"];
/// Reserved words that an expression follows.
#[rustfmt::skip]
const BEFORE: [&[u8]; 12] = [
    b"and", b"between", b"else", b"ilike", b"like", b"limit", b"not", b"offset", b"or", b"select", b"then",
    b"when",
];
/// Words behind which a number in brackets is part of the tree: the grammar makes a type or a precision of
/// it. Elsewhere in queries numbers become constants, but for the bounds of arrays.
#[rustfmt::skip]
const PRECISE: [&[u8]; 5] = [b"current_time", b"current_timestamp", b"float", b"localtime", b"localtimestamp"];
/// Depth of brackets that is followed.
const DEPTH: usize = 32;
/// Longest number that is an integer to the grammar, whatever its digits.
pub const INTEGER: usize = 9;
/// What stands for a number, and for a string: no text with a control character has a key.
const NUMBER: u8 = 1;
const STRING: u8 = 2;

/// One pair of brackets, or the text outside of all.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Its elements are expressions.
    expressions: bool,
    /// Further literals of its list change nothing: the list of `IN`, a row of `VALUES`.
    list: bool,
    /// It is a row of `VALUES`, and begins there in the key.
    row: Option<usize>,
    /// The elements before were literals of this sort, so many, and the key ended there.
    run: Option<(u8, u32, usize)>,
    /// Inside, `VALUES` was said last, or a row of it: the next bracket is a row. Where the row before
    /// stands in the key.
    rows: Option<(usize, usize)>,
}

/// Makes keys, always in the same place.
#[derive(Default)]
pub struct Masker {
    key: Vec<u8>,
    /// The text up to here is in the key, or was left out of it.
    taken: usize,
    groups: Vec<Group>,
    literals: Vec<Range<usize>>,
}

impl Masker {
    /// The key, and where the literals are that it leaves out; `None` when there is none, or no literal to leave out.
    pub fn key(&mut self, text: &[u8]) -> Option<(&[u8], &[Range<usize>])> {
        // Each byte, because that is many at once.
        let strange = text.iter().fold(0, |found, byte| found | u8::from(is_strange(*byte)));
        if strange != 0 {
            return None;
        }
        self.key.clear();
        self.taken = 0;
        self.literals.clear();
        self.groups.clear();
        self.groups.push(Group { expressions: true, ..Group::default() });
        self.mask(text)?.then(|| {
            self.take(text, text.len());
            (self.key.as_slice(), self.literals.as_slice())
        })
    }

    /// Whether a literal was left out; `None` to give up.
    fn mask(&mut self, text: &[u8]) -> Option<bool> {
        let mut before = Token { kind: Kind::Sign(b';'), start: 0, text: b"", open: false };
        let (mut found, mut ended) = (false, false);
        for token in Tokens::of(text) {
            let strings = token.kind == Kind::String && before.kind == Kind::String;
            if token.open || strings || ended || matches!(token.kind, Kind::Comment | Kind::Special) {
                return None;
            }
            if before.text.is_empty() && !VERBS.iter().any(|verb| token.is(verb)) {
                return None;
            }
            ended = token.kind == Kind::Sign(b';');
            match self.literal(&token, &before) {
                Some(mark) => {
                    found = true;
                    self.take(text, token.start);
                    self.taken = token.end();
                    self.literals.push(token.start..token.end());
                    self.leave_out(mark, &before, text);
                }
                None => self.keep(text, &token, &before)?,
            }
            // Field by field: as a whole it would have to wait for its parts.
            (before.kind, before.text) = (token.kind, token.text);
        }
        Some(found)
    }

    /// The text up to there, as it is.
    fn take(&mut self, text: &[u8], end: usize) {
        self.key.extend_from_slice(text.get(self.taken..end).unwrap_or_default());
        self.taken = end;
    }

    fn group(&mut self) -> Option<&mut Group> {
        self.groups.last_mut()
    }

    /// The mark of a literal that may be left out here.
    fn literal(&self, token: &Token<'_>, before: &Token<'_>) -> Option<u8> {
        let mark = match token.kind {
            Kind::Digits if token.text.len() <= INTEGER => NUMBER,
            // Bytes that are not UTF-8 change how the whole text is read.
            Kind::String if std::str::from_utf8(token.text).is_ok() => STRING,
            _ => return None,
        };
        let safe = match before.kind {
            Kind::Sign(b'(' | b',') => self.groups.last().is_some_and(|group| group.expressions),
            Kind::Sign(sign) => is_operator(sign),
            Kind::Word => BEFORE.iter().any(|word| before.is(word)),
            _ => false,
        };
        safe.then_some(mark)
    }

    /// One mark for a literal; a list's third and later ones of a sort have none.
    fn leave_out(&mut self, mark: u8, before: &Token<'_>, text: &[u8]) {
        let begins = matches!(before.kind, Kind::Sign(b'(' | b','));
        let mut rest = text.get(self.taken..).unwrap_or_default().iter();
        let ends = rest.find(|byte| !is_space(**byte)).is_some_and(|next| matches!(next, b')' | b','));
        let Some(group) = self.groups.last_mut() else { return };
        let run = group.run.take().filter(|(sort, _, _)| *sort == mark && before.kind == Kind::Sign(b','));
        if let Some((_, count @ 2.., end)) = run.filter(|_| ends && group.list) {
            self.key.truncate(end);
            group.run = Some((mark, count, end));
            return;
        }
        self.key.push(mark);
        if begins && ends && group.list {
            group.run = Some((mark, run.map_or(0, |run| run.1) + 1, self.key.len()));
        }
    }

    /// A token as it is; `None` to give up.
    fn keep(&mut self, text: &[u8], token: &Token<'_>, before: &Token<'_>) -> Option<()> {
        match token.kind {
            Kind::Sign(b',') => {}
            Kind::Sign(b'(' | b'[') => {
                self.take(text, token.start);
                return self.open(token, before);
            }
            Kind::Sign(b')' | b']') => {
                self.take(text, token.end());
                return self.close();
            }
            _ => {
                let values = token.is(b"values");
                let group = self.group()?;
                group.run = None;
                group.rows = values.then_some((0, 0));
            }
        }
        Some(())
    }

    fn open(&mut self, token: &Token<'_>, before: &Token<'_>) -> Option<()> {
        let start = self.key.len();
        let outer = self.group()?;
        outer.run = None;
        let row = outer.rows.is_some() && token.kind == Kind::Sign(b'(');
        let expressions = token.kind == Kind::Sign(b'(') && !PRECISE.iter().any(|word| before.is(word));
        let list = row || before.is(b"in");
        if self.groups.len() >= DEPTH {
            return None;
        }
        self.groups.push(Group { expressions, list, row: row.then_some(start), ..Group::default() });
        Some(())
    }

    /// A row that reads as the one before it is left out.
    fn close(&mut self) -> Option<()> {
        let closed = self.groups.pop()?;
        let end = self.key.len();
        let outer = self.groups.last_mut()?;
        let (Some(start), Some((from, to))) = (closed.row, outer.rows) else { return Some(()) };
        if from < to && self.key.get(from..to) == self.key.get(start..end) {
            self.key.truncate(to);
        } else {
            outer.rows = Some((start, end));
        }
        Some(())
    }
}

/// A control character but for spaces, or a backslash.
pub const fn is_strange(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t'..=b'\r')) || byte == b'\\' || byte == 0x7f
}
