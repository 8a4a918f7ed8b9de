//! Any text is read without a panic and within bounds, and no literal that was planted in it comes out.
//!
//! Low bytes of the input stand for literals and comments with a secret in them. Where PostgreSQL's own
//! scanner says that each secret lies in a literal or a comment, nothing of it may be in what is said of
//! the text, nor of any head of it.
#![no_main]

use std::{borrow::Cow, cell::RefCell};

use libfuzzer_sys::fuzz_target;
use pg_query::protobuf::Token;
use poolwatch::postgres::sql::Reader;

const WORD: &str = "pl4ntedsecret";
const NUMBER: &str = "7531908642";
/// What the low bytes stand for.
const PLANTED: [&str; 8] = [
    "'pl4ntedsecret'",
    "7531908642",
    "E'pl4ntedsecret\\n'",
    "$q$pl4ntedsecret$q$",
    "/* pl4ntedsecret */",
    "-- pl4ntedsecret\n",
    "U&'pl4ntedsecret'",
    "'a''pl4ntedsecret''7531908642'",
];

thread_local! {
    /// One for all inputs, as in the agent: its memory is bounded, whatever it reads.
    static READER: RefCell<Reader> = RefCell::new(Reader::new());
}

fuzz_target!(|bytes: &[u8]| {
    let [cut, bytes @ ..] = bytes else { return };
    let text = planted(bytes);
    READER.with_borrow_mut(|reader| {
        let whole = reader.read(&text, false);
        let head = &text[..text.len() * usize::from(*cut) / 255];
        let head = reader.read(head, true);
        let hidden = is_hidden(&text);
        for spoken in whole.statements.iter().chain(&head.statements) {
            let (summary, operation) = (&spoken.query.summary, &spoken.query.operation);
            assert!(summary.len() <= 255 && operation.len() <= 255, "{summary:?} {operation:?}");
            for secret in [WORD, NUMBER].into_iter().filter(|_| hidden) {
                let out = [summary, operation].into_iter().any(|said| said.to_lowercase().contains(secret));
                assert!(!out, "{:?} says {summary:?} and {operation:?}", String::from_utf8_lossy(&text));
            }
        }
    });
});

fn planted(bytes: &[u8]) -> Vec<u8> {
    let plant = |byte: &u8| match usize::from(*byte) {
        number @ 1..=8 => Cow::Borrowed(PLANTED[number - 1].as_bytes()),
        _ => Cow::Owned(vec![*byte]),
    };
    bytes.iter().flat_map(|byte| plant(byte).into_owned()).collect()
}

/// Every secret lies in a token that is a literal or a comment; false where the scanner cannot tell.
fn is_hidden(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    // The scanner reads a C string.
    if text.contains('\0') {
        return false;
    }
    let Ok(scanned) = pg_query::scan(text) else { return false };
    let hiding = [
        Token::Sconst,
        Token::Usconst,
        Token::Iconst,
        Token::Fconst,
        Token::Bconst,
        Token::Xconst,
        Token::SqlComment,
        Token::CComment,
    ];
    let covered: Vec<_> = scanned
        .tokens
        .iter()
        .filter(|token| hiding.iter().any(|kind| *kind as i32 == token.token))
        .map(|token| (token.start as usize, token.end as usize))
        .collect();
    [WORD, NUMBER].iter().all(|secret| {
        text.match_indices(secret)
            .all(|(at, _)| covered.iter().any(|(start, end)| *start <= at && at + secret.len() <= *end))
    })
}
