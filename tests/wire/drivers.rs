//! Real drivers against a real server: what the agent counts is what the server's own books have, statement
//! by statement and fingerprint by fingerprint.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use anyhow::{Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    wire::{
        books::{Calls, differences},
        coverage::Row,
        driver::{self, Driver},
        run::{For, Run},
    },
};

/// The least that counts as a run.
const LEAST: u64 = 10_000;

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

/// The server's two books, and the program's own, are one.
fn check_books(run: &Run) -> Result<()> {
    let books = &run.books;
    equal("statistics / what they should count by the log", run, &books.statistics, &books.expected)?;
    ensure!(books.failed == run.own.errors, "the log has {} errors", books.failed);
    ensure!(books.empty == run.own.empty, "the log has {} empty queries", books.empty);
    ensure!(books.calls() >= LEAST, "only {} statements completed", books.calls());
    Ok(())
}

/// The recorded events, and the page of queries, are the server's books.
fn check_seen(run: &Run) -> Result<()> {
    let (books, seen, queries) = (&run.books, &run.seen, &run.queries);
    ensure!(seen.lost.is_empty(), "lost: {:?}", seen.lost);
    ensure!(seen.unparsed.is_empty(), "unparsed: {:?}", seen.unparsed);
    ensure!(run.requests == seen.requests as f64, "/metrics has {} requests", run.requests);
    equal("poolwatch / server", run, &seen.completed, &books.completed)?;
    ensure!(seen.unknown == books.empty, "{} of unknown text", seen.unknown);
    ensure!(seen.failed == books.failed, "{} failed", seen.failed);
    ensure!(seen.resumed == books.resumed, "{} resumed", seen.resumed);
    equal("/api/v1/queries / server", run, &queries.completed, &books.completed)?;
    let others = (queries.others, queries.failed, queries.resumed);
    ensure!(others == (books.empty, books.failed, books.resumed), "/api/v1/queries: {others:?}");
    Ok(())
}

fn counts_are_the_servers(driver: &Driver) -> Result<()> {
    let run = Run::of(driver, For::Calls)?;
    tell(driver, &run);
    check_books(&run)?;
    check_seen(&run)?;
    let note =
        format!("{}: {}", run.own.version, run.own.modes.keys().cloned().collect::<Vec<_>>().join("; "));
    let (server, poolwatch) = (run.books.calls(), run.queries.completed.values().sum());
    Row { section: "drivers", row: driver.name.to_owned(), server, poolwatch, verdict: "exact", note }
        .leave(driver.user)
}

/// One test for each driver, named as its program.
macro_rules! drivers {
    ($($test:ident: $driver:expr),+ $(,)?) => {
        /// Each watches one process alone, and waits more than it works.
        mod together {
            use super::*;

            $(#[test]
            fn $test() -> Result<()> {
                need!(Feature::Probes, Feature::Postgres, $driver.feature());
                counts_are_the_servers(&$driver)
            })+
        }
    };
}

drivers! {
    psql_pgbench_counts: driver::PSQL,
    libpq_counts: driver::LIBPQ,
    psycopg3_counts: driver::PSYCOPG3,
    psycopg2_counts: driver::PSYCOPG2,
    asyncpg_counts: driver::ASYNCPG,
    node_pg_counts: driver::NODE_PG,
    postgres_js_counts: driver::POSTGRES_JS,
    pgjdbc_counts: driver::PGJDBC,
    pgx_counts: driver::PGX,
    lib_pq_counts: driver::LIB_PQ,
    tokio_postgres_counts: driver::TOKIO_POSTGRES,
    sqlx_counts: driver::SQLX,
    ruby_pg_counts: driver::RUBY_PG,
    php_pdo_counts: driver::PHP_PDO,
}
