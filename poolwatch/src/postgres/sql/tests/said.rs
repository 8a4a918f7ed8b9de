//! Single texts, and what is said of each.

use super::super::*;

fn summaries(text: &str) -> Vec<String> {
    let script = Reader::new().read(text.as_bytes(), false);
    script
        .statements
        .iter()
        .map(|spoken| format!("{} | {}", spoken.query.operation, spoken.query.summary))
        .collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(summaries(text), expected, "{text}");
}

#[test]
fn queries() {
    for (text, expected) in [
        ("SELECT 1", "SELECT | SELECT"),
        (
            "select * from users u join orders o on u.id = o.user_id where u.name = 'x'",
            "SELECT | SELECT users orders",
        ),
        ("SELECT * FROM orders, users", "SELECT | SELECT orders users"),
        ("SELECT * FROM users, orders", "SELECT | SELECT orders users"),
        (
            "SELECT * FROM public.\"Users\" WHERE id IN (SELECT user_id FROM orders)",
            "SELECT | SELECT Users SELECT orders",
        ),
        ("SELECT (SELECT max(id) FROM a), b FROM c", "SELECT | SELECT c SELECT a"),
        ("SELECT * FROM (SELECT * FROM inner_t) x", "SELECT | SELECT inner_t"),
        ("SELECT a FROM x UNION ALL SELECT b FROM y", "SELECT | SELECT x SELECT y"),
        (
            "WITH w AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM w",
            "INSERT | INSERT b SELECT DELETE a",
        ),
        ("WITH w AS (SELECT * FROM a) SELECT * FROM w", "SELECT | SELECT a"),
        (
            "INSERT INTO orders (id, n) VALUES (1, 'secret'), (2, 'x') ON CONFLICT DO NOTHING",
            "INSERT | INSERT orders",
        ),
        ("INSERT INTO shipping SELECT * FROM orders", "INSERT | INSERT shipping SELECT orders"),
        ("UPDATE a SET x = b.y FROM b WHERE a.id = b.id", "UPDATE | UPDATE a b"),
        ("DELETE FROM a USING b WHERE a.id = b.id", "DELETE | DELETE a b"),
        ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", "MERGE | MERGE a b"),
        ("VALUES (1), (2)", "SELECT | SELECT"),
        ("TABLE users", "SELECT | SELECT users"),
        ("SELECT * FROM generate_series(1, 10)", "SELECT | SELECT generate_series"),
        ("SELECT * FROM orders_2024_01", "SELECT | SELECT orders"),
        ("SELECT 1 INTO TEMP scratch FROM a", "SELECT | SELECT a"),
        ("SELECT 'it\\' FROM hidden --'", "SELECT | SELECT"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn utility_statements() {
    for (text, expected) in [
        ("BEGIN", "BEGIN | BEGIN"),
        ("begin isolation level serializable", "BEGIN | BEGIN"),
        ("START TRANSACTION READ ONLY", "START | START TRANSACTION"),
        ("END", "COMMIT | COMMIT"),
        ("ABORT", "ROLLBACK | ROLLBACK"),
        ("SAVEPOINT sa_savepoint_123", "SAVEPOINT | SAVEPOINT"),
        ("ROLLBACK TO SAVEPOINT sa_savepoint_123", "ROLLBACK | ROLLBACK TO SAVEPOINT"),
        ("RELEASE sa_savepoint_1", "RELEASE | RELEASE"),
        ("COMMIT PREPARED 'gid'", "COMMIT | COMMIT PREPARED"),
        ("COPY items (a, b) FROM STDIN", "COPY | COPY items"),
        ("COPY (SELECT * FROM items) TO STDOUT (FORMAT csv)", "COPY | COPY SELECT items"),
        ("CREATE TEMP TABLE scratch (id int)", "CREATE | CREATE TABLE"),
        ("CREATE TABLE items (id int DEFAULT 5)", "CREATE | CREATE TABLE items"),
        ("CREATE TABLE copy AS SELECT * FROM items", "SELECT | CREATE TABLE copy SELECT items"),
        ("CREATE UNIQUE INDEX i ON items (id)", "CREATE | CREATE INDEX items"),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT * FROM items",
            "SELECT | CREATE MATERIALIZED VIEW v SELECT items",
        ),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 'x' $$",
            "CREATE | CREATE FUNCTION",
        ),
        ("CREATE ROLE r PASSWORD 'secret'", "CREATE | CREATE ROLE"),
        ("ALTER TABLE items ADD COLUMN x int DEFAULT 3", "ALTER | ALTER TABLE items"),
        ("DROP TABLE IF EXISTS a, s.b CASCADE", "DROP | DROP TABLE a b"),
        ("TRUNCATE a, b", "TRUNCATE | TRUNCATE a b"),
        ("VACUUM (ANALYZE) items", "VACUUM | VACUUM items"),
        ("ANALYSE items", "ANALYZE | ANALYZE items"),
        ("SET application_name = 'secret'", "SET | SET"),
        ("RESET ALL", "RESET | RESET"),
        ("SHOW work_mem", "SHOW | SHOW"),
        ("EXPLAIN (ANALYZE) SELECT * FROM items", "EXPLAIN | EXPLAIN SELECT items"),
        ("CALL s.settle(1, 'x')", "CALL | CALL settle"),
        ("DO $$ BEGIN RAISE 'secret'; END $$", "DO | DO"),
        ("DECLARE c CURSOR FOR SELECT * FROM items", "DECLARE | DECLARE SELECT items"),
        ("FETCH 10 FROM c_123", "FETCH | FETCH"),
        ("CLOSE c_123", "CLOSE | CLOSE"),
        ("LISTEN channel_1", "LISTEN | LISTEN"),
        ("NOTIFY channel_1, 'secret'", "NOTIFY | NOTIFY"),
        ("PREPARE p (int) AS SELECT * FROM items WHERE id = $1", "PREPARE | PREPARE SELECT items"),
        ("EXECUTE p(5)", "EXECUTE | EXECUTE"),
        ("LOCK TABLE items IN EXCLUSIVE MODE", "LOCK | LOCK items"),
        ("GRANT SELECT ON items TO r", "GRANT | GRANT"),
        ("REFRESH MATERIALIZED VIEW v", "REFRESH | REFRESH MATERIALIZED VIEW v"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn several_statements() {
    check("BEGIN; UPDATE a SET b = 1; COMMIT;", &["BEGIN | BEGIN", "UPDATE | UPDATE a", "COMMIT | COMMIT"]);
    check(";; SELECT ';' ; ; ", &["SELECT | SELECT"]);
    check("SELECT 1; SELEC 2", &["SELECT | SELECT"]);
    for nothing in ["", "  ", ";", "-- SELECT 1", "/* /* SELECT 1 */ */ ; \n"] {
        check(nothing, &[]);
    }
}

#[test]
fn what_does_not_parse() {
    for (text, expected) in [
        ("SELECT FROM FROM users WHERE x = 'secret'", "SELECT | SELECT users"),
        ("UPDATE users SET SET x = 5", "UPDATE | UPDATE users"),
        ("SELECT * FROM \"secret\" WHERE WHERE", "SELECT | SELECT"),
        ("SELECT 'a' 'b' FROM secret", "SELECT | SELECT"),
        ("SELECT * FROM s.users u LEFT JOIN orders WHERE WHERE", "SELECT | SELECT users orders"),
        ("SELECT extract(year FROM secret) FROM users WHERE WHERE", "SELECT | SELECT users"),
        ("secret", "_OTHER | _OTHER"),
        ("'secret'", "_OTHER | _OTHER"),
        ("WITH x AS (SELECT 1) DELETE FROM users USING USING", "DELETE | DELETE users"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn what_was_cut() {
    let check = |text: &str, expected: &[&str]| {
        let script = Reader::new().read(text.as_bytes(), true);
        let found: Vec<&str> = script.statements.iter().map(|spoken| spoken.query.summary.as_str()).collect();
        assert_eq!(found, expected, "{text}");
        assert!(script.cut);
    };
    check("SELECT * FROM users WHERE name = 'sec", &["SELECT users"]);
    check("SELECT * FROM use", &["SELECT"]);
    check("SEL", &["_OTHER"]);
    check("BEGIN; INSERT INTO orders VALUES (1, 'sec", &["BEGIN", "INSERT orders"]);
    check("BEGIN; ", &["BEGIN"]);
    check("/* secret", &["_OTHER"; 0]);
    check("SELECT 'a;b' FROM t; SELECT $$;", &["SELECT t", "SELECT"]);
    let ids = |text: &str| Reader::new().read(text.as_bytes(), true).statements.first().map(|s| s.query.id);
    assert_eq!(ids("INSERT INTO a VALUES (1, 2), (3"), ids("INSERT INTO a VALUES (1, 'x'), (3, 4), (5,"));
    assert_eq!(ids("SELECT * FROM a WHERE x IN (1, 2,"), ids("SELECT * FROM a WHERE x IN (1, 2, 3, 4"));
    assert_ne!(ids("SELECT \"a\" FROM \"t\" WHERE x"), ids("SELECT \"b\" FROM \"t\" WHERE x"));
}

fn effects(text: &str, cut: bool) -> Vec<String> {
    let script = Reader::new().read(text.as_bytes(), cut);
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let word = |effect: &Effect| match effect {
        Effect::None => "-".into(),
        Effect::Prepare { name: n, query } => format!("prepare {} {}", name(n), query.summary),
        Effect::Execute { name: n } => format!("execute {}", name(n)),
        Effect::Deallocate { name: n } => format!("deallocate {}", name(n)),
        Effect::DeallocateAll => "deallocate all".into(),
    };
    script.statements.iter().map(|spoken| word(&spoken.effect)).collect()
}

#[test]
fn effects_on_prepared_statements() {
    let long = "x".repeat(70);
    for (text, expected) in [
        ("PREPARE p AS SELECT * FROM items", "prepare p SELECT items"),
        ("PREPARE \"As\" (text) AS SELECT CAST($1 AS int)", "prepare As SELECT"),
        ("EXECUTE P", "execute p"),
        ("execute \"P\"(1, 'x')", "execute P"),
        ("DEALLOCATE PREPARE p", "deallocate p"),
        ("DEALLOCATE ALL", "deallocate all"),
        ("DISCARD ALL", "deallocate all"),
        ("DISCARD PLANS", "-"),
        ("PREPARE TRANSACTION 'x'", "-"),
        ("CREATE TABLE t AS EXECUTE p(1)", "-"),
        ("SELECT 1", "-"),
    ] {
        assert_eq!(effects(text, false), [expected], "{text}");
    }
    assert_eq!(effects(&format!("EXECUTE {long}"), false), [format!("execute {}", "x".repeat(63))]);
    assert_eq!(effects("PREPARE p AS SELECT * FROM items WHERE x = 'sec", true), ["prepare p SELECT items"]);
    assert_eq!(
        effects("PREPARE \"P\"\"q\" (int) AS SELECT * FROM items WHERE x = 'sec", true),
        ["prepare P\"q SELECT items"]
    );
    assert_eq!(effects("EXECUTE p('sec", true), ["execute p"]);
    assert_eq!(effects("EXECUTE p", true), ["-"]);
}

#[test]
fn a_prepared_query_has_the_id_that_it_has_alone() {
    let id = |text: &str| fingerprint(text).expect("it parses");
    let script = Reader::new().read(b"PREPARE p (int) AS SELECT * FROM items WHERE id = $1", false);
    let Some(Spoken { effect: Effect::Prepare { query, .. }, .. }) = script.statements.first() else {
        panic!("no PREPARE in {script:?}");
    };
    assert_eq!(query.id, id("SELECT * FROM items WHERE id = 7"));
}

#[test]
fn the_tree_may_be_deeper_than_its_decoder_goes() {
    let deep = format!("SELECT {} FROM users WHERE x = 'secret'", vec!["a"; 300].join("+"));
    let script = Reader::new().read(deep.as_bytes(), false);
    let query = &script.statements.first().expect("one statement").query;
    assert_eq!((query.summary.as_str(), Some(query.id)), ("SELECT users", fingerprint(&deep)));
    let both = Reader::new().read(format!("{deep}; COMMIT;").as_bytes(), false);
    assert_eq!(both.statements.len(), 2);
    assert_eq!(both.statements.first().map(|spoken| spoken.query.id), Some(query.id));
}
