//! Text of SQL in, tokens out: where words, literals, quoted names and comments begin and end.
//!
//! As the server's own scanner reads them, with `standard_conforming_strings = on`, but of any bytes, and
//! with an end for what the text leaves open. It copies nothing, never fails and judges no grammar.
//! Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name without quotes, or a keyword.
    Word,
    /// A name in double quotes, `U&""` too.
    Quoted,
    /// `'…'` without anything special before it.
    String,
    /// A literal in another quoting: `E''`, `B''`, `X''`, `U&''`, `$$…$$`.
    Special,
    /// A number of decimal digits alone.
    Digits,
    /// Any other number, and what begins like one.
    Number,
    /// `$1`
    Parameter,
    /// Either form.
    Comment,
    /// One byte of anything else.
    Sign(u8),
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub start: usize,
    /// Its bytes.
    pub text: &'a [u8],
    /// The text ended before it was closed.
    pub open: bool,
}

impl Token<'_> {
    /// The first byte behind it.
    pub const fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword.
    pub fn is(&self, keyword: &[u8]) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// A comment with another in it.
    pub fn nests(&self) -> bool {
        let opens = |pair: &[u8]| pair == b"/*";
        self.kind == Kind::Comment && self.text.starts_with(b"/*") && self.text.windows(2).skip(1).any(opens)
    }

    /// A string that ends elsewhere when the server has `standard_conforming_strings = off`.
    pub fn ambiguous(&self) -> bool {
        self.kind == Kind::String && self.text.windows(2).any(|pair| pair == b"\\'")
    }
}

