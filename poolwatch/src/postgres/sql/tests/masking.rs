//! Texts that share a key are one query, and every statement of one fingerprint has one summary.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{
    super::*,
    grammar::{Filling, Piece, fill, filling, heap, query},
    many,
};

/// What is said of a text by one that knows no other.
fn alone(text: &str) -> Script {
    Script::clone(&Reader::new().read(text.as_bytes(), false))
}

fn check(pieces: &[Piece], one: &Filling, other: &Filling) -> bool {
    let (one, other) = (fill(pieces, one), fill(pieces, other));
    let (mut first, mut second) = (Masker::default(), Masker::default());
    let same = first.key(one.as_bytes()).is_some_and(|key| second.key(other.as_bytes()) == Some(key));
    if same {
        assert_eq!(alone(&one), alone(&other), "{one}\n{other}\nshare a key");
    }
    same
}

proptest! {
    #![proptest_config(ProptestConfig { cases: many(2000), max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn heaps_of_tokens_that_share_a_key_are_one(pieces in heap(), one in filling(), other in filling()) {
        check(&pieces, &one, &other);
    }

    #[test]
    fn queries_that_share_a_key_are_one(pieces in query(), one in filling(), other in filling()) {
        check(&pieces, &one, &other);
    }
}

#[test]
fn one_fingerprint_has_one_summary() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: many(3000),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let known = std::cell::RefCell::new(HashMap::<u64, (String, String)>::new());
    let run = runner.run(&(prop_oneof![query(), heap()], filling()), |(pieces, filling)| {
        let text = fill(&pieces, &filling);
        for spoken in alone(&text).statements {
            let mut known = known.borrow_mut();
            let (summary, first) = known
                .entry(spoken.query.id.0)
                .or_insert_with(|| (spoken.query.summary.clone(), text.clone()));
            prop_assert_eq!(&*summary, &spoken.query.summary, "{}\n{}", first, text);
        }
        Ok(())
    });
    run.expect("one summary each");
}

#[test]
fn literals_are_left_out_of_keys() {
    let key = |text: &str| {
        let mut masker = Masker::default();
        masker
            .key(text.as_bytes())
            .map(|key| String::from_utf8_lossy(key).replace('\u{1}', "#").replace('\u{2}', "?"))
    };
    for (text, expected) in [
        (
            "SELECT abalance FROM pgbench_accounts WHERE aid = 54321;",
            "SELECT abalance FROM pgbench_accounts WHERE aid = #;",
        ),
        ("UPDATE a SET b = b + -73 WHERE c=5", "UPDATE a SET b = b + -# WHERE c=#"),
        (
            "INSERT INTO h (a, b) VALUES (1, 2, 3, -4, CURRENT_TIMESTAMP)",
            "INSERT INTO h (a, b) VALUES (#, #, -#, CURRENT_TIMESTAMP)",
        ),
        ("INSERT INTO h VALUES (1, 'x'), (2, 'y'),\n(3, 'z')", "INSERT INTO h VALUES (#, ?)"),
        ("INSERT INTO h VALUES (1, 'x'), (2, now()), (3, now())", "INSERT INTO h VALUES (#, ?), (#, now())"),
        ("select 1 where a in (1)", "select # where a in (#)"),
        (
            "select * from t where a in (1, 2, 3, 4) and b = 'it''s'",
            "select * from t where a in (#, #) and b = ?",
        ),
        ("select f(1, 'x'), x::float(24), y::int[3], a[1]", "select f(#, ?), x::float(24), y::int[3], a[1]"),
        ("select 10000000000, 1.5", "select 10000000000, 1.5"),
        ("select date '2020-01-01', 5", "select date '2020-01-01', #"),
    ] {
        assert_eq!(key(text).unwrap_or(text.into()), expected, "{text}");
    }
    for none in [
        "SELECT a FROM b WHERE c = $1",
        "SET x = 5",
        "SELECT 'a\\' = 5",
        "SELECT 1 -- x",
        "SELECT $$x$$, 5",
        "SELECT E'x', 5",
        "SELECT 1; SELECT 2",
        "SELECT 'x' 'y'",
        "SELECT 5, '",
        "SELECT 5 \u{1}",
        "SELECT 1, U&'x'",
    ] {
        assert_eq!(key(none), None, "{none}");
    }
}
