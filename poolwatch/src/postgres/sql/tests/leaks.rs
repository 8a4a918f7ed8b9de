//! No literal comes out: texts with planted secrets, whole, cut at each byte, and broken.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{super::*, many};

/// In no word of any template, and in every literal; never told by halves either.
const SECRETS: [&str; 3] = ["zqx", "ZQX", "90417"];

/// Literals of all quotings, comments, and what a server with other settings takes for one literal.
#[rustfmt::skip]
const LITERALS: &[&str] = &[
    "'zqxa'", "' FROM zqxb '", "'it''s FROM zqxc'", "E'zqxd'", "E'it\\'s FROM zqxe '", "e'\\\\' || 'zqxf'", "U&'zqxg \\0041'",
    "U&'d!0061t!+000061zqxh' UESCAPE '!'", "$$zqxi FROM zqxj$$", "$zqxk$ ' FROM zqxl $zqxk$", "B'90417'", "X'90417'", "N'zqxm'",
    "90417", "-90417", "90417.90417", "1e90417", ".90417", "'zqxn' -- FROM zqxo\n", "/* FROM zqxp */ 5", "/* /* JOIN zqxq */ ' */ 5",
    "'two\n FROM zqxr'", "'zqxs'::text", "date 'zqxt'", "interval '90417' day", "'; SELECT * FROM zqxu; --'", "'\"zqxv\"'",
    "'C:\\dir\\' || 'zqxw'", "'\"' || ' FROM \"zqxx\"'", "'/*' || ' FROM zqxy */'", "'$a$' || ' UPDATE zqxz $a$'",
];
/// The same where `standard_conforming_strings` is off.
const ESCAPED: &[&str] = &["'a\\' FROM zqxa --'", "'\\'; DELETE FROM zqxb; --'", "'\\' || ''\\' FROM zqxc '"];
const TEMPLATES: &[&str] = &[
    "SELECT * FROM users WHERE name = @ AND x IN (@, @)",
    "INSERT INTO users (a, b) VALUES (@, @), (@, @)",
    "UPDATE users SET a = @ WHERE b = @; DELETE FROM users WHERE x = @; COMMIT",
    "WITH x AS (SELECT @ AS y FROM a) SELECT * FROM \"Quoted\" WHERE z = @ OR v < @",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT @ FROM zqx $body$",
    "COPY users FROM STDIN WITH (DELIMITER 'z', NULL @)",
    "ALTER ROLE app PASSWORD @",
    "SET app.user = @; SELECT @",
    "PREPARE p AS SELECT @ FROM users; EXECUTE p(@)",
    "NOTIFY c, @",
    "DO $do$ BEGIN PERFORM @; DELETE FROM zqx; END $do$",
    "COMMENT ON TABLE users IS @",
    "EXPLAIN SELECT @ FROM users u JOIN orders ON u.a = @",
    "CALL settle(@, @)",
    "SELECT @ FROM FROM users WHERE @",
    "SELEC @ FROM users WHERE @",
    "MERGE INTO users USING orders ON a = @ WHEN MATCHED THEN UPDATE SET b = @",
    "DECLARE c CURSOR FOR SELECT * FROM users WHERE a = @",
    "CREATE TABLE users (a text DEFAULT @, CHECK (a <> @))",
    "/* zqx */ SELECT /* ' */ * FROM users -- zqx ' FROM zqx\n WHERE a = @",
    "SELECT * FROM users WHERE a = @ # FROM zqx",
    "SELECT * FROM `users` WHERE a = @",
];

fn told(reader: &mut Reader, text: &[u8], cut: bool) -> Vec<String> {
    let script = reader.read(text, cut);
    let prepared = |spoken: &Spoken| match &spoken.effect {
        Effect::Prepare { query, .. } => vec![query.summary.clone(), query.operation.clone()],
        _ => Vec::new(),
    };
    let query = |spoken: &Spoken| vec![spoken.query.summary.clone(), spoken.query.operation.clone()];
    script.statements.iter().flat_map(|spoken| [query(spoken), prepared(spoken)].concat()).collect()
}

fn check(reader: &mut Reader, text: &[u8], cut: bool) -> Result<(), TestCaseError> {
    for told in told(reader, text, cut) {
        let leak = SECRETS.iter().find(|secret| told.contains(**secret));
        prop_assert_eq!(leak, None, "{} of {:?}, cut: {}", told, String::from_utf8_lossy(text), cut);
        prop_assert!(told.len() <= 255);
    }
    Ok(())
}

fn filled(template: &str, literals: &[&str]) -> String {
    let mut literals = literals.iter().cycle();
    template
        .chars()
        .map(|c| if c == '@' { literals.next().copied().unwrap_or("5").into() } else { c.to_string() })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: many(256), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whole_or_cut_at_any_byte(template in select(TEMPLATES), literals in vec(select(LITERALS), 1..4)) {
        let text = filled(template, &literals);
        let mut reader = Reader::new();
        check(&mut reader, text.as_bytes(), false)?;
        for end in 0..=text.len() {
            check(&mut reader, &text.as_bytes()[..end], true)?;
        }
    }

    #[test]
    fn with_a_byte_too_many_anywhere(
        template in select(TEMPLATES),
        literals in vec(select(LITERALS), 1..4),
        byte in select(&[b'\'', b'"', b'\\', 0, 0xff, b'$', b'`'][..]),
    ) {
        let text = filled(template, &literals);
        let mut reader = Reader::new();
        for at in 0..=text.len() {
            let mut broken = text.clone().into_bytes();
            broken.insert(at, byte);
            // What parses has another reading, the server's own: there it is no literal.
            // And what stands in a comment is no literal either.
            if literals.iter().any(|literal| literal.contains("/*") || literal.contains("--")) {
                continue;
            }
            if readable::readable(&broken).is_some_and(|text| fingerprint(&text).is_some()) {
                continue;
            }
            check(&mut reader, &broken, false)?;
        }
    }

    #[test]
    fn on_a_server_with_other_strings(
        template in select(TEMPLATES),
        mut literals in vec(select(LITERALS), 0..3),
        escaped in select(ESCAPED),
        at in 0..3_usize,
    ) {
        literals.insert(at.min(literals.len()), escaped);
        let text = filled(template, &literals);
        let mut reader = Reader::new();
        check(&mut reader, text.as_bytes(), false)?;
        for end in 0..=text.len() {
            check(&mut reader, &text.as_bytes()[..end], true)?;
        }
    }

    #[test]
    fn bytes_of_any_sort(bytes in vec(any::<u8>(), 0..200), cut in any::<bool>()) {
        for told in told(&mut Reader::new(), &bytes, cut) {
            prop_assert!(told.len() <= 255);
        }
    }
}
