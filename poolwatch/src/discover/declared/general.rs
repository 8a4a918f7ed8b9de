//! Names that say themselves what they are: `DATABASE_POOL_MAX`, `DB_POOL_IDLE_TIMEOUT_MS`, `PG__POOL__MAX_SIZE`.
//!
//! A name and its value come in, a number goes out. No framework owns these names; applications, generators
//! of applications (Strapi, Directus, Rails) and configuration libraries (Rust's config, Go's envconfig) all
//! make them of the same few words, so the words are read and not a list of names. A word more than expected,
//! such as `LIFETIME` or `AGE`, makes it another name.

use super::{
    number::{Unit, number},
    said::Number,
};

/// Words for a database, which one of a name must be.
const DATABASE: &[&str] = &[
    "DATABASE",
    "DB",
    "PG",
    "PGSQL",
    "POSTGRES",
    "POSTGRESQL",
    "POSTGRESDB",
    "DATASOURCE",
    "SQLX",
    "DIESEL",
    "SEAORM",
];

/// Images of the server itself are set up by `POSTGRESQL_MAX_CONNECTIONS` and its like.
const SERVER: &[&str] = &["PGSQL", "POSTGRES", "POSTGRESQL"];

/// Words before it that make it another database, or no database of the program that runs.
const OTHERS: &[&str] = &[
    "MYSQL",
    "MARIADB",
    "REDIS",
    "MONGO",
    "MONGODB",
    "ORACLE",
    "MSSQL",
    "SQLITE",
    "CLICKHOUSE",
    "NEO4J",
    "CASSANDRA",
    "TEST",
    "SHADOW",
];

/// The words of each number. `POOL` may stand anywhere among them where the first column says so; `SIZES`
/// mean a pool's without it, too.
const SIZES: &[(&[&str], Number)] = &[
    (&[], Number::Max),
    (&["SIZE"], Number::Max),
    (&["LIMIT"], Number::Max),
    (&["CONN"], Number::Max),
    (&["MAX"], Number::Max),
    (&["MAX", "SIZE"], Number::Max),
    (&["SIZE", "MAX"], Number::Max),
    (&["MAX", "OPEN"], Number::Max),
    (&["MAX", "ACTIVE"], Number::Max),
    (&["CONN", "SIZE"], Number::Max),
    (&["CONN", "MAX", "SIZE"], Number::Max),
    (&["MAX", "CONN", "SIZE"], Number::Max),
    (&["MIN"], Number::Min),
    (&["MIN", "SIZE"], Number::Min),
    (&["SIZE", "MIN"], Number::Min),
    (&["MIN", "IDLE"], Number::Min),
    (&["CONN", "MIN", "SIZE"], Number::Min),
    (&["OVERFLOW"], Number::Overflow),
    (&["MAX", "OVERFLOW"], Number::Overflow),
    (&["CONN", "MAX"], Number::Max),
    (&["CONN", "MIN"], Number::Min),
];
/// Those that need no `POOL`.
const PLAIN: &[(&[&str], Number)] = &[
    (&["MAX", "CONN"], Number::Max),
    (&["MAX", "OPEN", "CONN"], Number::Max),
    (&["CONN", "MAX"], Number::Max),
    (&["CONN", "LIMIT"], Number::Max),
    (&["MIN", "CONN"], Number::Min),
    (&["MIN", "IDLE", "CONN"], Number::Min),
    (&["CONN", "MIN"], Number::Min),
    (&["MAX", "OVERFLOW"], Number::Overflow),
];
/// Times; with a `POOL` or without.
const TIMES: &[(&[&str], Number)] = &[
    (&["IDLE", "TIMEOUT"], Number::IdleTimeout),
    (&["CONN", "IDLE", "TIMEOUT"], Number::IdleTimeout),
    (&["IDLE", "CONN", "TIMEOUT"], Number::IdleTimeout),
    (&["MAX", "IDLE", "TIME"], Number::IdleTimeout),
    (&["MAX", "IDLETIME"], Number::IdleTimeout),
    (&["CONN", "MAX", "IDLE", "TIME"], Number::IdleTimeout),
    (&["MAX", "CONN", "IDLE", "TIME"], Number::IdleTimeout),
    (&["CONN", "TIMEOUT"], Number::ConnectionTimeout),
    (&["ACQUIRE", "TIMEOUT"], Number::ConnectionTimeout),
    (&["ACQUISITION", "TIMEOUT"], Number::ConnectionTimeout),
    (&["ACQUIRE", "CONN", "TIMEOUT"], Number::ConnectionTimeout),
    (&["CONN", "ACQUIRE", "TIMEOUT"], Number::ConnectionTimeout),
    (&["CHECKOUT", "TIMEOUT"], Number::ConnectionTimeout),
    (&["WAIT", "TIMEOUT"], Number::ConnectionTimeout),
    (&["TIMEOUTS", "WAIT"], Number::ConnectionTimeout),
    (&["MAX", "WAIT"], Number::ConnectionTimeout),
];
/// Times of a `POOL` alone: elsewhere they are of one connection.
const POOL_TIMES: &[(&[&str], Number)] =
    &[(&["TIMEOUT"], Number::ConnectionTimeout), (&["CONNECT", "TIMEOUT"], Number::ConnectionTimeout)];

