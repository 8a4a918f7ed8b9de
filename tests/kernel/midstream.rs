//! Connections that are older than the agent: counted at once, their states known with their next answer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool},
    client::Client,
    clock, need,
    need::Feature,
    pools::Connections,
    postgres::{Server, Way},
};

/// The connections of a process over all its pools, and how many pools there are.
fn of(agent: &Agent, pid: u32) -> Result<(Connections, usize)> {
    let pools = agent.pools_of(pid)?;
    let mut sum = Connections::default();
    for pool in &pools {
        ensure!(pool.connections.adds_up(), "{:?}", pool.connections);
        sum.used += pool.connections.used;
        sum.idle += pool.connections.idle;
        sum.opening += pool.connections.opening;
        sum.unknown += pool.connections.unknown;
        sum.total += pool.connections.total;
    }
    Ok((sum, pools.len()))
}

/// Reads until the states are as expected: a record takes some milliseconds on its way.
fn settle(agent: &Agent, pid: u32, what: &str, is: impl Fn(&Connections) -> bool) -> Result<Connections> {
    let mut last = Connections::default();
    clock::until(Duration::from_secs(3), what, || {
        last = of(agent, pid)?.0;
        Ok(is(&last).then_some(last))
    })
    .with_context(|| format!("last seen: {last:?}"))
}

fn states_resolve_one_by_one(tier: &str, way: Way) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, need::tier(tier));
    let server = Server::start()?;
    let address = server.address_of(way, "postgres", "postgres");
    let mut client = Client::start(Some("older"))?;
    for name in ["idle", "busy", "transaction", "quiet"] {
        client.open(name, &address)?;
        client.query(name, "select 1")?;
    }
    client.query("transaction", "begin")?;
    // In flight while the agent starts, and until somebody else lets go of what it waits for.
    let mut other = Client::start(Some("other"))?;
    other.open("holder", &address)?;
    other.query("holder", "select pg_advisory_lock(7)")?;
    client.begin("busy", "query select pg_advisory_lock(7)")?;
    clock::until(Duration::from_secs(5), "the waiting backend", || {
        let active = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        Ok((server.psql("postgres", active)? == "1").then_some(()))
    })?;

    let agent = Agent::start(["--probes", tier])?;
    let pid = client.pid();
    let (first, pools) = of(&agent, pid)?;
    println!("{tier} {way:?}: first look {first:?} in {pools} pool(s)");
    ensure!(first.total == 4 && pools == 1, "all four at once, in one pool");
    ensure!(first.idle == 0 && first.opening == 0, "nothing is known to be idle yet");

    client.query("idle", "select 1")?;
    let now = settle(&agent, pid, "one idle", |c| c.idle == 1)?;
    println!("{tier} {way:?}: after a query on one: {now:?}");
    ensure!(now.total == 4, "still four");
    client.query("transaction", "select 1")?;
    let now = settle(&agent, pid, "one used", |c| c.used >= 1 && c.idle == 1)?;
    println!("{tier} {way:?}: after a query in the transaction: {now:?}");
    client.query("transaction", "commit")?;
    settle(&agent, pid, "two idle", |c| c.idle == 2)?;
    other.query("holder", "select pg_advisory_unlock(7)")?;
    client.wait("busy")?;
    let now = settle(&agent, pid, "three idle", |c| c.idle == 3)?;
    println!("{tier} {way:?}: after the long query: {now:?}");
    ensure!(now == Connections { idle: 3, unknown: 1, total: 4, ..now }, "the quiet one stays unknown");
    client.query("quiet", "select 1")?;
    let now = settle(&agent, pid, "four idle", |c| c.idle == 4)?;
    ensure!(now.unknown == 0 && now.used == 0 && now.total == 4, "all is known: {now:?}");
    Ok(())
}

#[test]
fn states_of_older_connections_resolve_with_their_next_answer_over_tcp() -> Result<()> {
    states_resolve_one_by_one("sock", Way::Tcp4)
}

#[test]
fn states_of_older_connections_resolve_with_their_next_answer_over_tcp6() -> Result<()> {
    states_resolve_one_by_one("sock", Way::Tcp6)
}

