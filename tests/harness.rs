//! The harness itself: the server, the applications, their truth and the strict reader do what tests rely on.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    app::{App, Kind, Load, Pool},
    client::Client,
    clock, need,
    need::Feature,
    postgres::{Bench, Server, Way},
};

#[test]
fn the_server_answers_on_all_three_ways_and_leaves_nothing_behind() -> Result<()> {
    need!(Feature::Postgres);
    let server = Server::start()?;
    server.role("someone")?;
    let mut client = Client::start(None)?;
    for way in Way::ALL {
        let name = format!("{way:?}");
        client.open(&name, &server.address_of(way, "someone", "postgres"))?;
        let timing = client.query(&name, "select 1 union all select 2")?;
        println!("{name}: {timing:?}");
        ensure!(timing.rows == 2, "two rows");
    }
    let seen = server.psql(
        "postgres",
        "select string_agg(coalesce(host(client_addr), 'unix'), ' ' order by client_addr)
         from pg_stat_activity where usename = 'someone'",
    )?;
    ensure!(seen == "127.0.0.1 ::1 unix", "the server sees {seen}");
    ensure!(client.leave()? == 0, "the client ends in good order");
    let pid = server.pid();
    drop(server);
    ensure!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the server is gone");
    Ok(())
}

#[test]
fn a_client_reports_its_errors() -> Result<()> {
    need!(Feature::Postgres);
    let server = Server::start()?;
    let mut client = Client::start(None)?;
    client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
    let error = client.query("a", "select 1/0").expect_err("a division by zero").to_string();
    println!("{error}");
    ensure!(error.contains("error 22012"), "{error}");
    ensure!(client.query("a", "select 1")?.rows == 1, "usable afterwards");
    Ok(())
}

#[test]
fn a_bench_makes_the_transactions_it_says_plus_two_statements_of_set_up() -> Result<()> {
    need!(Feature::Postgres);
    let server = Server::start()?;
    server.role("bench")?;
    server.psql("postgres", "create database bench owner bench")?;
    server.psql("bench", "create extension pg_stat_statements")?;
    server.bench_tables("bench", "bench")?;
    for mode in ["simple", "extended", "prepared"] {
        server.psql("bench", "select pg_stat_statements_reset()")?;
        let bench =
            Bench { way: Way::Tcp4, user: "bench", database: "bench", mode, clients: 2, transactions: 50 };
        let made = server.bench(&bench)?;
        let calls = server
            .psql("bench", "select sum(calls) from pg_stat_statements where userid = 'bench'::regrole")?;
        println!("{mode}: {made} transactions, {calls} statements");
        ensure!(made == 100 && calls == "102", "100 and 102");
    }
    Ok(())
}

fn truth_of(kind: Kind) -> Result<()> {
    let server = Server::start()?;
    server.role("app")?;
    let pool = Pool { way: Way::Tcp4, user: "app", database: "postgres", size: 4 };
    let app = App::start(kind, "shop", &server, &pool)?;
    app.borrow_at_once(4, 100)?;
    let opened = server.psql("postgres", "select count(*) from pg_stat_activity where usename = 'app'")?;
    let own = app.own()?;
    println!("{kind:?}: server has {opened}, library says {own:?}");
    ensure!(opened == "4" && own.total == 4 && own.used == 0 && own.idle == 4, "a pool of four, all idle");

    let load = Load { rate: 60.0, mean_milliseconds: 30.0, seconds: 3.0, seed: 7 };
    let background = load.start(&app)?;
    let (mut busy, mut used) = (0, BTreeSet::new());
    let deadline = clock::Deadline::after(Duration::from_secs(3));
    while !deadline.passed() {
        let own = app.own()?;
        busy += u32::from(own.used > 0);
        used.insert(own.used);
        let truth = app.truth()?.at(i128::from(own.at_ns)).context("truth reaches back")?;
        ensure!(truth == (own.used, own.total), "the log says {truth:?}, the library {own:?}");
    }
    let summary = load.finish(background)?;
    println!("{kind:?}: busy in {busy} samples, used took the values {used:?}; {summary:?}");
    ensure!(busy > 20 && used.len() > 3, "the load moves the numbers");
    let truth = app.truth()?;
    ensure!(truth.at(clock::monotonic()) == Some((0, 4)), "all back at the end");
    ensure!(truth.changes() > 100, "{} changes", truth.changes());
    ensure!(app.stop()? == 0, "a good end");
    Ok(())
}

#[test]
fn the_truth_of_node_pg_is_its_own_count() -> Result<()> {
    need!(Feature::Postgres, Feature::Node, Feature::Python);
    truth_of(Kind::Node)
}

#[test]
fn the_truth_of_sqlalchemy_is_its_own_count() -> Result<()> {
    need!(Feature::Postgres, Feature::PythonPool);
    truth_of(Kind::Python)
}
