//! Losses on purpose: a ring that is much too small, an agent that stands still under load. What was seen
//! and what was lost make what the server counted, and states are right again after it.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool},
    clock, need,
    need::Feature,
    page::Page,
    postgres::{Server, Way},
    process::{CONTINUE, Process, STOP},
};

const REQUESTS: &str = "db_client_operation_duration_seconds_count";
const LOST: &str = "poolwatch_events_lost_total";
const CLIENTS: u32 = 8;
/// The pool of the application beside pgbench.
const POOL: u32 = 6;
/// A fault, pgbench at work.
const FAULT: Duration = Duration::from_secs(5);
/// A time without a processor, as on a busy machine.
const MOMENT: Duration = Duration::from_millis(100);
/// Longest time in which books and states are right again.
const SETTLED: Duration = Duration::from_secs(3);

/// A server with pgbench's tables, an application with a pool, and an agent that watches this process and
/// what it starts.
struct Scene {
    server: Server,
    agent: Agent,
    app: App,
}

impl Scene {
    fn start(kind: Kind, tier: &str, ring_bytes: u32) -> Result<Self> {
        let server = Server::start()?;
        server.role("bench")?;
        server.psql("postgres", "create database bench owner bench")?;
        server.psql("bench", "create extension pg_stat_statements")?;
        server.bench_tables("bench", "bench")?;
        let (own, ring) = (std::process::id().to_string(), ring_bytes.to_string());
        let agent = Agent::start(["--pid", &own, "--probes", tier, "--ring-bytes", &ring])?;
        let pool = Pool { way: Way::Tcp4, user: "bench", database: "bench", size: POOL };
        let app = App::start(kind, "beside", &server, &pool)?;
        app.borrow_at_once(POOL, 300)?;
        let scene = Self { server, agent, app };
        scene.states_are_right("before the fault")?;
        Ok(scene)
    }

    /// Requests over TCP by our processes, which are all but psql's.
    fn seen(&self, page: &Page) -> f64 {
        let port = self.server.port().to_string();
        page.sum(REQUESTS, &[("server_address", "127.0.0.1"), ("server_port", &port)])
    }

    /// The same, by the server's count.
    fn calls(&self) -> Result<f64> {
        let own = "userid = 'bench'::regrole";
        let count = format!("select coalesce(sum(calls), 0) from pg_stat_statements where {own}");
        self.server.psql("bench", &count)?.parse().context("a sum of calls")
    }

    /// pgbench at work, all its connections made and seen.
    fn bench(&self, mode: &str, seconds: u64) -> Result<Process> {
        let bench = self.server.bench_for(mode, "bench", CLIENTS, seconds)?;
        clock::until(Duration::from_secs(10), "pgbench's connections", || {
            let pools = self.agent.pools_of(bench.pid())?;
            let total: u32 = pools.iter().map(|pool| pool.connections.total).sum();
            let unknown: u32 =
                pools.iter().map(|pool| pool.connections.unknown + pool.connections.opening).sum();
            Ok((total == CLIENTS && unknown == 0).then_some(()))
        })?;
        Ok(bench)
    }

    /// Each of the pool's connections answers once more; within a second the pool is seen as it sees itself.
    fn states_are_right(&self, when: &str) -> Result<()> {
        // A connection of which something was lost is unknown until its next ReadyForQuery, and the load may
        // have used some of them only before: so each gets one.
        self.app.borrow_at_once(POOL, 300)?;
        let answered = std::thread::scope(|scope| -> Result<()> {
            let borrowers = scope.spawn(|| self.app.borrow_at_once(POOL, 900));
            let used = self.becomes(when, Duration::from_millis(800), |used, idle| (used, idle) == (POOL, 0));
            borrowers.join().map_err(|_| anyhow::anyhow!("a panic"))??;
            used
        });
        answered?;
        self.becomes(when, Duration::from_secs(1), |used, idle| (used, idle) == (0, POOL))?;
        let own = self.app.own()?;
        ensure!((own.used, own.idle) == (0, POOL), "{when}: the pool itself says {own:?}");
        Ok(())
    }

    fn becomes(&self, when: &str, wait: Duration, is: impl Fn(u32, u32) -> bool) -> Result<()> {
        let mut last = None;
        let right = clock::until(wait, "the pool's own states", || {
            let [pool] = &self.agent.pools_of(self.app.pid())?[..] else { return Ok(None) };
            let connections = pool.connections;
            last = Some(connections);
            let known = connections.unknown == 0 && connections.opening == 0 && connections.adds_up();
            Ok((known && is(connections.used, connections.idle)).then_some(()))
        });
        right.with_context(|| format!("{when}: last seen {last:?}; the pool itself: {:?}", self.app.own()))
    }
}

