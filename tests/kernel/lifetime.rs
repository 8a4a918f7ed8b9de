//! A process that ends, is killed, or whose number is used again leaves no gauge series behind.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    client::Client,
    clock, need,
    need::Feature,
    page::Page,
    postgres::{Server, Way},
};

/// What the contract allows a pool's gauges to outlive it.
const LEFT: Duration = Duration::from_secs(30);

/// Names of the series that carry this process's number.
fn series_of(page: &Page, pid: u32) -> Vec<String> {
    let pid = pid.to_string();
    let of = page.samples.iter().filter(|sample| sample.labels.get("process_pid") == Some(&pid));
    of.map(|sample| sample.name.clone()).collect()
}

fn client_with_two(server: &Server, way: Way, database: &str) -> Result<Client> {
    let mut client = Client::start(Some("mortal"))?;
    for name in ["a", "b"] {
        client.open(name, &server.address_of(way, "postgres", database))?;
        client.query(name, "select 1")?;
    }
    Ok(client)
}

fn gauges_end_after(what: &str, way: Way, end: impl Fn(Client) -> Result<i32>) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let (server, agent) = (Server::start()?, Agent::start::<&str>([])?);
    let client = client_with_two(&server, way, "postgres")?;
    let pid = client.pid();
    let before = series_of(&agent.metrics()?, pid);
    ensure!(before.len() >= 5, "its gauges are there: {before:?}");
    let code = end(client)?;
    let ended = clock::monotonic();
    clock::until(LEFT, "the end of its gauges", || {
        Ok(series_of(&agent.metrics()?, pid).is_empty().then_some(()))
    })?;
    let page = agent.metrics()?;
    let closed = page.sum("poolwatch_connections_closed_total", &[("service_name", "mortal")]);
    println!(
        "{what} over {way:?} (code {code}): {} gauge series gone after {:.2} s; closed {closed}",
        before.len(),
        clock::seconds_since(ended)
    );
    ensure!(closed == 2.0, "both connections are counted as closed");
    Ok(())
}

#[test]
fn a_process_that_ends_leaves_no_gauges() -> Result<()> {
    gauges_end_after("end of input", Way::Tcp4, Client::leave)?;
    gauges_end_after("end of input", Way::Unix, Client::leave)
}

#[test]
fn a_process_that_is_killed_leaves_no_gauges() -> Result<()> {
    gauges_end_after("kill -9", Way::Tcp4, Client::kill)?;
    gauges_end_after("kill -9", Way::Unix, Client::kill)
}

/// Starts a client whose number is `pid`, which must be free.
fn client_with_pid(pid: u32) -> Result<Client> {
    for _ in 0..200 {
        // The next process gets this number plus one, unless another starts in between.
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).context("ns_last_pid")?;
        let client = Client::start(Some("successor"))?;
        if client.pid() == pid {
            return Ok(client);
        }
    }
    anyhow::bail!("200 attempts did not get the number {pid}")
}

#[test]
fn a_reused_process_number_leaves_no_gauges_of_its_first_owner() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::PidChoice);
    for way in [Way::Tcp4, Way::Unix] {
        let (server, agent) = (Server::start()?, Agent::start::<&str>([])?);
        server.database("later")?;
        let first = client_with_two(&server, way, "postgres")?;
        let pid = first.pid();
        ensure!(!series_of(&agent.metrics()?, pid).is_empty(), "its gauges are there");
        first.kill()?;
        let mut second = client_with_pid(pid)?;
        second.open("a", &server.address_of(way, "postgres", "later"))?;
        second.query("a", "select 1")?;
        let ended = clock::monotonic();
        let only_second = || -> Result<Option<()>> {
            let pools = agent.pools_of(pid)?;
            let page = agent.metrics()?;
            let of_first = page.sum(
                "db_client_connection_count",
                &[("process_pid", &pid.to_string()), ("db_namespace", "postgres")],
            );
            let names = page.samples.iter().filter(|sample| {
                sample.labels.get("process_pid") == Some(&pid.to_string())
                    && sample.labels.get("db_namespace").is_some_and(|name| name == "postgres")
            });
            ensure!(of_first == 0.0 || pools.len() > 1, "the first owner's connections are the second's");
            Ok((names.count() == 0).then_some(()))
        };
        clock::until(LEFT, "the end of the first owner's gauges", only_second)?;
        let pools = agent.pools_of(pid)?;
        println!("{way:?}: {pid} used again, first owner gone after {:.2} s", clock::seconds_since(ended));
        let [pool] = pools.as_slice() else { anyhow::bail!("one pool, not {pools:#?}") };
        ensure!(pool.server.database.as_deref() == Some("later"), "{pool:?}");
        ensure!(pool.connections.total == 1 && pool.connections.idle == 1, "{pool:?}");
        ensure!(pool.service == "successor", "{pool:?}");
    }
    Ok(())
}
