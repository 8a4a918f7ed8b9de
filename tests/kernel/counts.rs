//! Counts are exact: every transaction of pgbench is one request, over every way and in both tiers of probes.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    page::{Page, Sample},
    postgres::{Bench, Server, Way},
};

/// pgbench's own question about the size of its tables, and the one about their partitions.
const SET_UP: u64 = 2;
const CLIENTS: u32 = 4;
const EACH: u32 = 2500;
const REQUESTS: &str = "db_client_operation_duration_seconds_count";

fn server() -> Result<Server> {
    let server = Server::start()?;
    server.role("bench")?;
    server.psql("postgres", "create database bench owner bench")?;
    server.psql("bench", "create extension pg_stat_statements")?;
    server.bench_tables("bench", "bench")?;
    Ok(server)
}

/// What the server counted of pgbench: statements of the script, and the texts of all others.
fn server_side(server: &Server) -> Result<(u64, Vec<String>)> {
    let script = "query like 'SELECT abalance FROM pgbench_accounts%'";
    let own = "userid = 'bench'::regrole";
    let count = format!("select coalesce(sum(calls), 0) from pg_stat_statements where {own} and {script}");
    let rest = format!(
        "select calls || ' x ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 60) \
         from pg_stat_statements where {own} and not {script} order by 1"
    );
    let script = server.psql("bench", &count)?.parse().context("a sum of calls")?;
    Ok((script, server.psql("bench", &rest)?.lines().map(str::to_owned).collect()))
}

fn check_honesty(page: &Page) -> Result<()> {
    for name in ["poolwatch_events_lost_total", "poolwatch_unparsed_total"] {
        let bad: Vec<_> = page.matching(name, &[]).filter(|sample| sample.value != 0.0).collect();
        ensure!(bad.is_empty(), "not 0: {bad:?}");
    }
    ensure!(page.sum("poolwatch_events_total", &[]) > 0.0, "no events at all");
    Ok(())
}

fn counts_are_exact(tier: &str, way: Way, protocol: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, need::tier(tier));
    let server = server()?;
    let agent = Agent::start(["--probes", tier])?;
    server.psql("bench", "select pg_stat_statements_reset()")?;

    let bench = Bench {
        way,
        user: "bench",
        database: "bench",
        mode: protocol,
        clients: CLIENTS,
        transactions: clock::fewer(EACH),
    };
    let began = clock::monotonic();
    let made = server.bench(&bench)?;
    let seconds = clock::seconds_since(began);

    let (script, others) = server_side(&server)?;
    println!(
        "{tier} {way:?} {protocol}: pgbench made {made} in {seconds:.2} s; server: {script} + {others:?}"
    );
    ensure!(made == u64::from(CLIENTS * clock::fewer(EACH)) && script == made, "pgbench and server disagree");
    ensure!(others.len() as u64 == SET_UP, "the set-up is {SET_UP} statements");
    ensure!(others.iter().all(|text| text.starts_with("1 x ")), "each of the set-up is run once");

    let (port, host) = (server.port().to_string(), server.host(way));
    let labels = [
        ("db_system_name", "postgresql"),
        ("server_address", host.as_str()),
        ("server_port", port.as_str()),
        ("db_namespace", "bench"),
        ("service_name", "pgbench"),
    ];
    let all = (made + SET_UP) as f64;
    let page = agent.metrics_when(&format!("{all} requests and the end of all connections"), |page| {
        page.sum(REQUESTS, &labels) >= all
            && page.sum("poolwatch_connections_closed_total", &labels) >= f64::from(CLIENTS + 1)
    })?;
    let counted = page.sum(REQUESTS, &labels);
    let opened = page.sum("poolwatch_connections_opened_total", &labels);
    let closed = page.sum("poolwatch_connections_closed_total", &labels);
    let error = |sample: &&Sample| sample.labels.get("error_type").is_some_and(|error| !error.is_empty());
    let failed = page.matching(REQUESTS, &labels).filter(error).count();
    println!(
        "{tier} {way:?} {protocol}: counted {counted} = {made} + {SET_UP}; opened {opened}, closed {closed}, failed {failed}"
    );
    ensure!(counted == all, "{counted} counted, {made} + {SET_UP} made\n{}", page.text);
    ensure!(opened == f64::from(CLIENTS + 1), "{opened} opened; pgbench opens one for the set-up");
    ensure!(closed == opened, "{closed} of {opened} closed");
    ensure!(failed == 0, "{failed} series of requests with errors");
    check_honesty(&page)?;
    Ok(())
}

#[test]
fn sock_tier_counts_every_transaction_over_tcp4() -> Result<()> {
    counts_are_exact("sock", Way::Tcp4, "simple")
}

#[test]
fn sock_tier_counts_every_transaction_over_tcp6() -> Result<()> {
    counts_are_exact("sock", Way::Tcp6, "simple")
}

#[test]
fn sock_tier_counts_every_transaction_over_unix() -> Result<()> {
    counts_are_exact("sock", Way::Unix, "simple")
}

#[test]
fn syscall_tier_counts_every_transaction_over_tcp4() -> Result<()> {
    counts_are_exact("syscall", Way::Tcp4, "simple")
}

#[test]
fn syscall_tier_counts_every_transaction_over_tcp6() -> Result<()> {
    counts_are_exact("syscall", Way::Tcp6, "simple")
}

#[test]
fn syscall_tier_counts_every_transaction_over_unix() -> Result<()> {
    counts_are_exact("syscall", Way::Unix, "simple")
}

#[test]
fn sock_tier_counts_every_transaction_of_the_extended_protocol() -> Result<()> {
    counts_are_exact("sock", Way::Tcp4, "extended")
}
