//! Connection strings of PostgreSQL: URLs, libpq's `key=value` words, Npgsql's `Key=Value;` lists.
//!
//! A text comes in, the numbers of its parameters that speak of a pool go out. Whether it is a connection
//! string of PostgreSQL at all is seen by its scheme or by the host that it names; host, user, password and
//! database are passed over and never returned.

use super::{
    number::{Unit, number},
    said::Number,
};

/// A parameter, in lower case without blanks.
struct Parameter {
    name: &'static str,
    number: Number,
    unit: Unit,
}

const fn parameter(name: &'static str, number: Number, unit: Unit) -> Parameter {
    Parameter { name, number, unit }
}

/// Parameters of URLs and of libpq's words.
const PARAMETERS: &[Parameter] = {
    use Number::{ConnectionTimeout, IdleTimeout, Max, Min, Overflow};
    use Unit::{Count, Seconds};
    &[
        // Prisma, seconds.
        // <https://www.prisma.io/docs/v6/orm/prisma-client/setup-and-configuration/databases-connections/connection-pool>
        parameter("connection_limit", Max, Count),
        parameter("pool_timeout", ConnectionTimeout, Seconds),
        parameter("max_idle_connection_lifetime", IdleTimeout, Seconds),
        // pgxpool; a time is Go's duration.
        // <https://github.com/jackc/pgx/blob/000e947156e4cd20c8b144995f1bb2be7e3be8dc/pgxpool/pool.go>
        parameter("pool_max_conns", Max, Count),
        parameter("pool_min_conns", Min, Count),
        parameter("pool_max_conn_idle_time", IdleTimeout, Seconds),
        // Rails, seconds; since 8.1 its sizes are also called by the longer names.
        // <https://github.com/rails/rails/blob/009c7e74117690f0dbe200188a929b345c9306c1/activerecord/lib/active_record/database_configurations/hash_config.rb>
        parameter("pool", Max, Count),
        parameter("max_connections", Max, Count),
        parameter("min_connections", Min, Count),
        parameter("checkout_timeout", ConnectionTimeout, Seconds),
        // Rails and postgres.js, seconds.
        parameter("idle_timeout", IdleTimeout, Seconds),
        // postgres.js.
        // <https://github.com/porsager/postgres/blob/00ada4bce6f9846645e8fe94d6daf9e156f26e04/src/index.js>
        parameter("max", Max, Count),
        // Ecto. <https://github.com/elixir-ecto/ecto/blob/00fc0b09164b6a16321769016a40c9a8fa541efb/lib/ecto/repo/supervisor.ex>
        // Applications of SQLAlchemy use the name, too, and add the second.
        parameter("pool_size", Max, Count),
        parameter("max_overflow", Overflow, Count),
        // Python's databases, and Tortoise, which drops the underscore.
        // <https://www.encode.io/databases/connections_and_transactions/#connection-options>
        // <https://tortoise.github.io/databases.html#db-url>
        parameter("max_size", Max, Count),
        parameter("min_size", Min, Count),
        parameter("maxsize", Max, Count),
        parameter("minsize", Min, Count),
        // r2dbc-pool: `maxSize` above; its times are ISO 8601.
        // <https://github.com/r2dbc/r2dbc-pool#getting-started>
        parameter("minidle", Min, Count),
        parameter("maxacquiretime", ConnectionTimeout, Seconds),
        parameter("maxidletime", IdleTimeout, Seconds),
    ]
};

/// Npgsql's keywords: a time is in seconds. `Timeout` also bounds the wait for a connection of the pool.
/// <https://www.npgsql.org/doc/connection-string-parameters.html#pooling>
const KEYWORDS: &[Parameter] = {
    use Number::{ConnectionTimeout, IdleTimeout, Max, Min};
    use Unit::{Count, Seconds};
    &[
        parameter("maximumpoolsize", Max, Count),
        parameter("maxpoolsize", Max, Count),
        parameter("minimumpoolsize", Min, Count),
        parameter("minpoolsize", Min, Count),
        parameter("timeout", ConnectionTimeout, Seconds),
        parameter("connectionidlelifetime", IdleTimeout, Seconds),
    ]
};