fn lost(page: &Page, place: &str) -> f64 {
    page.sum(LOST, &[("where", place)])
}

/// What the server counted is what was seen and what was lost; `beside` were no statements.
fn reconcile(scene: &Scene, what: &str, beside: f64) -> Result<()> {
    let calls = scene.calls()? + beside;
    let whole = |page: &Page| scene.seen(page) + lost(page, "ring_requests") >= calls;
    let page = scene.agent.metrics_when("books that add up", whole)?;
    let (seen, requests) = (scene.seen(&page), lost(&page, "ring_requests"));
    let others: Vec<_> = page.matching(LOST, &[]).filter(|sample| sample.value > 0.0).collect();
    println!(
        "{what}: server {calls} ({beside} of them no statements), seen {seen}, lost {requests}; {others:?}"
    );
    ensure!(requests > 0.0, "{what}: nothing was lost, so nothing was tried");
    ensure!(seen <= calls && calls <= seen + requests, "{what}: {seen} <= {calls} <= {seen} + {requests}");
    ensure!(calls == seen + requests, "{what}: only whole records were lost: {calls} = {seen} + {requests}");
    let unparsed = page.sum("poolwatch_unparsed_total", &[]);
    ensure!(unparsed == 0.0, "{what}: {unparsed} unparsed");
    Ok(())
}

/// pgbench's requests that are no statement: one to prepare its script for each client.
fn preparations(mode: &str) -> f64 {
    if mode == "prepared" { f64::from(CLIENTS) } else { 0.0 }
}

fn small_ring(kind: Kind, tier: &str, mode: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, kind.feature());
    let scene = Scene::start(kind, tier, 16 << 10)?;
    scene.server.psql("bench", "select pg_stat_statements_reset()")?;
    let before = scene.seen(&scene.agent.metrics()?);
    let load = Load { rate: 100.0, mean_milliseconds: 5.0, seconds: 4.0, seed: 7 };
    let beside = load.start(&scene.app)?;
    let mut bench = scene.bench(mode, 4)?;
    // On an idle machine the ring may suffice; an agent that gets no processor for a moment makes it too small.
    for _ in 0..3 {
        scene.agent.signal(STOP)?;
        clock::pause(MOMENT);
        scene.agent.signal(CONTINUE)?;
        clock::pause(MOMENT);
    }
    load.finish(beside)?;
    ensure!(bench.wait(Duration::from_secs(30))? == 0, "{}", bench.errors());
    reconcile(&scene, &format!("a small ring, {tier}, {mode}"), before + preparations(mode))?;
    scene.states_are_right("after the small ring")
}

fn stopped_agent(kind: Kind, mode: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, kind.feature());
    let scene = Scene::start(kind, "sock", 1 << 20)?;
    scene.server.psql("bench", "select pg_stat_statements_reset()")?;
    let before = scene.seen(&scene.agent.metrics()?);
    let mut bench = scene.bench(mode, FAULT.as_secs() + 4)?;
    let load = Load { rate: 100.0, mean_milliseconds: 5.0, seconds: FAULT.as_secs_f64() + 1.0, seed: 7 };
    let beside = load.start(&scene.app)?;
    scene.agent.signal(STOP)?;
    clock::pause(FAULT);
    scene.agent.signal(CONTINUE)?;
    load.finish(beside)?;
    ensure!(bench.wait(Duration::from_secs(30))? == 0, "{}", bench.errors());
    let ended = clock::monotonic();
    reconcile(&scene, &format!("a stopped agent, {mode}"), before + preparations(mode))?;
    ensure!(clock::seconds_since(ended) < SETTLED.as_secs_f64(), "books were late");
    scene.states_are_right("after the stop")
}

#[test]
fn a_ring_that_is_too_small_loses_what_it_counts_simple() -> Result<()> {
    small_ring(Kind::Node, "sock", "simple")
}

#[test]
fn a_ring_that_is_too_small_loses_what_it_counts_prepared() -> Result<()> {
    small_ring(Kind::Python, "sock", "prepared")
}

#[test]
fn a_ring_that_is_too_small_loses_what_it_counts_by_system_calls() -> Result<()> {
    small_ring(Kind::Node, "syscall", "prepared")
}

#[test]
fn an_agent_that_stood_still_knows_what_it_missed_simple() -> Result<()> {
    stopped_agent(Kind::Python, "simple")
}

#[test]
fn an_agent_that_stood_still_knows_what_it_missed_prepared() -> Result<()> {
    stopped_agent(Kind::Node, "prepared")
}
