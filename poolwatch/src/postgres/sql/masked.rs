//! A text in, a key out that texts share only if they differ in plain literals alone, in places where
//! nothing but an expression can stand: there neither fingerprint nor summary depends on their values.
//!
//! It is a filter before the parser and never wrong, so it gives up early: on comments, backslashes,
//! control characters, any other quoting than `'…'`, anything but queries. A literal that stands where it
//! might matter (the type `float(24)`, an array's bounds, a setting) stays in the key as it is.

use std::iter::Peekable;

use super::lexer::{Kind, Token, Tokens};

/// Statements whose literals are expressions.
const VERBS: [&[u8]; 7] = [b"select", b"insert", b"update", b"delete", b"with", b"execute", b"call"];
/// Reserved words that an expression follows.
#[rustfmt::skip]
const BEFORE: [&[u8]; 12] = [
    b"and", b"between", b"else", b"ilike", b"like", b"limit", b"not", b"offset", b"or", b"select", b"then",
    b"when",
];
/// Depth of brackets that is followed.
const DEPTH: usize = 32;
/// Longest number that is an integer to the grammar, whatever its digits.
const INTEGER: usize = 9;
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
    groups: Vec<Group>,
}

impl Masker {
    /// The key; `None` when there is none, or no literal to leave out.
    pub fn key(&mut self, text: &[u8]) -> Option<&[u8]> {
        let strange =
            |byte: u8| (byte < b' ' && !matches!(byte, b'\t'..=b'\r')) || byte == b'\\' || byte == 0x7f;
        if text.iter().any(|byte| strange(*byte)) {
            return None;
        }
        self.key.clear();
        self.groups.clear();
        self.groups.push(Group { expressions: true, ..Group::default() });
        self.mask(text)?.then_some(&self.key)
    }

    /// Whether a literal was left out; `None` to give up.
    fn mask(&mut self, text: &[u8]) -> Option<bool> {
        let mut tokens = Tokens::of(text).peekable();
        let first = tokens.peek().filter(|first| VERBS.iter().any(|verb| first.is(verb)))?;
        let mut before = Token { kind: Kind::Sign(b';'), start: first.start, text: b"", open: false };
        let mut found = false;
        while let Some(token) = tokens.next() {
            let strings = token.kind == Kind::String && before.kind == Kind::String;
            if token.open || strings || matches!(token.kind, Kind::Comment | Kind::Special) {
                return None;
            }
            if token.kind == Kind::Sign(b';') && tokens.peek().is_some() {
                return None;
            }
            // Where there was a space, however wide.
            if token.start > before.end() {
                self.key.push(b' ');
            }
            match self.literal(&token, &before)? {
                Some(mark) => {
                    found = true;
                    self.leave_out(mark, &before, &mut tokens);
                }
                None => self.keep(&token, &before)?,
            }
            before = token;
        }
        Some(found)
    }

    fn group(&mut self) -> Option<&mut Group> {
        self.groups.last_mut()
    }

    /// The mark of a literal that may be left out here.
    fn literal(&mut self, token: &Token<'_>, before: &Token<'_>) -> Option<Option<u8>> {
        let mark = match token.kind {
            Kind::Digits if token.text.len() <= INTEGER => NUMBER,
            // Bytes that are not UTF-8 change how the whole text is read.
            Kind::String => std::str::from_utf8(token.text).ok().map(|_| STRING)?,
            _ => return Some(None),
        };
        let expressions = self.group()?.expressions;
        let safe = match before.kind {
            Kind::Sign(b'(' | b',' | b'[') => expressions,
            Kind::Sign(sign) => is_operator(sign),
            Kind::Word => BEFORE.iter().any(|word| before.is(word)),
            _ => false,
        };
        Some(safe.then_some(mark))
    }

    /// One mark for a literal; a list's third and later ones of a sort have none.
    fn leave_out<'a>(
        &mut self,
        mark: u8,
        before: &Token<'_>,
        tokens: &mut Peekable<impl Iterator<Item = Token<'a>>>,
    ) {
        let begins = matches!(before.kind, Kind::Sign(b'(' | b','));
        let ends = tokens.peek().is_some_and(|next| matches!(next.kind, Kind::Sign(b')' | b',')));
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
    fn keep(&mut self, token: &Token<'_>, before: &Token<'_>) -> Option<()> {
        let start = self.key.len();
        self.key.extend_from_slice(token.text);
        match token.kind {
            Kind::Sign(b'(' | b'[') => return self.open(token, before, start),
            Kind::Sign(b')' | b']') => return self.close(),
            _ => {}
        }
        let end = self.key.len();
        let group = self.group()?;
        if token.kind != Kind::Sign(b',') {
            group.run = None;
            group.rows = token.is(b"values").then_some((end, end));
        }
        Some(())
    }

    fn open(&mut self, token: &Token<'_>, before: &Token<'_>, start: usize) -> Option<()> {
        let outer = self.group()?;
        outer.run = None;
        let row = outer.rows.is_some() && token.kind == Kind::Sign(b'(');
        let expressions = match token.kind {
            Kind::Sign(b'[') => before.is(b"array"),
            _ => !before.is(b"float"),
        };
        let list = row || before.is(b"in");
        let inner = Group { expressions, list, row: row.then_some(start), ..Group::default() };
        if self.groups.len() >= DEPTH {
            return None;
        }
        self.groups.push(inner);
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

const fn is_operator(sign: u8) -> bool {
    matches!(
        sign,
        b'=' | b'<'
            | b'>'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'^'
            | b'|'
            | b'&'
            | b'~'
            | b'!'
            | b'@'
            | b'#'
    )
}