/// Schemes, or parts of one: `postgresql+asyncpg`, `jdbc:postgresql`, `r2dbc:pool:postgresql`.
const SCHEMES: [&str; 5] = ["postgres", "postgresql", "postgis", "ecto", "pgsql"];

/// The longest text that is taken for a connection string.
const LONGEST: usize = 16 * 1024;

/// The numbers of a connection string; none when it is not one of PostgreSQL.
pub(super) fn numbers(text: &str) -> Vec<(Number, i64)> {
    let text = text.trim().trim_matches(['"', '\'']);
    if text.len() > LONGEST {
        return Vec::new();
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return if is_ours(scheme) { of_url(rest) } else { Vec::new() };
    }
    if text.contains(';') { of_list(text) } else { of_words(text) }
}

fn is_ours(scheme: &str) -> bool {
    scheme.split([':', '+']).any(|part| SCHEMES.iter().any(|known| part.eq_ignore_ascii_case(known)))
}

fn of_url(rest: &str) -> Vec<(Number, i64)> {
    let without_fragment = rest.rsplit_once('#').filter(|(_, tail)| !tail.contains('@'));
    let rest = without_fragment.map_or(rest, |(head, _)| head);
    let Some((_, query)) = rest.rsplit_once('?') else { return Vec::new() };
    let pairs = query.split(['&', ';']).filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(key, value)| of_pair(PARAMETERS, key, value)).collect()
}

fn of_list(text: &str) -> Vec<(Number, i64)> {
    let pairs: Vec<(String, &str)> = text
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.chars().filter(|c| !c.is_whitespace()).collect(), value.trim()))
        .map(|(key, value): (String, &str)| (key.to_ascii_lowercase(), value))
        .collect();
    let has =
        |name: &str, wanted: fn(&str) -> bool| pairs.iter().any(|(key, value)| key == name && wanted(value));
    // Drivers of other servers say `Server`, too; Npgsql's own word is `Host`.
    let ours = has("host", |_| true)
        || (has("server", |_| true) && has("port", |port| matches!(port, "5432" | "6432")));
    // Without pooling each connection stands alone.
    if !ours || has("pooling", |value| value.eq_ignore_ascii_case("false")) {
        return Vec::new();
    }
    pairs.iter().filter_map(|(key, value)| of_pair(KEYWORDS, key, value)).collect()
}

fn of_words(text: &str) -> Vec<(Number, i64)> {
    let pairs = pairs(text);
    let names_a_server = |(key, _): &(&str, &str)| matches!(*key, "host" | "hostaddr" | "dbname" | "service");
    if !pairs.iter().any(names_a_server) {
        return Vec::new();
    }
    pairs.iter().filter_map(|(key, value)| of_pair(PARAMETERS, key, value)).collect()
}

/// The pairs of libpq's form; none when it is another.
pub(super) fn pairs(text: &str) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    // Each pair takes at least its `=`, so this ends.
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim();
        if key.contains(char::is_whitespace) {
            return Vec::new();
        }
        let (value, next) = word(after.trim_start());
        pairs.push((key, value));
        rest = next;
    }
    pairs
}

/// A value of libpq's form, up to a blank or to the quote that ends it; and what follows.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>
fn word(text: &str) -> (&str, &str) {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        let ends = if quoted.is_some() { c == '\'' } else { c.is_whitespace() };
        if ends && !escaped {
            let (value, next) = body.split_at_checked(at).unwrap_or((body, ""));
            return (value, next.get(c.len_utf8()..).unwrap_or(""));
        }
        escaped = c == '\\' && !escaped;
    }
    (body, "")
}

