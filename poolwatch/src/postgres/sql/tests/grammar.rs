//! Makes SQL: queries out of a small grammar, and heaps of tokens that often are none.
//!
//! Literals are holes, so that one text can be filled twice: with other values of the same sort, and with
//! lists of another length.

use proptest::{collection::vec, prelude::*, sample::select};

/// A piece of a text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it stands.
    Fixed(String),
    /// A number of few digits.
    Number,
    /// Any number.
    LongNumber,
    /// A string.
    Text,
    /// A list of numbers.
    Numbers,
    /// Rows of these columns.
    Rows(Vec<Piece>),
}

/// What holes are filled with, in turn.
#[derive(Clone, Debug)]
pub struct Filling {
    pub numbers: Vec<u32>,
    pub texts: Vec<String>,
    pub lengths: Vec<usize>,
}

/// Values of any length and sort that a hole may have.
pub fn filling() -> impl Strategy<Value = Filling> {
    let texts = "([a-zA-Z0-9 ;,()$\"=%_-]|''|ä|--|/\\*){0,12}";
    (vec(any::<u32>(), 1..8), vec(texts, 1..5), vec(1..5_usize, 1..5))
        .prop_map(|(numbers, texts, lengths)| Filling { numbers, texts, lengths })
}

/// The text with its holes filled.
pub fn fill(pieces: &[Piece], filling: &Filling) -> String {
    let mut text = String::new();
    let mut used = 0;
    for piece in pieces {
        put(&mut text, piece, filling, &mut used);
        text.push(' ');
    }
    text
}

fn put(text: &mut String, piece: &Piece, filling: &Filling, used: &mut usize) {
    *used += 1;
    let number = filling.numbers[*used % filling.numbers.len()];
    let length = filling.lengths[*used % filling.lengths.len()];
    match piece {
        Piece::Fixed(fixed) => text.push_str(fixed),
        Piece::Number => text.push_str(&(number % 100).to_string()),
        Piece::LongNumber => text.push_str(&(u64::from(number) * u64::from(number)).to_string()),
        Piece::Text => text.extend(["'", &filling.texts[*used % filling.texts.len()], "'"]),
        Piece::Numbers => {
            let list: Vec<String> = (0..length).map(|i| (number as usize % 90 + i).to_string()).collect();
            text.push_str(&list.join(","));
        }
        Piece::Rows(columns) => {
            for row in 0..length {
                text.push_str(if row == 0 { "(" } else { ", (" });
                for (i, column) in columns.iter().enumerate() {
                    text.push_str(if i == 0 { "" } else { "," });
                    put(text, column, filling, used);
                }
                text.push(')');
            }
        }
    }
}

fn fixed(words: &'static [&'static str]) -> impl Strategy<Value = Piece> {
    select(words).prop_map(|word| Piece::Fixed(word.to_owned()))
}

fn hole() -> impl Strategy<Value = Piece> {
    prop_oneof![Just(Piece::Number), Just(Piece::LongNumber), Just(Piece::Text)]
}