/// The tokens of a text, in their order.
#[derive(Clone)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Of this text.
    pub const fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Without the comments.
    pub fn spoken(text: &'a [u8]) -> impl Iterator<Item = Token<'a>> + Clone {
        Self::of(text).filter(|token| token.kind != Kind::Comment)
    }

    fn byte(&self, at: usize) -> u8 {
        // NUL stands for the end: it never is part of a text.
        self.text.get(at).copied().unwrap_or(0)
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// The first byte behind a run of what `belongs`.
    fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let length = self.rest(from).iter().position(|byte| !belongs(*byte));
        length.map_or(self.text.len(), |length| from + length)
    }

    /// Behind the quote that closes, and whether there is none.
    fn quoted(&self, mut at: usize, quote: u8, escapes: bool) -> (usize, bool) {
        loop {
            at = self.run(at, |byte| byte != quote && !(escapes && byte == b'\\'));
            match (self.text.get(at), self.text.get(at + 1)) {
                (None, _) => return (self.text.len(), true),
                (Some(b'\\'), _) if escapes => at = (at + 2).min(self.text.len()),
                (Some(_), Some(next)) if *next == quote => at += 2,
                (Some(_), _) => return (at + 1, false),
            }
        }
    }

    /// Comments of this form nest.
    fn comment(&self, mut at: usize) -> (usize, bool) {
        let mut depth = 0_usize;
        loop {
            match (self.byte(at), self.byte(at + 1)) {
                (b'/', b'*') => (at, depth) = (at + 2, depth + 1),
                (b'*', b'/') if depth <= 1 => return (at + 2, false),
                (b'*', b'/') => (at, depth) = (at + 2, depth - 1),
                _ if at >= self.text.len() => return (self.text.len(), true),
                _ => at += 1,
            }
        }
    }

    /// From a dollar sign: a parameter, a dollar-quoted literal, or only a sign.
    fn dollar(&self, start: usize) -> (Kind, usize, bool) {
        if self.byte(start + 1).is_ascii_digit() {
            return (Kind::Parameter, self.run(start + 1, |byte| byte.is_ascii_digit()), false);
        }
        let tag = self.run(start + 1, |byte| is_in_word(byte) && byte != b'$');
        let named = tag > start + 1;
        if self.byte(tag) != b'$' || (named && !begins_word(self.byte(start + 1))) {
            // The tag itself may be what was cut.
            let open = tag >= self.text.len();
            return if open { (Kind::Special, tag, true) } else { (Kind::Sign(b'$'), start + 1, false) };
        }
        let delimiter = self.text.get(start..=tag).unwrap_or_default();
        let body = self.rest(tag + 1);
        match body.windows(delimiter.len()).position(|part| part == delimiter) {
            Some(length) => (Kind::Special, tag + 1 + length + delimiter.len(), false),
            None => (Kind::Special, self.text.len(), true),
        }
    }

    fn number(&self, start: usize) -> (Kind, usize, bool) {
        let goes_on = |byte: u8| (is_in_word(byte) && byte != b'$') || byte == b'.';
        let digits = self.run(start, |byte| byte.is_ascii_digit());
        if !goes_on(self.byte(digits)) && digits > start {
            return (Kind::Digits, digits, false);
        }
        let mut end = self.run(start, goes_on);
        let based = self.byte(start) == b'0'
            && matches!(self.byte(start + 1), b'x' | b'X' | b'o' | b'O' | b'b' | b'B');
        if !based && matches!(self.byte(end - 1), b'e' | b'E') && matches!(self.byte(end), b'+' | b'-') {
            end = self.run(end + 1, goes_on);
        }
        (Kind::Number, end, false)
    }

    /// From a letter: a word, or a literal's or name's special quoting.
    fn word(&self, start: usize) -> (Kind, usize, bool) {
        let special = |from: usize, escapes: bool| {
            let (end, open) = self.quoted(from, b'\'', escapes);
            (Kind::Special, end, open)
        };
        match (self.byte(start), self.byte(start + 1), self.byte(start + 2)) {
            (b'e' | b'E', b'\'', _) => special(start + 2, true),
            // A quote cannot be doubled in these.
            (b'b' | b'B' | b'x' | b'X', b'\'', _) => {
                let end = self.run(start + 2, |byte| byte != b'\'');
                (Kind::Special, (end + 1).min(self.text.len()), end >= self.text.len())
            }
            (b'u' | b'U', b'&', b'\'') => special(start + 3, false),
            (b'u' | b'U', b'&', b'"') => {
                let (end, open) = self.quoted(start + 3, b'"', false);
                (Kind::Quoted, end, open)
            }
            _ => (Kind::Word, self.run(start, is_in_word), false),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    #[allow(clippy::inline_always, reason = "a token then stays in registers: half of the time")]
    #[inline(always)]
    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.run(self.at, is_space);
        let first = *self.text.get(start)?;
        if begins_word(first) && self.byte(start + 1) != b'\'' && self.byte(start + 1) != b'&' {
            let end = self.run(start + 1, is_in_word);
            self.at = end;
            return Some(Token { kind: Kind::Word, start, text: self.text.get(start..end)?, open: false });
        }
        let second = self.byte(start + 1);
        let (kind, end, open) = match first {
            b'-' if second == b'-' => {
                (Kind::Comment, self.run(start, |byte| byte != b'\n' && byte != b'\r'), false)
            }
            b'/' if second == b'*' => {
                let (end, open) = self.comment(start);
                (Kind::Comment, end, open)
            }
            b'\'' => {
                let (end, open) = self.quoted(start + 1, b'\'', false);
                (Kind::String, end, open)
            }
            b'"' => {
                let (end, open) = self.quoted(start + 1, b'"', false);
                (Kind::Quoted, end, open)
            }
            b'$' => self.dollar(start),
            b'.' if second.is_ascii_digit() => self.number(start),
            _ if first.is_ascii_digit() => self.number(start),
            _ if begins_word(first) => self.word(start),
            _ => (Kind::Sign(first), start + 1, false),
        };
        self.at = end;
        Some(Token { kind, start, text: self.text.get(start..end)?, open })
    }
}

/// Whether it parts tokens.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether a word, once begun, goes on with it.
const fn is_in_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Whether operators are made of it.
pub const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
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