fn of_pair(known: &[Parameter], key: &str, value: &str) -> Option<(Number, i64)> {
    let found = known.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(key))?;
    Some((found.number, number(value, found.unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Number, i64)]) {
        assert_eq!(numbers(text), expected, "{text}");
    }

    #[test]
    fn urls() {
        use Number::{ConnectionTimeout, IdleTimeout, Max, Min, Overflow};
        check(
            "postgresql://app:s%3Fcret@db:5432/shop?schema=public&connection_limit=5&pool_timeout=10",
            &[(Max, 5), (ConnectionTimeout, 10_000)],
        );
        check("prisma+postgres://localhost:51213/?api_key=k&connection_limit=3", &[(Max, 3)]);
        check(
            "postgres://jack@pg/mydb?sslmode=require&pool_max_conns=10&pool_min_conns=2&pool_max_conn_idle_time=1h30m",
            &[(Max, 10), (Min, 2), (IdleTimeout, 5_400_000)],
        );
        check(
            "postgres://u:p@h/d?pool=7&checkout_timeout=2.5&idle_timeout=300",
            &[(Max, 7), (ConnectionTimeout, 2500), (IdleTimeout, 300_000)],
        );
        check("postgresql+psycopg2://h/d?pool_size=5&max_overflow=2", &[(Max, 5), (Overflow, 2)]);
        check("ecto://u:p@h/d?pool_size=15#x", &[(Max, 15)]);
        check(
            "r2dbc:pool:postgresql://h/d?maxSize=9&maxAcquireTime=PT3S",
            &[(Max, 9), (ConnectionTimeout, 3000)],
        );
        check("\"postgres://u@h/d?connection_limit=5\"", &[(Max, 5)]);
        check("postgres://u@h/d?connection_limit=-5&pool_timeout=soon", &[(Max, -5)]);
        check("postgres://u:a?pool=9@h/d?pool=7", &[(Max, 7)]);
        check("postgres://u:a#b@h/d?pool=7", &[(Max, 7)]);
    }

    #[test]
    fn texts_that_are_no_addresses_of_postgresql() {
        for text in [
            "mysql://u:p@h/d?connection_limit=5",
            "redis://h?max=5",
            "https://example.org/postgres?pool=5",
            "postgres://u:p@h/d",
            "postgres://",
            "://?pool=5",
            "Server=h;Port=3306;Max Pool Size=5",
            "Data Source=h;Max Pool Size=5",
            "Host=h;Pooling=False;Maximum Pool Size=5",
            "pool_max_conns=5",
            "a b pool_max_conns=5 host=h",
            "=;=;=",
            "===",
            "",
        ] {
            check(text, &[]);
        }
        check(&format!("postgres://h/d?pool=5&x={}", "y".repeat(LONGEST)), &[]);
    }

    #[test]
    fn words_of_libpq() {
        check(
            "user=jack password=secret host=pg pool_max_conns=10 pool_max_conn_idle_time=90s",
            &[(Number::Max, 10), (Number::IdleTimeout, 90_000)],
        );
        check(r"host = pg password='it\'s pool_max_conns=99' pool_max_conns = '8'", &[(Number::Max, 8)]);
        check("dbname=d pool_min_conns=1", &[(Number::Min, 1)]);
        check("host=h password='unfinished pool_max_conns=5", &[]);
    }

    #[test]
    fn lists_of_npgsql() {
        use Number::{ConnectionTimeout, IdleTimeout, Max, Min};
        check(
            "Host=db;Username=app;Password=a=b;Maximum Pool Size=20;Minimum Pool Size=2;Timeout=5;Connection Idle Lifetime=60",
            &[(Max, 20), (Min, 2), (ConnectionTimeout, 5000), (IdleTimeout, 60_000)],
        );
        check("server=db;port=5432;MaxPoolSize=20;Command Timeout=3", &[(Max, 20)]);
        check("Host=db;Maximum Pool Size=\"20\";", &[(Max, 20)]);
    }
}
