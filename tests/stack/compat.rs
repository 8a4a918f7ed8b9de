//! Series under the names of in-process instrumentations say what the pool's own library says.
//!
//! Three real pools at once: node-pg, HikariCP, Prisma. Gauges are compared in states that are held: all connections used and
//! four borrowers waiting, and rest. Counters are compared over everything since the pools' beginning.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    postgres::Server,
    stack::prometheus::{self, Prometheus},
    truth::{
        books::{Books, Borrower, Counters, End},
        compare::Bounds,
        load::{Arrivals, Load, at_once},
        mix::{Mix, Page},
        rig::{Rig, Running, USER},
        run::{Level, Plan},
    },
};

const POOL: u32 = 5;
const WAITING: u32 = 4;
/// Which HikariCP is told to keep, in the words of Spring Boot.
const IDLE_AT_LEAST: u32 = 3;
/// How long a state is held before it is looked at: 5 s until the scrape, 15 s until the rules are evaluated, and a moment.
const HELD: Duration = Duration::from_millis(21_500);
/// How long a borrower waits that is to give up, in milliseconds, how many do at once, and how often.
const PATIENCE: u32 = 1000;
const GIVING_UP: u32 = 20;
const ROUNDS: u32 = 3;
/// Of the queries that hold the pool until then, in milliseconds.
const HELD_ON: f64 = 3500.0;
/// Of the queries that hold the pool meanwhile, in milliseconds.
const HOLDING: f64 = 26_000.0;
/// What is a slow query, in nanoseconds: the agent's default.
const SLOW: i128 = 100_000_000;
/// Connections.
const GAUGE: f64 = 1.0;
/// Of a count.
const COUNT: f64 = 0.01;
/// Of those who give up: whom a busy machine answers a twentieth late or more is not taken for one.
const GAVE_UP: f64 = 0.05;

/// A name that no other process of this machine has.
fn service(rig: Rig) -> String {
    format!("compat-{}", rig.name())
}

