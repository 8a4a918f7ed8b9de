//! The lexer finds what the server's own scanner finds, wherever that accepts the text.

use pg_query::protobuf::{KeywordKind, Token as Scanned};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    super::lexer::{Kind, Tokens},
    many,
};

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "a", "Select", "_x9$", "ä", "E", "u", "U&", "x", "b", "n", "'", "'", "''", "\"", "\"\"", "\\", "\\'", "$", "$$", "$a$", "$a$",
    "$1", "1", "23", "1.5", ".5", "1e", "+", "-", "--", "/", "*", "/*", "*/", "\n", " ", " ", ";", "(", ")", ",", "=", "<", ":", "::",
    "[", "]", "E'", "U&'", "U&\"", "B'", "X'", "N'", "0x1f", "1_000", "@", "#", "%", "text", "?", "é'",
];

fn place(token: &pg_query::protobuf::ScanToken) -> (usize, usize) {
    let at = |place: i32| usize::try_from(place).expect("a place in a text");
    (at(token.start), at(token.end))
}

/// What matters, of one token of the scanner.
fn kind(token: &pg_query::protobuf::ScanToken, text: &str) -> Option<Kind> {
    let bytes = text.as_bytes();
    let (start, end) = place(token);
    let first = bytes[start];
    let quoted = first == b'"' || bytes[start..end].get(1) == Some(&b'&');
    if token.keyword_kind != KeywordKind::NoKeyword as i32 {
        return Some(Kind::Word);
    }
    match Scanned::try_from(token.token).ok()? {
        Scanned::Ident | Scanned::Uident if quoted => Some(Kind::Quoted),
        Scanned::Ident | Scanned::Uident => Some(Kind::Word),
        Scanned::Sconst if first == b'\'' => Some(Kind::String),
        Scanned::Sconst | Scanned::Usconst | Scanned::Bconst | Scanned::Xconst => Some(Kind::Special),
        Scanned::Param => Some(Kind::Parameter),
        Scanned::Iconst | Scanned::Fconst => Some(Kind::Digits),
        Scanned::SqlComment | Scanned::CComment => Some(Kind::Comment),
        _ => None,
    }
}

/// Signs are parted differently, and numbers have one kind there.
fn ours(text: &str) -> Vec<(Kind, usize, usize)> {
    let number = |kind| if kind == Kind::Number { Kind::Digits } else { kind };
    Tokens::of(text.as_bytes())
        .filter(|token| !matches!(token.kind, Kind::Sign(_)))
        .map(|token| (number(token.kind), token.start, token.end()))
        .collect()
}

/// `1.51.5` is two numbers there.
fn joined(tokens: Vec<(Kind, usize, usize)>) -> Vec<(Kind, usize, usize)> {
    let mut joined: Vec<(Kind, usize, usize)> = Vec::new();
    for token in tokens {
        match joined.last_mut() {
            Some((Kind::Digits, _, end)) if token.0 == Kind::Digits && *end == token.1 => *end = token.2,
            _ => joined.push(token),
        }
    }
    joined
}

fn check(text: &str) -> Result<(), TestCaseError> {
    // A dollar sign at the end may be the beginning of anything.
    if Tokens::of(text.as_bytes()).any(|token| token.open) {
        return Ok(());
    }
    // The parser's crate makes a slice of a null pointer of a text without tokens.
    if Tokens::of(text.as_bytes()).next().is_none() {
        return Ok(());
    }
    let Ok(tokens) = pg_query::scan_tokens(text) else { return Ok(()) };
    let theirs = tokens
        .iter()
        .filter_map(|token| kind(token, text).map(|kind| (kind, place(token).0, place(token).1)))
        .collect();
    prop_assert_eq!(joined(ours(text)), joined(theirs), "{}", text);
    Ok(())
}

#[test]
fn an_exponent_has_a_sign() {
    for text in ["1e+1", "12e-3", "1.5E+10", "0x1e+1", "1e+", "0e-0"] {
        check(text).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: many(4000), ..ProptestConfig::default() })]

    #[test]
    fn tokens_are_the_scanners(pieces in vec(select(PIECES), 0..14)) {
        let text = pieces.concat();
        // Strings on several lines are one literal there, and two here; `1..2` is three tokens there.
        let parted = text.contains('\'') && text.contains('\n');
        if parted || text.contains("..") {
            return Ok(());
        }
        check(&text)?;
    }

    #[test]
    fn any_bytes_have_tokens(bytes in vec(any::<u8>(), 0..64)) {
        let mut end = 0;
        for token in Tokens::of(&bytes) {
            prop_assert!(token.start >= end && !token.text.is_empty());
            end = token.end();
        }
        prop_assert!(end <= bytes.len());
    }
}