/// Everything with which the places of literals can be told apart, in any order.
pub fn heap() -> impl Strategy<Value = Vec<Piece>> {
    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        "SELECT", "FROM t", "WHERE", "a", "b.c", "f(", "float(", "FLOAT (", "numeric(", "char(", "bit(", "(", "(",
        ")", ")", ")", ",", ",", "=", "<", ">=", "+", "-", "- ", "*", "||", "->", "->>", "@>", "::", "::int[", "::float(",
        "::numeric(", "::timestamp(", "::interval second(", "::time(", "[", "]", "ARRAY[", ":", "IN (", "IN(",
        "NOT IN (", "VALUES (", "VALUES", "LIMIT", "OFFSET", "ROWS", "AND", "OR", "NOT", "BETWEEN", "LIKE", "ILIKE",
        "ESCAPE", "CASE WHEN", "THEN", "ELSE", "END", "INTERVAL", "DATE", "interval(", "AS", "x", "CAST(", "AS float(",
        "AS interval day to second(", "FETCH FIRST", "ROWS ONLY", "ORDER BY", "GROUP BY", "IS NULL", "extract(", "position(", "position(1 IN (",
        "substring(", "FROM", "FOR", "ROW(", "TABLESAMPLE system (", "REPEATABLE (", "coalesce(", "current_time(",
        "count(*) FILTER (WHERE", "OVER (ORDER BY a ROWS", "PRECEDING", "E", "U&", "N", "B", "X", "$1", "$", ".", "1.5", "1e5",
        "json_table(", "COLUMNS (c int PATH", "DEFAULT", "ON EMPTY", "json_object(", "xmlroot(a, VERSION", "COLLATE \"C\"",
        "OPERATOR(pg_catalog.+)", "\"q\"(", "UESCAPE", "AT TIME ZONE", "float", "setof", "array", "ARRAY", "double precision", ";",
        "any(", "some (", "GROUPING SETS ((", "SET a =", "INTO s", "UNION SELECT", "WITH w AS (SELECT", "WITH ORDINALITY AS y(", "AS y(a float(",
    ];
    const FIRST: &[&str] = &[
        "SELECT",
        "SELECT a,",
        "INSERT INTO t VALUES (",
        "INSERT INTO t (a, b) VALUES (",
        "UPDATE t SET a =",
        "DELETE FROM t WHERE a =",
        "WITH w AS (SELECT",
        "EXECUTE p (",
        "CALL p (",
        "SELECT * FROM t WHERE a IN (",
        "SELECT * FROM json_table(a,",
        "SELECT * FROM f(",
        "SELECT a::float(",
        "SELECT a::int[",
        "SELECT CAST(a AS float(",
    ];
    let rows = vec(hole(), 1..3).prop_map(Piece::Rows);
    let any = prop_oneof![
        8 => fixed(WORDS),
        4 => hole(),
        1 => Just(Piece::Numbers),
        1 => rows,
    ];
    (fixed(FIRST), vec(any, 0..9)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

fn expression() -> impl Strategy<Value = Vec<Piece>> {
    let piece = |text: &str| Piece::Fixed(text.to_owned());
    let leaf = prop_oneof![
        3 => hole().prop_map(|hole| vec![hole]),
        2 => fixed(&["a", "u.b", "$1", "NULL", "now()", "1.5", "float '1'", "date '2020-01-01'", "E'x'", "x::float(24)"]).prop_map(|fixed| vec![fixed]),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let around = move |a: &'static str, b: &'static str, c: &'static str| {
            (inner.clone(), inner.clone())
                .prop_map(move |(x, y)| [vec![piece(a)], x, vec![piece(b)], y, vec![piece(c)]].concat())
        };
        prop_oneof![
            around("", "=", ""),
            around("(", "+", ")"),
            around("", "AND", ""),
            around("f(", ",", ")"),
            around("CASE WHEN", "THEN", "ELSE 3 END"),
            around("CAST(", "AS numeric(10, 2)) = CAST(", "AS float(20))"),
            around("coalesce(", ",", ")"),
            around("ARRAY[", ",", "]"),
            around("", "BETWEEN 1 AND", ""),
            around("", "IN (", ")"),
            around("a IN (SELECT b FROM r WHERE", "OR", ")"),
            around("a IN (1, 2,", ",", ")"),
            around("ROW(", ",", ")"),
            around("(SELECT count(*) FROM t_", "LIMIT", ")"),
        ]
    })
}

/// Queries, most of which parse.
pub fn query() -> impl Strategy<Value = Vec<Piece>> {
    let piece = |text: &str| vec![Piece::Fixed(text.to_owned())];
    let from = fixed(&[
        "FROM users u, orders",
        "FROM orders, users u",
        "FROM users JOIN orders o ON true",
        "FROM part_2024_01",
        "FROM part_2025_12",
        "FROM (SELECT * FROM w) x, s.t",
        "FROM f(1, 2) y",
        "FROM a, a, b",
        "FROM b, a",
        "FROM t12, t13",
    ]);
    let columns = vec(hole(), 1..4);
    prop_oneof![
        (expression(), from, expression(), hole()).prop_map(move |(what, from, filter, limit)| {
            [piece("SELECT"), what, vec![from], piece("WHERE"), filter, piece("LIMIT"), vec![limit]].concat()
        }),
        (columns, expression()).prop_map(move |(columns, value)| {
            let rows = vec![Piece::Rows(columns)];
            [piece("INSERT INTO t VALUES"), rows, piece("ON CONFLICT (id) DO UPDATE SET a ="), value].concat()
        }),
        (expression(), expression()).prop_map(move |(value, filter)| {
            [piece("UPDATE users SET a ="), value, piece(", b = DEFAULT WHERE"), filter].concat()
        }),
        expression().prop_map(move |filter| {
            [
                piece("WITH t12 AS (DELETE FROM users WHERE a IN ("),
                vec![Piece::Numbers],
                piece(") AND"),
                filter,
                piece("RETURNING 1) SELECT * FROM t12, t13"),
            ]
            .concat()
        }),
        expression().prop_map(move |filter| { [piece("EXECUTE p(1,"), filter, piece(")")].concat() }),
    ]
}
