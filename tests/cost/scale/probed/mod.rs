//! The agent with its probes: what it takes when nothing happens, and beside a thousand connections; and whether
//! it loses anything while a server is asked as often as it can answer.
//!
//! A ring that is too small is tried as well: then nearly all is lost, and every loss must be counted.

mod flood;
pub mod table;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use poolwatch_tests::{agent::Agent, clock, need, postgres::Server, process::TERMINATE};
use serde_json::Value;

use self::flood::Client;
use super::collector::{Memory, memory};
use crate::group::Group;

/// What everybody has who asks for no other, and the smallest that can be asked for.
const RING: u32 = 4 << 20;
const SMALL_RING: u32 = 4 << 10;
const USER: &str = "flood";
/// Connections that flood; each is a process of the server.
const CLIENTS: usize = 4;
const QUERY: &str = "select 1";
/// Of the memory's crowd.
const CONNECTIONS: usize = 1000;
/// The agent reads what is left, and looks at its own books.
const SETTLE: Duration = Duration::from_secs(3);

/// What the agent takes.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// When nobody is watched.
    pub idle: Memory,
    /// Beside so many connections with a statement of its own each.
    pub crowd: Memory,
    /// Those that it knows.
    pub connections: u64,
}

/// One flood.
#[derive(Clone, Debug)]
pub struct Flood {
    /// Bytes of the ring, as asked for.
    pub ring: u32,
    /// How long.
    pub seconds: f64,
    /// Requests by the clients' own count.
    pub asked: u64,
    /// Statements that the server has counted.
    pub executed: u64,
    /// Requests that the agent has seen.
    pub seen: u64,
    /// Losses by place, as the page has them.
    pub lost: Vec<(String, u64)>,
    /// Share of one processor that the agent used.
    pub processor: f64,
}

impl Flood {
    /// Requests that the agent says that it lost.
    pub fn requests_lost(&self) -> u64 {
        self.lost.iter().filter(|(place, _)| place == "ring_requests").map(|(_, count)| count).sum()
    }

    /// Requests that are neither seen nor counted as lost, as the server counts; below zero what was counted twice.
    pub fn unaccounted(&self) -> i128 {
        i128::from(self.executed) - i128::from(self.seen) - i128::from(self.requests_lost())
    }
}

/// Everything that needs probes.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Memory.
    pub taken: Taken,
    /// The first has the ring that everybody has.
    pub floods: Vec<Flood>,
}

/// Memory, then a flood of some seconds, then a shorter one that is more than the ring can take.
pub fn measure(seconds: f64) -> Result<Probed> {
    let server = server()?;
    let taken = taken(&server)?;
    let floods = vec![flood(&server, RING, seconds)?, flood(&server, SMALL_RING, seconds / 3.0)?];
    Ok(Probed { taken, floods })
}

/// Why this machine can try nothing of it.
pub fn lack() -> Option<String> {
    [need::Feature::Probes, need::Feature::Postgres].into_iter().find_map(need::lack)
}

/// A server that takes a thousand clients, and counts what it executes.
fn server() -> Result<Server> {
    let server = Server::start_with(&[format!("max_connections={}", CONNECTIONS + 50)])?;
    server.role(USER)?;
    server.psql("postgres", &format!("create database {USER} owner {USER}"))?;
    server.psql(USER, "create extension pg_stat_statements")?;
    Ok(server)
}

/// What the agent takes.
fn taken(server: &Server) -> Result<Taken> {
    let mut agent = Agent::start([""; 0])?;
    clock::pause(SETTLE);
    let idle = memory(agent.pid())?;
    let mut clients = Vec::new();
    for nth in 0..CONNECTIONS {
        let mut client = Client::connect(server, USER, USER)?;
        client.ask(&format!("select 1 as column_{nth}"))?;
        clients.push(client);
    }
    clock::pause(SETTLE);
    agent.get("/metrics")?;
    let crowd = memory(agent.pid())?;
    let connections = sum(&agent, "/connections/total")?;
    agent.stop(TERMINATE)?;
    Ok(Taken { idle, crowd, connections })
}

/// Floods the server for some seconds beside an agent with such a ring.
fn flood(server: &Server, ring: u32, seconds: f64) -> Result<Flood> {
    let mut agent = Agent::start(["--ring-bytes", &ring.to_string()])?;
    let group = Group::new("agent")?;
    group.add(agent.pid())?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(server, USER, USER)?);
    }
    clock::until(SETTLE, "the agent to know the clients", || {
        Ok((sum(&agent, "/connections/total")? == CLIENTS as u64).then_some(()))
    })?;
    server.psql(USER, "select pg_stat_statements_reset()")?;
    let before = group.used()?;
    let begin = clock::monotonic();
    let (asked, lasted) = run(&mut clients, seconds, begin)?;
    let processor = group.used()?.saturating_sub(before).as_secs_f64() / lasted;
    clock::pause(SETTLE);
    let seen = sum(&agent, "/requests/total")?;
    let lost = lost(&agent)?;
    let count = format!(
        "select coalesce(sum(calls), 0) from pg_stat_statements where userid = '{USER}'::regrole \
         and query = 'select $1'"
    );
    let executed = server.psql(USER, &count)?.parse().context("a sum of calls")?;
    agent.stop(TERMINATE)?;
    Ok(Flood { ring, seconds: lasted, asked, executed, seen, lost, processor })
}

/// All clients at once; what they asked, and for how long.
fn run(clients: &mut [Client], seconds: f64, begin: i128) -> Result<(u64, f64)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let floods: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.flood(QUERY, &stop))).collect();
        clock::pause(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let mut asked = 0;
        for flood in floods {
            asked += flood.join().map_err(|_| anyhow!("a client failed"))??;
        }
        Ok((asked, clock::seconds_since(begin)))
    })
}

/// Sum of a number over the pools of the floods' database.
fn sum(agent: &Agent, number: &str) -> Result<u64> {
    let answer = agent.json("/api/v1/pools")?;
    let pools = answer.pointer("/pools").and_then(Value::as_array).context("no pools")?;
    let is_ours = |pool: &&Value| pool.pointer("/server/database").is_some_and(|name| name == USER);
    Ok(pools.iter().filter(is_ours).filter_map(|pool| pool.pointer(number)?.as_u64()).sum())
}

fn lost(agent: &Agent) -> Result<Vec<(String, u64)>> {
    let details = agent.json("/health/details")?;
    let places = details.pointer("/events/lost").and_then(Value::as_object).context("no losses")?;
    let counted = places.iter().filter_map(|(place, count)| Some((place.clone(), count.as_u64()?)));
    Ok(counted.filter(|(_, count)| *count > 0).collect())
}
