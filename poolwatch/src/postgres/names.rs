//! The names and texts at the head of the client's messages of the extended protocol.
//!
//! In come bodies, whole or cut; out go the strings in them. `None` = the body is too short to say.
//! Formats: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::ffi::CStr;

/// What a Close closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed<'a> {
    /// A prepared statement with this name.
    Statement(&'a [u8]),
    /// A portal with this name.
    Portal(&'a [u8]),
}

/// A text, and whether its end was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// It goes on behind them.
    pub cut: bool,
}

/// The text of a Query.
pub fn query(body: &[u8]) -> Text<'_> {
    match string(body) {
        Some((bytes, _)) => Text { bytes, cut: false },
        None => Text { bytes: body, cut: true },
    }
}

/// Name and text of a Parse.
pub fn parse(body: &[u8]) -> Option<(&[u8], Text<'_>)> {
    let (name, rest) = string(body)?;
    Some((name, query(rest)))
}

/// Portal and statement of a Bind.
pub fn bind(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (portal, rest) = string(body)?;
    let (statement, _) = string(rest)?;
    Some((portal, statement))
}

/// Portal of an Execute.
pub fn execute(body: &[u8]) -> Option<&[u8]> {
    string(body).map(|(portal, _)| portal)
}

/// What a Close closes.
pub fn close(body: &[u8]) -> Option<Closed<'_>> {
    let (kind, rest) = body.split_first()?;
    let (name, _) = string(rest)?;
    match kind {
        b'S' => Some(Closed::Statement(name)),
        b'P' => Some(Closed::Portal(name)),
        _ => None,
    }
}

/// A string that ends in NUL, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let string = CStr::from_bytes_until_nul(bytes).ok()?.to_bytes();
    Some((string, bytes.get(string.len() + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        assert_eq!(query(b"SELECT 1\0"), Text { bytes: b"SELECT 1", cut: false });
        let (name, text) = parse(b"S_1\0SELECT $1\0\0\x01\0\0\0\x17").unwrap();
        assert_eq!((name, text), (&b"S_1"[..], Text { bytes: b"SELECT $1", cut: false }));
        assert_eq!(bind(b"\0S_1\0\0\0\0\0\0\0"), Some((&b""[..], &b"S_1"[..])));
        assert_eq!(execute(b"C_2\0\0\0\0\x0a"), Some(&b"C_2"[..]));
        assert_eq!(close(b"SS_1\0"), Some(Closed::Statement(b"S_1")));
        assert_eq!(close(b"P\0"), Some(Closed::Portal(b"")));
    }

    #[test]
    fn cut_heads_say_what_they_can() {
        assert_eq!(query(b"SELECT '"), Text { bytes: b"SELECT '", cut: true });
        assert_eq!(parse(b"S_1\0SEL").unwrap().1, Text { bytes: b"SEL", cut: true });
        for body in [&b""[..], b"S_1", b"x"] {
            assert_eq!((parse(body), bind(body), execute(body)), (None, None, None));
        }
        assert_eq!(bind(b"\0S_1"), None);
        assert_eq!((close(b"S"), close(b"Sx"), close(b"Qx\0")), (None, None, None));
    }
}
