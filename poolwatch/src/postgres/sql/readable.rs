//! Bytes in any of the server's client encodings in, text for the parser out.
//!
//! What is not UTF-8 is read as Latin-1, byte by byte: right for the commonest, and for every other
//! encoding whose bytes below 128 mean ASCII. A few have a backslash as the second byte of a character;
//! a text that might hold one is not read.

use std::borrow::Cow;

use super::lexer::{Kind, Tokens, is_operator};

/// Longest run of signs that is given to the parser: its time grows with the square of it. No operator is
/// longer.
const SIGNS: usize = 64;

/// The text; `None` when it cannot be told where its literals end, or when it is made to be slow.
pub fn readable(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let text = decoded(bytes)?;
    if longest_signs(text.as_bytes()) > SIGNS {
        return None;
    }
    // The parser's time grows with the square of their depth.
    if Tokens::of(text.as_bytes()).any(|token| token.nests()) {
        return Some(Cow::Owned(without_comments(&text)));
    }
    Some(text)
}

fn longest_signs(text: &[u8]) -> usize {
    let (mut longest, mut run, mut end) = (0, 0, 0);
    for token in Tokens::of(text).filter(|token| matches!(token.kind, Kind::Sign(sign) if is_operator(sign)))
    {
        run = if token.start == end { run + 1 } else { 1 };
        (longest, end) = (longest.max(run), token.end());
    }
    longest
}

/// With spaces in their place.
fn without_comments(text: &str) -> String {
    let mut blank = String::with_capacity(text.len());
    for token in Tokens::spoken(text.as_bytes()) {
        blank.extend(std::iter::repeat_n(' ', token.start.saturating_sub(blank.len())));
        blank.push_str(text.get(token.start..token.end()).unwrap_or_default());
    }
    blank
}

fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    if bytes.contains(&b'\\') {
        return None;
    }
    Some(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_is_latin_1() {
        assert_eq!(readable("größe".as_bytes()).as_deref(), Some("größe"));
        assert_eq!(readable(b"gr\xf6\xdfe").as_deref(), Some("größe"));
        assert_eq!(readable(b"E'\x95\\'"), None);
    }

    #[test]
    fn endless_operators_are_not_read() {
        assert!(readable(format!("SELECT 1 {} 1 /****/", "+ ++".repeat(100)).as_bytes()).is_some());
        assert_eq!(readable(format!("SELECT 1 {} 1", "+".repeat(65)).as_bytes()), None);
        assert!(readable(format!("SELECT 1 {} x", "-".repeat(500)).as_bytes()).is_some());
    }

    #[test]
    fn comments_in_comments_are_left_out() {
        let check = |text: &str, expected: &str| {
            assert_eq!(readable(text.as_bytes()).as_deref(), Some(expected), "{text}");
        };
        check("SELECT /* a */ 1 -- b", "SELECT /* a */ 1 -- b");
        check("SELECT/* /* a */ */1, '/*/*'", "SELECT             1, '/*/*'");
        check("SELECT 1 /* /* never closed", "SELECT 1");
    }
}