/// A gauge: the series, and what the library has for it.
type Gauge = (&'static str, fn(&Counters) -> Option<u32>);

const USED: fn(&Counters) -> Option<u32> = |own| own.used;
const IDLE: fn(&Counters) -> Option<u32> = |own| own.idle;
const WAIT: fn(&Counters) -> Option<u32> = |own| own.waiting;
const TOTAL: fn(&Counters) -> Option<u32> = |own| own.total;
/// What it was told when it was opened.
const MOST: fn(&Counters) -> Option<u32> = |_| Some(POOL);

const LEAST: fn(&Counters) -> Option<u32> = |_| Some(IDLE_AT_LEAST);

/// Of every service.
const LIBRARY: [Gauge; 3] = [
    ("db_pool_connections{state=\"active\",service=\"SERVICE\"}", USED),
    ("db_pool_connections{state=\"idle\",service=\"SERVICE\"}", IDLE),
    ("db_pool_connections{state=\"max\",service=\"SERVICE\"}", MOST),
];
const NODE_PG: [Gauge; 4] = [
    ("db_pool_active_connections{service_name=\"SERVICE\"}", USED),
    ("db_pool_idle_connections{service_name=\"SERVICE\"}", IDLE),
    ("db_pool_max_connections{service_name=\"SERVICE\"}", MOST),
    ("db_pool_waiting_connections{service_name=\"SERVICE\"}", WAIT),
];
const HIKARI: [Gauge; 6] = [
    ("hikaricp_connections{application=\"SERVICE\"}", TOTAL),
    ("hikaricp_connections_active{application=\"SERVICE\"}", USED),
    ("hikaricp_connections_idle{application=\"SERVICE\"}", IDLE),
    ("hikaricp_connections_pending{application=\"SERVICE\"}", WAIT),
    ("hikaricp_connections_max{application=\"SERVICE\"}", MOST),
    ("hikaricp_connections_min{application=\"SERVICE\"}", LEAST),
];
const PRISMA: [Gauge; 4] = [
    ("prisma_pool_active_connections{service_name=\"SERVICE\"}", USED),
    ("prisma_pool_idle_connections{service_name=\"SERVICE\"}", IDLE),
    ("prisma_pool_waiting_requests{service_name=\"SERVICE\"}", WAIT),
    // In connections of the five.
    ("prisma_pool_utilization_percent{service_name=\"SERVICE\"} / 20", USED),
];

fn gauges(rig: Rig) -> impl Iterator<Item = Gauge> {
    let own: &[Gauge] = match rig {
        Rig::Hikari => &HIKARI,
        Rig::Prisma => &PRISMA,
        _ => &NODE_PG,
    };
    own.iter().chain(&LIBRARY).copied()
}

/// A number that only grows: the series, what the library's users noted, and how far off it may be.
struct Count {
    series: &'static str,
    own: f64,
    allowed: f64,
}

fn counts(rig: Rig, books: &Books) -> Vec<Count> {
    let served = books.ended(End::Served) as f64;
    let timed_out = books.ended(End::TimedOut) as f64;
    let seconds = |of: fn(&Borrower) -> i128| {
        books.borrowers.iter().filter(|b| b.end == End::Served).map(of).sum::<i128>() as f64 / 1e9
    };
    let waited = seconds(|b| b.got - b.asked);
    let used = seconds(|b| b.back - b.got);
    let slow = books.borrowers.iter().filter(|b| b.back - b.got > SLOW).count() as f64;
    let opened = books.counters.iter().filter_map(|own| own.total).max().map_or(0.0, f64::from);
    let of_waits = Bounds::asked(rig, rig.evidence()).relative;
    let count = |series, own, allowed| Count { series, own, allowed };
    let mut counts = vec![
        count("db_pool_acquire_duration_seconds_count{service=\"SERVICE\"}", served, COUNT),
        count("db_pool_acquire_duration_seconds_sum{service=\"SERVICE\"}", waited, of_waits),
        count(
            "db_pool_connection_errors_total{error_type=\"timeout\",service=\"SERVICE\"}",
            timed_out,
            GAVE_UP,
        ),
        count("db_pool_connection_errors_total{error_type=\"closed\",service=\"SERVICE\"}", 0.0, COUNT),
        count("db_pool_connection_errors_total{error_type=\"other\",service=\"SERVICE\"}", 0.0, COUNT),
    ];
    match rig {
        // HikariCP asks a connection that was idle for half a second whether it lives before it lends it, and pgjdbc sets up
        // what it has opened: neither is a borrowing of its own.
        Rig::Hikari => counts.extend([
            count("hikaricp_connections_usage_seconds_count{application=\"SERVICE\"}", served, COUNT),
            count("hikaricp_connections_usage_seconds_sum{application=\"SERVICE\"}", used, of_waits),
            count("hikaricp_connections_acquire_seconds_count{application=\"SERVICE\"}", served, COUNT),
            count("hikaricp_connections_acquire_seconds_sum{application=\"SERVICE\"}", waited, of_waits),
            count("hikaricp_connections_creation_seconds_count{application=\"SERVICE\"}", opened, COUNT),
            count("hikaricp_connections_timeout_total{application=\"SERVICE\"}", timed_out, GAVE_UP),
        ]),
        Rig::Prisma => counts.extend([
            // One query each.
            count("prisma_query_duration_seconds_count{service_name=\"SERVICE\"}", served, COUNT),
            count("prisma_slow_queries_total{service_name=\"SERVICE\"}", slow, COUNT),
        ]),
        _ => {}
    }
    counts
}

/// One comparison, printed; what is wrong with it.
fn compare(
    prometheus: &Prometheus,
    rig: Rig,
    when: &str,
    series: &str,
    own: f64,
    allowed: f64,
) -> Result<Option<String>> {
    let expression = series.replace("SERVICE", &service(rig));
    let seen = prometheus.value(&expression)?;
    let line = format!("{when:<9} {expression}: {seen:?}, the library {own}");
    println!("{line}");
    let right = seen.is_some_and(|seen| (seen - own).abs() <= allowed + 1e-9);
    Ok((!right).then_some(line))
}

/// Every gauge of every pool.
fn gauges_are_right(prometheus: &Prometheus, rigs: &[Running], when: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for rig in rigs {
        let own = own(rig)?;
        for (series, of) in gauges(rig.rig) {
            let own = f64::from(of(&own).context("the library counts it")?);
            wrong.extend(compare(prometheus, rig.rig, when, series, own, GAUGE)?);
        }
    }
    Ok(wrong)
}

fn counts_are_right(prometheus: &Prometheus, rigs: &[Running]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for rig in rigs {
        for Count { series, own, allowed } in counts(rig.rig, &rig.books()?) {
            wrong.extend(compare(prometheus, rig.rig, "in all", series, own, allowed * own)?);
        }
    }
    Ok(wrong)
}

/// What the library counts now.
fn own(rig: &Running) -> Result<Counters> {
    rig.books()?.counters.last().copied().context("it counts")
}

fn until_own(rig: &Running, what: &str, is: impl Fn(&Counters) -> bool) -> Result<()> {
    let what = format!("{}: {what}", rig.rig.name());
    clock::until(Duration::from_secs(10), &what, || Ok(is(&own(rig)?).then_some(())))
}

fn load(rigs: &[Running]) -> Result<()> {
    let load =
        Load { arrivals: Arrivals::Single(60.0), mix: Mix::A, ms: 30.0, even: true, seconds: 10.0, seed: 3 };
    thread::scope(|scope| {
        let runs: Vec<_> = rigs.iter().map(|rig| scope.spawn(move || load.run(&rig.target))).collect();
        runs.into_iter()
            .try_for_each(|run| run.join().map_err(|_| anyhow!("a panic under load"))??.all_good())
    })
}

/// Every connection used and four borrowers waiting, held; what is wrong then.
fn saturated(prometheus: &Prometheus, rigs: &[Running]) -> Result<Vec<String>> {
    let page = |ms| Page { route: "plain", ms, ..Page::default() };
    thread::scope(|scope| {
        let ask = |rig: &Running, number, ms| {
            let target = rig.target.clone();
            scope.spawn(move || at_once(&target, number, page(ms)))
        };
        let mut asked: Vec<_> = rigs.iter().map(|rig| ask(rig, POOL, HOLDING)).collect();
        for rig in rigs {
            until_own(rig, "all used", |own| own.used == Some(POOL))?;
            asked.push(ask(rig, WAITING, 10.0));
        }
        for rig in rigs {
            until_own(rig, "four wait", |own| own.waiting == Some(WAITING))?;
        }
        clock::pause(HELD);
        let wrong = gauges_are_right(prometheus, rigs, "saturated")?;
        for asked in asked {
            asked.join().map_err(|_| anyhow!("a panic under load"))??.all_good()?;
        }
        Ok(wrong)
    })
}

/// Pools that had a borrower each; borrowers give up after so many milliseconds.
fn start(rigs: &[Rig], server: &Server, patience: Option<u32>) -> Result<Vec<Running>> {
    let start = |rig: &Rig| {
        let min = ("SPRING_DATASOURCE_HIKARI_MINIMUM_IDLE", IDLE_AT_LEAST.to_string());
        let environment = vec![("OTEL_SERVICE_NAME", service(*rig)), min];
        let plan = Plan { pool: POOL, environment, ..Plan::new(*rig, Mix::A, Level::LIGHT) };
        Running::start(&Plan { patience: patience.unwrap_or(plan.patience), ..plan }, server)
    };
    let rigs: Vec<Running> = rigs.iter().map(start).collect::<Result<_>>()?;
    // A process is listened to from its first connection on: the wait of whoever is served by that is unknown.
    for rig in &rigs {
        at_once(&rig.target, 1, Page { route: "plain", ms: 30.0, ..Page::default() })?.all_good()?;
    }
    Ok(rigs)
}

/// All connections are held for longer than anybody waits, by turns.
fn give_up(rig: &Running) -> Result<()> {
    let page = |ms| Page { route: "plain", ms, ..Page::default() };
    thread::scope(|scope| {
        let held = scope.spawn(|| at_once(&rig.target, POOL, page(HELD_ON)));
        until_own(rig, "all used", |own| own.used == Some(POOL))?;
        // By the library's count; the server is asked a moment later.
        clock::pause(Duration::from_millis(100));
        at_once(&rig.target, GIVING_UP, page(10.0))?;
        held.join().map_err(|_| anyhow!("a panic under load"))??.all_good()
    })
}

#[test]
fn time_outs_are_what_the_library_says() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Prometheus);
    need!(Feature::Node, Feature::Hikari, Feature::Prisma);
    let server = Server::start()?;
    server.role(USER)?;
    let agent = Agent::start(["--service", "compat-*", "--pool-max", &POOL.to_string()])?;
    let config = prometheus::with_compat(prometheus::example(&agent, None)?)?;
    let prometheus = Prometheus::start(config.text())?;
    let rigs = start(&[Rig::NodePg, Rig::Hikari, Rig::Prisma], &server, Some(PATIENCE))?;
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            let all: Vec<_> = rigs.iter().map(|rig| scope.spawn(|| give_up(rig))).collect();
            all.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a panic"))?)
        })?;
    }
    clock::pause(HELD);
    for rig in &rigs {
        let gave_up = rig.books()?.ended(End::TimedOut);
        let all = (ROUNDS * GIVING_UP) as usize;
        ensure!(gave_up == all, "{}: {gave_up} of {all} gave up", rig.rig.name());
    }
    let mut wrong = counts_are_right(&prometheus, &rigs)?;
    // How each of so few waited is another question.
    wrong.retain(|line| line.contains("timeout"));
    ensure!(wrong.is_empty(), "not as the library says:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn compat_series_are_what_the_library_says() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Prometheus);
    need!(Feature::Node, Feature::Hikari, Feature::Prisma);
    let server = Server::start()?;
    server.role(USER)?;
    let agent = Agent::start(["--service", "compat-*", "--pool-max", &POOL.to_string()])?;
    let config = prometheus::with_compat(prometheus::example(&agent, None)?)?;
    let prometheus = Prometheus::start(config.text())?;
    let rigs = start(&[Rig::NodePg, Rig::Hikari, Rig::Prisma], &server, None)?;
    load(&rigs)?;
    let mut wrong = saturated(&prometheus, &rigs)?;
    for rig in &rigs {
        until_own(rig, "rest", |own| own.used == Some(0) && own.waiting == Some(0))?;
    }
    clock::pause(HELD);
    wrong.extend(gauges_are_right(&prometheus, &rigs, "at rest")?);
    wrong.extend(counts_are_right(&prometheus, &rigs)?);
    ensure!(wrong.is_empty(), "not as the library says:\n{}", wrong.join("\n"));
    Ok(())
}
