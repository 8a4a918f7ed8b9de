//! Real drivers against a real server: what the agent counts is what the server's own books have, statement
//! by statement and fingerprint by fingerprint.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use anyhow::{Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    postgres::Way,
    wire::{
        books::{Calls, differences},
        coverage::Row,
        driver::{Driver, Runs},
        run::{For, Run},
    },
};

/// The least that counts as a run.
const LEAST: u64 = 10_000;

const fn driver(name: &'static str, user: &'static str, runs: Runs, way: Way, calls: u32) -> Driver {
    Driver { name, user, runs, way, calls }
}

const PSYCOPG3: Driver = driver("psycopg 3", "psycopg3", Runs::Python("wire_psycopg3.py"), Way::Tcp4, 10_000);
const PSYCOPG2: Driver = driver("psycopg2", "psycopg2", Runs::Python("wire_psycopg2.py"), Way::Unix, 8000);
const ASYNCPG: Driver = driver("asyncpg", "asyncpg", Runs::Python("wire_asyncpg.py"), Way::Tcp4, 11_500);
const NODE_PG: Driver = driver("node-pg", "node_pg", Runs::Node("wire_pg.js"), Way::Tcp4, 11_500);
const POSTGRES_JS: Driver =
    driver("postgres.js", "postgres_js", Runs::Node("wire_postgres.js"), Way::Tcp4, 12_000);
const PGJDBC: Driver = driver("pgjdbc", "pgjdbc", Runs::Java("WireJdbc.java"), Way::Tcp4, 10_000);
const PGX: Driver = driver("pgx v5", "pgx", Runs::Go("wire_pgx"), Way::Tcp4, 11_000);
const LIB_PQ: Driver = driver("lib/pq", "lib_pq", Runs::Go("wire_pq"), Way::Tcp4, 12_000);
const TOKIO_POSTGRES: Driver = driver(
    "tokio-postgres",
    "tokio_postgres",
    Runs::Rust("poolwatch-wire-tokio-postgres"),
    Way::Tcp4,
    11_000,
);
const SQLX: Driver = driver("sqlx", "sqlx", Runs::Rust("poolwatch-wire-sqlx"), Way::Tcp4, 13_000);
const RUBY_PG: Driver = driver("Ruby pg", "ruby_pg", Runs::Ruby("wire_pg.rb"), Way::Unix, 13_000);
const PHP_PDO: Driver = driver("PHP pdo_pgsql", "php_pdo", Runs::Php("wire_pdo.php"), Way::Tcp4, 11_000);

/// Tells each difference, and fails when there is one.
fn equal(what: &str, run: &Run, one: &Calls, other: &Calls) -> Result<()> {
    let found = differences(one, other);
    for (fingerprint, one, other) in &found {
        let text = run.books.reader.texts.get(*fingerprint).or_else(|| run.seen.summaries.get(*fingerprint));
        println!("  {what}: {one} / {other}  {fingerprint} {}", text.map_or("?", String::as_str));
    }
    ensure!(found.is_empty(), "{what}: {} fingerprints differ", found.len());
    Ok(())
}

fn tell(driver: &Driver, run: &Run) {
    let (own, books, seen) = (&run.own, &run.books, &run.seen);
    println!("{} {} by {:?}: modes {}", own.driver, own.version, driver.way, serde_json::json!(own.modes));
    println!(
        "  own: {} calls, {} errors, {} empty; log: {} completed, {} failed, {} empty, {} resumed; statistics: {} (left out: {:?})",
        own.calls,
        own.errors,
        own.empty,
        books.calls(),
        books.failed,
        books.empty,
        books.resumed,
        books.statistics.values().sum::<u64>(),
        books.left_out
    );
    println!(
        "  poolwatch: {} completed, {} failed, {} of unknown text, {} resumed, {} fingerprints; {} requests, {} on {} connections; lost {:?}, unparsed {:?}",
        seen.calls(),
        seen.failed,
        seen.unknown,
        seen.resumed,
        seen.completed.len(),
        run.requests,
        seen.requests,
        seen.connections,
        seen.lost,
        seen.unparsed
    );
}

fn counts_are_the_servers(driver: &Driver) -> Result<()> {
    let run = Run::of(driver, For::Calls)?;
    tell(driver, &run);
    let (books, seen) = (&run.books, &run.seen);
    equal("statistics / what they should count by the log", &run, &books.statistics, &books.expected)?;
    ensure!(books.failed == run.own.errors, "the log has {} errors", books.failed);
    ensure!(books.empty == run.own.empty, "the log has {} empty queries", books.empty);
    ensure!(books.calls() >= LEAST, "only {} statements completed", books.calls());
    ensure!(seen.lost.is_empty(), "lost: {:?}", seen.lost);
    ensure!(seen.unparsed.is_empty(), "unparsed: {:?}", seen.unparsed);
    ensure!(run.requests == seen.requests as f64, "/metrics has {} requests", run.requests);
    equal("poolwatch / server", &run, &seen.completed, &books.completed)?;
    ensure!(seen.unknown == books.empty, "{} of unknown text", seen.unknown);
    ensure!(seen.failed == books.failed, "{} failed", seen.failed);
    ensure!(seen.resumed == books.resumed, "{} resumed", seen.resumed);
    let note = format!("{}: {}", run.own.version, run.own.modes.keys().cloned().collect::<Vec<_>>().join("; "));
    let (server, poolwatch) = (books.calls(), seen.calls());
    Row { section: "drivers", row: driver.name.to_owned(), server, poolwatch, verdict: "exact", note }
        .leave(driver.user)
}

/// One test for each driver, named as its program.
macro_rules! drivers {
    ($($test:ident: $driver:expr),+ $(,)?) => {
        $(#[test]
        fn $test() -> Result<()> {
            need!(Feature::Probes, Feature::Postgres, $driver.feature());
            counts_are_the_servers(&$driver)
        })+
    };
}

drivers! {
    psycopg3_counts: PSYCOPG3,
    psycopg2_counts: PSYCOPG2,
    asyncpg_counts: ASYNCPG,
    node_pg_counts: NODE_PG,
    postgres_js_counts: POSTGRES_JS,
    pgjdbc_counts: PGJDBC,
    pgx_counts: PGX,
    lib_pq_counts: LIB_PQ,
    tokio_postgres_counts: TOKIO_POSTGRES,
    sqlx_counts: SQLX,
    ruby_pg_counts: RUBY_PG,
    php_pdo_counts: PHP_PDO,
}
