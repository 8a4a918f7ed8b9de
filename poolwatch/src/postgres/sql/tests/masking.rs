//! Texts that share a key are one query, and every statement of one fingerprint has one summary.

use std::{cell::Cell, collections::HashMap};

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    super::*,
    grammar::{Piece, fill, filling, heap, query},
    many,
};

/// What is said of a text by one that knows no other.
fn alone(text: &str) -> Script {
    Script::clone(&Reader::new().read(text.as_bytes(), false))
}

/// How many of the cases shared a key, and how many of these parse.
fn sharing(pieces: impl Strategy<Value = Vec<Piece>>) -> (u32, u32) {
    let (counts, hits) = (Cell::new((0, 0)), Cell::new(0));
    let config = ProptestConfig { cases: many(2000), failure_persistence: None, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(&(pieces, filling(), filling()), |(pieces, one, other)| {
        let (one, other) = (fill(&pieces, &one), fill(&pieces, &other));
        let (mut first, mut second) = (Masker::default(), Masker::default());
        let keys = (first.key(one.as_bytes()), second.key(other.as_bytes()));
        let mut recent = Recent::default();
        let (known, literals) = (Rc::new(alone("")), keys.0.map_or(&[][..], |(_, literals)| literals));
        recent.put(one.as_bytes(), literals, &known);
        let same = keys.0.map(|(key, _)| key) == keys.1.map(|(key, _)| key);
        if recent.get(other.as_bytes()).is_some() {
            prop_assert!(one == other || (same && keys.0.is_some()), "{}\n{}\nare taken for one", one, other);
            hits.set(hits.get() + 1);
        }
        if same && keys.0.is_some() {
            prop_assert_eq!(alone(&one), alone(&other), "{}\n{}\nshare a key", one, other);
            let (shared, parsed) = counts.get();
            counts.set((shared + 1, parsed + u32::from(fingerprint(&one).is_some())));
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let (shared, parsed) = counts.get();
    assert!(hits.get() > 20, "{} of {shared} were known from the text before", hits.get());
    (shared, parsed)
}

#[test]
fn heaps_of_tokens_that_share_a_key_are_one() {
    let (shared, parsed) = sharing(heap());
    assert!(shared > 100 && parsed > 0, "{shared} shared a key, {parsed} parsed");
}

#[test]
fn queries_that_share_a_key_are_one() {
    let (shared, parsed) = sharing(query());
    assert!(shared > 200 && parsed > 200, "{shared} shared a key, {parsed} parsed");
}

#[test]
fn one_fingerprint_has_one_summary() {
    let mut runner = TestRunner::new(ProptestConfig {
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
            .map(|(key, _)| String::from_utf8_lossy(key).replace('\u{1}', "#").replace('\u{2}', "?"))
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

/// Every place of a literal that the grammar of queries treats by itself.
#[rustfmt::skip]
const PLACES: &[&str] = &[
    "SELECT a::float(@)", "SELECT CAST(a AS float(@))", "SELECT a::float (@)", "SELECT a::FLOAT(@)", "SELECT a::int[@]",
    "SELECT a::int array[@]", "SELECT a::numeric(@, @)", "SELECT a::char(@), b::varchar(@), c::bit(@)", "SELECT a::timestamp(@), b::time(@)",
    "SELECT a::interval(@), b::interval second(@), interval(@) 'x'", "SELECT current_time(@), localtimestamp(@)", "SELECT a[@], b[@:@], (c)[@]",
    "SELECT ARRAY[@, @], ARRAY[[@], [@]]", "SELECT a FROM t LIMIT @ OFFSET @", "SELECT a FROM t FETCH FIRST @ ROWS ONLY", "SELECT a FROM t OFFSET @ ROWS",
    "SELECT a FROM t TABLESAMPLE system (@) REPEATABLE (@)", "SELECT a FROM t ORDER BY @, @", "SELECT a FROM t GROUP BY @, b, @", "SELECT a FROM t WHERE b IN (@)",
    "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN @ PRECEDING AND @ FOLLOWING) FROM t", "SELECT a FROM f(@) AS x(b float(@))", "SELECT f(@, b => @), g(VARIADIC @)",
    "SELECT a FROM json_table(b, @ COLUMNS (c int PATH @ DEFAULT @ ON EMPTY))", "SELECT json_value(a, @ DEFAULT @ ON ERROR), json_object(@ : @), json_array(@, @)",
    "SELECT xmlroot(a, VERSION @), xmlelement(name b, @), xmlparse(DOCUMENT @)", "SELECT a FROM xmltable(@ PASSING b COLUMNS c int PATH @ DEFAULT @)",
    "SELECT extract(@ FROM a), position(@ IN @), position(@ IN (@, @)), substring(a FROM @ FOR @), trim(@ FROM a), overlay(a PLACING @ FROM @)",
    "SELECT a AT TIME ZONE @, a LIKE @ ESCAPE @, a COLLATE \"C\" = @, a IS DISTINCT FROM @, a NOT IN (@, @)", "SELECT a -> @ ->> @, a #> @, a @> @, a ? @, - @, + @, @ - @",
    "SELECT (@, @), ROW(@, @), ROW(@), (@)", "SELECT CASE @ WHEN @ THEN @ ELSE @ END, coalesce(@, @), greatest(@, a, @), nullif(@, a)", "SELECT date @, timestamp @, float @, numeric(5) @, f(a) @",
    "WITH RECURSIVE x AS (SELECT @ UNION SELECT @) CYCLE a SET b TO @ DEFAULT @ USING c SELECT @ FROM x", "WITH x AS MATERIALIZED (SELECT @) SELECT * FROM x WHERE a > ALL (VALUES (@), (@))",
    "INSERT INTO t VALUES (@, DEFAULT), (@, @)", "INSERT INTO t VALUES (@), (@), (@ + @), (@)", "INSERT INTO t (a[@], b.c) VALUES (@, @) ON CONFLICT (a) WHERE b > @ DO NOTHING RETURNING @",
    "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (@)", "UPDATE t SET a = @, b[@] = @, (c, d) = (@, @) WHERE e BETWEEN @ AND @ OR NOT @", "DELETE FROM t WHERE CURRENT OF c AND a = @", "DELETE FROM t WHERE a = @ AND b IN (@, @, c, @, @)",
    "SELECT * INTO x FROM t WHERE a = @", "SELECT @ a, @ AS b, @", "SELECT a FROM ROWS FROM (f(@), g(@) AS (b float(@)))", "SELECT grouping(a) FROM t GROUP BY GROUPING SETS ((a), (@)), ROLLUP (b, @)",
    "EXECUTE p(@, @)", "CALL p(@, a => @)", "SELECT count(*) FILTER (WHERE a > @), f(DISTINCT @ ORDER BY @) WITHIN GROUP (ORDER BY @)", "SELECT a FROM t FOR UPDATE OF @",
    "SELECT a OPERATOR(pg_catalog.+) @, a IS JSON, a IS NORMALIZED, normalize(@, NFC), treat(@ AS float(@))", "SELECT @; ", "SELECT a FROM t WHERE a = @ UNION ALL VALUES (@), (@)", "SELECT U&@, E@, B@, X@, N@, n @, a@, $1@",
    "MERGE INTO t USING u ON a = @ WHEN MATCHED AND b = @ THEN UPDATE SET c = @", "SET x = @", "FETCH @ FROM c", "COPY t TO @", "SELECT a FROM t WHERE a = ANY (@) AND b = SOME (ARRAY[@])", "SELECT \"float\"(@), pg_catalog.float(@), a.float (@)",
];
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "0", "1", "24", "25", "53", "54", "999999999", "1000000000", "2147483648", "99999999999999999999", "1.5", ".5", "1e5", "0x1f", "1_000",
    "''", "'x'", "'X'", "'1'", "'year'", "'it''s'", "'$.a'", "'a b'", "'ä'", "'--'", "'/*'", "'$$'", "'; SELECT'", "'x' ", "'\\'", "1, 2", "1, 2, 3", "'a', 'b', 'c'", "1), (2", "1), (2), (3",
];

#[test]
fn places_that_matter_are_part_of_the_key() {
    let mut shared = 0;
    for place in PLACES {
        let mut keys: HashMap<Box<[u8]>, (String, Script)> = HashMap::new();
        for (at, value) in VALUES.iter().enumerate() {
            for other in [value, VALUES.get(at + 1).unwrap_or(value), VALUES.first().unwrap_or(value)] {
                let mut values = [value, other].into_iter().cycle();
                let mut text = String::new();
                for part in place.split_inclusive('@') {
                    text.push_str(part.trim_end_matches('@'));
                    if part.ends_with('@') {
                        text.push_str(values.next().unwrap_or(value));
                    }
                }
                let mut masker = Masker::default();
                let Some((key, _)) = masker.key(text.as_bytes()) else { continue };
                let script = alone(&text);
                let (first, known) = keys.entry(key.into()).or_insert_with(|| (text.clone(), script.clone()));
                assert_eq!(*known, script, "{first}\n{text}\nshare a key");
                shared += u32::from(*first != text);
            }
        }
    }
    assert!(shared > 500, "{shared} texts shared a key");
}