#[test]
fn states_of_older_connections_resolve_with_their_next_answer_over_unix() -> Result<()> {
    states_resolve_one_by_one("sock", Way::Unix)
}

#[test]
fn states_of_older_connections_resolve_in_the_syscall_tier() -> Result<()> {
    states_resolve_one_by_one("syscall", Way::Tcp4)?;
    states_resolve_one_by_one("syscall", Way::Unix)
}

fn busy_pool_is_whole_at_once(way: Way) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::PythonPool);
    let server = Server::start()?;
    server.role("app")?;
    let pool = Pool { way, user: "app", database: "postgres", size: 6 };
    let app = App::start(Kind::Python, "busy", &server, &pool)?;
    app.borrow_at_once(6, 100)?;
    let load = Load { rate: 120.0, mean_milliseconds: 30.0, seconds: 12.0, seed: 3 };
    let background = load.start(&app)?;
    clock::until(Duration::from_secs(5), "a busy pool", || Ok((app.own()?.used > 2).then_some(())))?;

    let agent = Agent::start::<&str>([])?;
    let (first, pools) = of(&agent, app.pid())?;
    println!("{way:?}: first look at a busy pool of 6: {first:?} in {pools} pool(s)");
    ensure!(first.total == 6 && pools == 1, "total is right at once");
    // QueuePool hands out the connection that was returned longest ago: each has its turn soon.
    let known = settle(&agent, app.pid(), "every state", |c| c.unknown == 0)?;
    println!("{way:?}: all known: {known:?}");
    ensure!(known.total == 6, "still six");
    load.finish(background)?;
    let rest = settle(&agent, app.pid(), "all idle", |c| c.idle == 6)?;
    ensure!(rest.total == 6 && rest.used == 0, "{rest:?}");
    Ok(())
}

#[test]
fn a_busy_pool_older_than_the_agent_is_whole_at_once_over_tcp() -> Result<()> {
    busy_pool_is_whole_at_once(Way::Tcp4)
}

#[test]
fn a_busy_pool_older_than_the_agent_is_whole_at_once_over_unix() -> Result<()> {
    busy_pool_is_whole_at_once(Way::Unix)
}

/// Three connections on one side of the agent's start, one on the other.
fn one_pool_in_this_order(way: Way, app_first: bool) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    let address = server.address_of(way, "postgres", "postgres");
    let mut client = Client::start(Some("order"))?;
    let early = if app_first { None } else { Some(Agent::start::<&str>([])?) };
    for name in ["a", "b", "c"] {
        client.open(name, &address)?;
        client.query(name, "select 1")?;
    }
    let agent = early.map_or_else(|| Agent::start::<&str>([]), Ok)?;
    client.open("new", &address)?;
    settle(&agent, client.pid(), "four connections, the new one idle", |c| c.total == 4 && c.idle >= 1)?;
    let pools = agent.pools_of(client.pid())?;
    println!("{way:?}, app first: {app_first}: {:?}", pools.iter().map(|p| &p.name).collect::<Vec<_>>());
    let [pool] = pools.as_slice() else { anyhow::bail!("one pool, not {pools:#?}") };
    ensure!(pool.connections.total == 4, "{:?}", pool.connections);
    let name = format!("postgres@{}:{}/postgres", server.host(way), server.port());
    ensure!(pool.name == name, "{} is not {name}", pool.name);
    let page = agent.metrics()?;
    let pid = client.pid().to_string();
    let labels = [("process_pid", pid.as_str()), ("db_client_connection_state", "idle")];
    let series: Vec<_> = page.matching("db_client_connection_count", &labels).collect();
    ensure!(series.len() == 1, "one series of idle connections: {series:#?}");
    Ok(())
}

#[test]
fn app_before_agent_plus_one_new_connection_is_one_pool() -> Result<()> {
    one_pool_in_this_order(Way::Tcp4, true)?;
    one_pool_in_this_order(Way::Unix, true)
}

#[test]
fn agent_before_app_plus_one_new_connection_is_one_pool() -> Result<()> {
    one_pool_in_this_order(Way::Tcp4, false)?;
    one_pool_in_this_order(Way::Unix, false)
}