/// The longest name that is looked at, and the most words of one.
const LONGEST: usize = 100;
const WORDS: usize = 12;

/// What a name says.
pub(super) fn named(name: &str, value: &str) -> Option<(Number, i64)> {
    if name.len() > LONGEST || !name.is_ascii() {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let Meaning { number: meant, unit } = meaning(&words)?;
    Some((meant, number(value, unit)?))
}

struct Meaning {
    number: Number,
    unit: Unit,
}

fn meaning(words: &[&str]) -> Option<Meaning> {
    if words.len() > WORDS || words.iter().any(|word| OTHERS.contains(word)) {
        return None;
    }
    let at = words.iter().position(|word| DATABASE.contains(word) || *word == "PGPOOL")?;
    let (before, from) = words.split_at_checked(at)?;
    let server = before.is_empty() && from.first().is_some_and(|word| SERVER.contains(word));
    let pool = from.iter().any(|word| *word == "POOL" || *word == "PGPOOL");
    let said = from.iter().filter(|word| !matches!(**word, "POOL" | "PGPOOL")).map(|word| same(word));
    let said: Vec<&str> = said.skip_while(|word| DATABASE.contains(word)).collect();
    let (said, unit) = measure(&said);
    let is = |(words, _): &&(&[&str], Number)| *words == said;
    if unit.is_none() {
        let sizes = SIZES.iter().filter(|_| pool).chain(PLAIN.iter().filter(|_| pool || !server));
        if let Some((_, number)) = sizes.clone().find(is) {
            return Some(Meaning { number: *number, unit: Unit::Count });
        }
    }
    let (_, number) = TIMES.iter().chain(POOL_TIMES.iter().filter(|_| pool)).find(is)?;
    let unsaid = if *number == Number::IdleTimeout { Unit::UnsaidIdle } else { Unit::UnsaidWait };
    Some(Meaning { number: *number, unit: unit.unwrap_or(unsaid) })
}

/// One word for those that mean the same.
fn same(word: &str) -> &str {
    match word {
        "CONNECTION" | "CONNECTIONS" | "CONNS" => "CONN",
        "MAXIMUM" => "MAX",
        "MINIMUM" => "MIN",
        _ => word,
    }
}

/// The words without the unit at their end, and the unit.
fn measure<'a, 'b>(words: &'a [&'b str]) -> (&'a [&'b str], Option<Unit>) {
    let Some((last, rest)) = words.split_last() else { return (words, None) };
    match *last {
        "MS" | "MSEC" | "MSECS" | "MILLIS" | "MILLISECONDS" => (rest, Some(Unit::Milliseconds)),
        "S" | "SEC" | "SECS" | "SECONDS" => (rest, Some(Unit::Seconds)),
        _ => (words, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: Option<(Number, i64)>) {
        assert_eq!(named(name, value), expected, "{name}={value}");
    }

    #[test]
    fn sizes() {
        for name in [
            "DATABASE_POOL_MAX",
            "DATABASE_POOL_SIZE",
            "DATABASE_MAX_CONNECTIONS",
            "DATABASE_POOL_MAX_SIZE",
            "DATABASE_CONNECTION_LIMIT",
            "DATABASE_CONNECTION_POOL_SIZE",
            "DB_POOL",
            "DB_POOL_SIZE",
            "DB_POOL_MAX_CONNECTIONS",
            "DB_POOL__MAX",
            "DB_MAX_OPEN_CONNS",
            "DB_MAX_CONNS",
            "DB_MAX_POOL_SIZE",
            "DB_CONN_MAX",
            "PGPOOL_MAX",
            "PGPOOL_SIZE",
            "PG_POOL_MAX",
            "PG__POOL__MAX_SIZE",
            "POSTGRES_POOL_SIZE",
            "SQLX_MAX_CONNECTIONS",
            "NYX_DB_MAX_OPEN_CONNS",
            "GF_DATABASE_MAX_OPEN_CONN",
            "GITEA__database__MAX_OPEN_CONNS",
            "MB_APPLICATION_DB_MAX_CONNECTION_POOL_SIZE",
            "db-pool-max",
        ] {
            check(name, "10", Some((Number::Max, 10)));
            check(name, "-1", Some((Number::Max, -1)));
            check(name, "many", None);
        }
        for name in
            ["DATABASE_POOL_MIN", "DB_POOL_MIN_CONNECTIONS", "DB_POOL_MIN_IDLE", "PGPOOL_MIN", "PG_MIN_CONNS"]
        {
            check(name, "2", Some((Number::Min, 2)));
        }
        check("DB_MAX_OVERFLOW", "10", Some((Number::Overflow, 10)));
        check("DATABASE_POOL_MAX_OVERFLOW", "10", Some((Number::Overflow, 10)));
    }

    #[test]
    fn times() {
        let idle = |name, value, milliseconds| check(name, value, Some((Number::IdleTimeout, milliseconds)));
        idle("DATABASE_POOL_IDLE_TIMEOUT", "30", 30_000);
        idle("DATABASE_POOL_IDLE_TIMEOUT", "30000", 30_000);
        idle("DATABASE_POOL_IDLE_TIMEOUT", "5m", 300_000);
        idle("DB_POOL_IDLE_TIMEOUT_MS", "30", 30);
        idle("DB_POOL_IDLE_TIMEOUT_SECONDS", "30000", 30_000_000);
        idle("DB_POOL__IDLE_TIMEOUT_MILLIS", "30", 30);
        idle("DB_CONN_MAX_IDLE_TIME", "5m", 300_000);
        let wait =
            |name, value, milliseconds| check(name, value, Some((Number::ConnectionTimeout, milliseconds)));
        wait("DATABASE_POOL_CONNECTION_TIMEOUT", "10", 10_000);
        wait("DATABASE_POOL_CONNECTION_TIMEOUT", "500", 500);
        wait("DATABASE_POOL_CONNECTION_TIMEOUT_MS", "5", 5);
        wait("DATABASE_POOL_TIMEOUT", "30", 30_000);
        wait("DB_POOL_ACQUIRE_TIMEOUT_SECS", "6", 6000);
        wait("DB_POOL__ACQUIRE_TIMEOUT_MILLIS", "6000", 6000);
        wait("PG__POOL__TIMEOUTS__WAIT__SECS", "5", 5000);
        check("PG__POOL__TIMEOUTS__WAIT__NANOS", "0", None);
        check("DATABASE_POOL_IDLE_TIMEOUT", "1800", None);
    }

    #[test]
    fn other_names_are_others() {
        for name in [
            "POOL_MAX",
            "POOL_SIZE",
            "MAX_CONNECTIONS",
            "DATABASE_MAX",
            "DATABASE_SIZE",
            "DATABASE_URL",
            "DB_TIMEOUT",
            "DB_POOL_MAX_LIFETIME",
            "DB_POOL_MAX_USES",
            "DB_CONN_MAX_AGE",
            "DB_CONN_MAX_LIFETIME",
            "DB_MAX_IDLE_CONNS",
            "POSTGRES_MAX_CONNECTIONS",
            "POSTGRESQL_MAX_CONNECTIONS",
            "REDIS_DB_POOL_MAX",
            "MYSQL_DATABASE_POOL_MAX",
            "TEST_DB_POOL_MAX",
            "DB_POOL_RETRY_ATTEMPTS",
            "THUMBDB_POOL_MAX",
            "DB_IDLE_IN_TRANSACTION_SESSION_TIMEOUT",
            "DB_POOL_MAX_MS",
            "A_B_C_D_E_F_G_H_I_J_K_DB_POOL_MAX",
            "DÄTABASE_POOL_MAX",
            "",
        ] {
            check(name, "10", None);
        }
    }
}
