//! One row for each driver with its TLS library: steps, and what both sides count of them.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    place,
    wire::{
        books::{Calls, differences},
        coverage::Row,
        seen::Queries,
    },
};

use crate::stand::{Speaker, Stand, between, nothing_missing, queries, wait_until_attached};

/// A driver, and how it comes to its library.
struct Through {
    name: &'static str,
    library: &'static str,
    command: fn() -> Result<Command>,
}

fn python(driver: &str, implementation: &str) -> Result<Command> {
    let mut command = Command::new(need::python()?);
    command.arg(place::apps().join("python/tls.py")).arg(driver).env("PSYCOPG_IMPL", implementation);
    Ok(command)
}

fn psql() -> Result<Command> {
    let mut command = Command::new("sh");
    let tools = need::postgres().map_err(anyhow::Error::msg)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env("PATH", std::env::join_paths([tools].into_iter().chain(std::env::split_paths(&path)))?);
    command.arg(place::apps().join("libpq/tls.sh"));
    Ok(command)
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.arg(place::apps().join("node/tls_pg.js"));
    command
}

fn tokio_postgres(library: &str) -> Result<Command> {
    let mut command = Command::new(place::built("poolwatch-tls-tokio-postgres")?);
    command.arg(library);
    Ok(command)
}

const PSQL: Through = Through { name: "psql", library: "OpenSSL of the system", command: psql };
const PSYCOPG: Through =
    Through { name: "psycopg 3", library: "OpenSSL of the system", command: || python("psycopg", "python") };
const PSYCOPG_BINARY: Through =
    Through { name: "psycopg 3 binary", library: "OpenSSL bundled", command: || python("psycopg", "binary") };
const PSYCOPG2: Through =
    Through { name: "psycopg2", library: "OpenSSL bundled", command: || python("psycopg2", "") };
const ASYNCPG: Through =
    Through { name: "asyncpg", library: "OpenSSL of Python, in memory", command: || python("asyncpg", "") };
const NODE_PG: Through =
    Through { name: "node-pg", library: "OpenSSL in the program, in memory", command: || Ok(node()) };
const PG8000: Through = Through { name: "pg8000", library: "GnuTLS", command: || python("pg8000", "") };
const TOKIO_POSTGRES: Through = Through {
    name: "tokio-postgres through native-tls",
    library: "OpenSSL of the system",
    command: || tokio_postgres("native"),
};
const TOKIO_POSTGRES_RUSTLS: Through = Through {
    name: "tokio-postgres through rustls",
    library: "rustls",
    command: || tokio_postgres("rustls"),
};
const SQLX: Through = Through {
    name: "sqlx through rustls",
    library: "rustls",
    command: || Ok(Command::new(place::built("poolwatch-tls-sqlx")?)),
};
const PGX: Through = Through {
    name: "pgx v5",
    library: "Go's own",
    command: || Ok(Command::new(place::target()?.join("go/tls_pgx"))),
};
const PGX_STRIPPED: Through = Through {
    name: "pgx v5, stripped",
    library: "Go's own",
    command: || Ok(Command::new(place::target()?.join("go/stripped/tls_pgx"))),
};

/// Everything from the third step on is counted by both.
fn counts_are_the_servers(through: &Through) -> Result<()> {
    let stand = Stand::start()?;
    let mut command = (through.command)()?;
    stand.address(&mut command, "app");
    let mut speaker = Speaker::start(through.name, &mut command)?;
    let agent = Agent::start(["--pid", &speaker.pid().to_string()])?;
    speaker.step("open")?;
    wait_until_attached(&agent, true)?;
    speaker.step("bind")?;
    let before = queries(&agent)?;
    stand.server.psql("postgres", "select pg_stat_statements_reset()")?;
    speaker.step("run")?;
    let server = stand.statistics("app")?;
    let wanted: u64 = server.values().sum();
    let seen = since(&agent, &before, wanted)?;
    for (fingerprint, server, seen) in differences(&server, &seen) {
        println!("  {fingerprint}: server {server}, poolwatch {seen}");
    }
    nothing_missing(&agent)?;
    ensure!(server == seen, "{}: the server counts {server:?}, poolwatch {seen:?}", through.name);
    ensure!(wanted > 600, "only {wanted} statements");
    named(&agent)?;
    leave(through, wanted, seen.values().sum())
}

/// Connections after the first say whose they are, and nobody is blind.
fn named(agent: &Agent) -> Result<()> {
    let page = agent.metrics()?;
    let named = page.sum("db_client_operation_duration_seconds_count", &[("db_namespace", "app")]);
    ensure!(named > 0.0, "no request of a named database:\n{}", page.text);
    ensure!(page.sum("poolwatch_process_blind", &[]) == 0.0, "somebody is blind:\n{}", page.text);
    Ok(())
}

/// What completed since, once all has come through, or as it stands when it does not.
fn since(agent: &Agent, before: &Queries, wanted: u64) -> Result<Calls> {
    let all = clock::until(Duration::from_secs(3), "all statements", || {
        let calls = between(before, &queries(agent)?);
        Ok((calls.values().sum::<u64>() >= wanted).then_some(calls))
    });
    all.or_else(|_| Ok(between(before, &queries(agent)?)))
}

fn leave(through: &Through, server: u64, poolwatch: u64) -> Result<()> {
    let note = format!("{}; plaintext", through.library);
    let row = through.name.to_owned();
    let name: String = through.name.replace([' ', ','], "_");
    Row { section: "encrypted", row, server, poolwatch, verdict: "exact", note }.leave(&name)
}

macro_rules! drivers {
    ($($test:ident: $through:expr, $($feature:expr),+;)+) => {
        $(#[test]
        fn $test() -> Result<()> {
            need!(Feature::Probes, Feature::Postgres, $($feature),+);
            counts_are_the_servers(&$through)
        })+
    };
}

drivers! {
    psql_counts: PSQL, Feature::Libpq;
    psycopg_counts: PSYCOPG, Feature::PythonPool;
    psycopg_binary_counts: PSYCOPG_BINARY, Feature::PythonPool;
    psycopg2_counts: PSYCOPG2, Feature::PythonPool;
    asyncpg_counts: ASYNCPG, Feature::PythonPool;
    node_pg_counts: NODE_PG, Feature::Node;
    tokio_postgres_counts: TOKIO_POSTGRES, Feature::Postgres;
    tokio_postgres_rustls_counts: TOKIO_POSTGRES_RUSTLS, Feature::Postgres;
    sqlx_counts: SQLX, Feature::Postgres;
    pg8000_counts: PG8000, Feature::GnuTls;
    pgx_counts: PGX, Feature::GoTls;
    pgx_stripped_counts: PGX_STRIPPED, Feature::GoTls;
}
