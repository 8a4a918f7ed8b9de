//! Real drivers over TLS, of which nothing is seen but who speaks: turns are requests, and take as long.
//!
//! Each program asks queries of known lengths one after the other, once in the clear, where each request is counted, and
//! once encrypted, by its own clock.

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    wire::{
        coverage::Row,
        driver::{self, Driver},
        run::{Begins, For, Run, Tls},
    },
};

/// Requests, and their mean duration: how far off turns may be.
const REQUESTS: f64 = 0.01;
const DURATION: f64 = 0.05;
/// Texts that a program asks: preparing each, once, a driver may take a turn more or less, since it waits for an answer
/// without `Sync`, or goes on before the answer.
const TEXTS: f64 = 6.0;

/// How long the requests inside the program's calls took in all, in nanoseconds.
fn inside(run: &Run) -> Result<i128> {
    let mut all = 0;
    for (call, _) in run.calls() {
        let inside = run.inside(call)?.iter().filter(|request| request.started >= call.started);
        all += inside.map(|request| request.ended - request.started).sum::<i128>();
    }
    Ok(all)
}

fn off(one: f64, other: f64) -> f64 {
    (one - other).abs() / other
}

fn turns_are_requests(driver: &Driver, library: &'static str, begins: Begins) -> Result<()> {
    let clear = Run::of(driver, For::Durations)?;
    let run = Run::over(driver, For::Durations, Some(Tls { library, how: "turns", begins }))?;
    let (requests, turns) = (clear.seen.requests, run.seen.requests);
    let took = inside(&run)? as f64 / 1e9;
    let own = run.calls().map(|(call, _)| call.ended - call.started).sum::<i128>() as f64 / 1e9;
    println!(
        "{} {} through {library}: {turns} turns on {} connections, in the clear {requests} requests on {}; \
         they took {took:.3} s, by the program's own clock {own:.3} s; lost {:?}, unparsed {:?}",
        run.own.driver,
        run.own.version,
        run.seen.connections,
        clear.seen.connections,
        run.seen.lost,
        run.seen.unparsed
    );
    ensure!(run.seen.connections == clear.seen.connections, "not all connections were seen");
    let most = requests as f64 * REQUESTS + TEXTS;
    ensure!((turns as f64 - requests as f64).abs() <= most, "{turns} turns for {requests} requests");
    ensure!(off(took, own) <= DURATION, "turns took {took:.3} s, calls {own:.3} s");
    ensure!(run.seen.lost.is_empty() && run.seen.unparsed.is_empty(), "lost or unparsed");
    ensure!(run.seen.calls() == 0, "nothing can be known of statements");
    let note = format!("{}: {library}; times, sizes, used and idle; no SQL", run.own.version);
    Row {
        section: "encrypted, by turns",
        row: format!("{}, {library}{}", driver.name, begins.named()),
        server: requests,
        poolwatch: turns,
        verdict: "by turns",
        note,
    }
    .leave(&format!("{}-{library}{}", driver.user, begins.named()))
}

/// TLS begins with the connection's first byte, and the server is PostgreSQL 18.
mod direct {
    use super::*;

    #[test]
    fn psycopg3_turns() -> Result<()> {
        need!(Feature::Probes, Feature::NewerPostgres, Feature::PythonPool);
        turns_are_requests(&driver::PSYCOPG3, "OpenSSL of its own", Begins::Direct)
    }

    #[test]
    fn pgx_turns() -> Result<()> {
        need!(Feature::Probes, Feature::NewerPostgres, Feature::GoDrivers);
        turns_are_requests(&driver::PGX, "Go", Begins::Direct)
    }
}

/// TLS 1.2 has other records: a message without body is as long as `COMMIT` is with TLS 1.3.
mod older {
    use super::*;

    #[test]
    fn libpq_turns() -> Result<()> {
        need!(Feature::Probes, Feature::Postgres, driver::LIBPQ.feature());
        turns_are_requests(&driver::LIBPQ, "OpenSSL", Begins::AskedOlder)
    }

    #[test]
    fn node_pg_turns() -> Result<()> {
        need!(Feature::Probes, Feature::Postgres, driver::NODE_PG.feature());
        turns_are_requests(&driver::NODE_PG, "OpenSSL inside node", Begins::AskedOlder)
    }

    #[test]
    fn pgjdbc_turns() -> Result<()> {
        need!(Feature::Probes, Feature::Postgres, driver::PGJDBC.feature());
        turns_are_requests(&driver::PGJDBC, "JSSE", Begins::AskedOlder)
    }

    #[test]
    fn pgx_turns() -> Result<()> {
        need!(Feature::Probes, Feature::Postgres, driver::PGX.feature());
        turns_are_requests(&driver::PGX, "Go", Begins::AskedOlder)
    }
}

/// One test for each driver and library.
macro_rules! drivers {
    ($($test:ident: $driver:ident, $library:literal;)+) => {
        /// Each watches one process alone, and waits more than it works.
        mod together {
            use super::*;

            $(#[test]
            fn $test() -> Result<()> {
                need!(Feature::Probes, Feature::Postgres, driver::$driver.feature());
                turns_are_requests(&driver::$driver, $library, Begins::Asked).context($library)
            })+
        }
    };
}

drivers! {
    libpq_turns: LIBPQ, "OpenSSL";
    psycopg3_turns: PSYCOPG3, "OpenSSL of its own";
    psycopg2_turns: PSYCOPG2, "OpenSSL of its own";
    asyncpg_turns: ASYNCPG, "OpenSSL behind Python";
    node_pg_turns: NODE_PG, "OpenSSL inside node";
    postgres_js_turns: POSTGRES_JS, "OpenSSL inside node";
    pgjdbc_turns: PGJDBC, "JSSE";
    pgx_turns: PGX, "Go";
    lib_pq_turns: LIB_PQ, "Go";
    tokio_postgres_native_turns: TOKIO_POSTGRES, "native-tls";
    tokio_postgres_rustls_turns: TOKIO_POSTGRES, "rustls";
    sqlx_turns: SQLX, "rustls";
    ruby_pg_turns: RUBY_PG, "OpenSSL";
    php_pdo_turns: PHP_PDO, "OpenSSL";
}
