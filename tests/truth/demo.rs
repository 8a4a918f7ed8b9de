//! What poolwatch shows of a pool is what the pool's own library counts, at the same moment.
//!
//! The application notes every change of its pool with the time; the agent's answers carry the moment that
//! they speak of. Both clocks are the kernel's, so each answer is compared with the note in force then.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    app::{App, Kind, Load, Pool, Truth},
    clock,
    handover::Handovers,
    need,
    need::Feature,
    pools::Connections,
    postgres::{Server, Way},
};

const POOL: u32 = 10;
const MEAN_MILLISECONDS: f64 = 30.0;
const SHARES: [f64; 3] = [0.30, 0.70, 0.95];
/// Length of one load, and of one rest.
const LOADED: f64 = 11.0;
const RESTING: Duration = Duration::from_secs(3);
/// 25 answers a second.
const STEP: Duration = Duration::from_millis(40);
const LEAST_RATE: f64 = 20.0;
/// Connections, on average.
const ALLOWED: f64 = 0.1;
/// A borrowing begins and ends; the library notes each before or after the wire, and for each two threads take turns.
const HANDOVERS: f64 = 4.0;

/// One answer of the agent.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// The moment that it speaks of, nanoseconds of `CLOCK_MONOTONIC`.
    at: i128,
    seen: Connections,
}

/// How far the answers of one phase are off.
#[derive(Clone, Copy, Debug)]
struct Difference {
    samples: usize,
    /// Answers per second.
    rate: f64,
    /// Share of answers with the same used, idle and total.
    equal: f64,
    used: f64,
    idle: f64,
    total: f64,
    /// Mean of seen − true: a delay on one side shows here.
    bias: f64,
    /// Mean of the true used.
    busy: f64,
}

/// Asks the agent until told to stop.
fn watch(agent: &Agent, app: &App, stop: impl Fn() -> bool) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut due = clock::Deadline::after(STEP);
    while !stop() {
        let pools = agent.pools()?;
        let at = pools.at()? - clock::offset();
        let mut of_app = pools.pools.iter().filter(|pool| pool.process.pid == app.pid());
        let (pool, second) = (of_app.next(), of_app.next());
        ensure!(second.is_none(), "a second pool of the application: {second:?}");
        let seen = pool.map(|pool| pool.connections).unwrap_or_default();
        ensure!(seen.adds_up(), "{seen:?}");
        samples.push(Sample { at, seen });
        clock::pause(due.left());
        due = clock::Deadline::after(STEP);
    }
    Ok(samples)
}

fn compare(samples: &[Sample], truth: &Truth) -> Result<Difference> {
    ensure!(samples.len() > 1, "no samples");
    ensure!(samples.is_sorted_by_key(|sample| sample.at), "time goes backwards in the answers");
    let pairs: Vec<_> =
        samples.iter().filter_map(|sample| Some((sample.seen, truth.at(sample.at)?))).collect();
    ensure!(pairs.len() == samples.len(), "the application's notes begin too late");
    let mean = |of: &dyn Fn(&Connections, u32, u32) -> f64| {
        pairs.iter().map(|(seen, (used, total))| of(seen, *used, *total)).sum::<f64>() / pairs.len() as f64
    };
    let off = |one: u32, other: u32| f64::from(one.abs_diff(other));
    let (first, last) = (samples.first().map_or(0, |s| s.at), samples.last().map_or(0, |s| s.at));
    Ok(Difference {
        samples: samples.len(),
        rate: (samples.len() - 1) as f64 / ((last - first) as f64 / 1e9),
        equal: mean(&|seen, used, total| {
            f64::from(u8::from(seen.used == used && seen.total == total && seen.idle == total - used))
        }),
        used: mean(&|seen, used, _| off(seen.used, used)),
        idle: mean(&|seen, used, total| off(seen.idle, total - used)),
        total: mean(&|seen, _, total| off(seen.total, total)),
        bias: mean(&|seen, used, _| f64::from(seen.used) - f64::from(used)),
        busy: mean(&|_, used, _| f64::from(used)),
    })
}

fn report(kind: Kind, phase: &str, d: &Difference) {
    println!(
        "{kind:?} {phase:<12} {:>4} samples {:>5.1}/s  mean used {:>5.2}  equal {:>6.2} %  MAE used {:.4} idle {:.4} \
         total {:.4}  bias {:+.4}",
        d.samples,
        d.rate,
        d.busy,
        d.equal * 100.0,
        d.used,
        d.idle,
        d.total,
        d.bias
    );
}

/// Samples while `work` runs.
fn watch_during<T: Send>(
    agent: &Agent,
    app: &App,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<(Vec<Sample>, T)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let made = work();
            done.store(true, Ordering::Release);
            made
        });
        let samples = watch(agent, app, || done.load(Ordering::Acquire));
        let made = worker.join().map_err(|_| anyhow::anyhow!("a panic under load"))??;
        Ok((samples?, made))
    })
}

fn at_rest(kind: Kind, agent: &Agent, app: &App, phase: &str) -> Result<()> {
    let end = clock::Deadline::after(RESTING);
    let samples = watch(agent, app, || end.passed())?;
    let d = compare(&samples, &app.truth()?)?;
    report(kind, phase, &d);
    ensure!(d.rate >= LEAST_RATE, "sampled only {:.1} times a second", d.rate);
    ensure!(d.equal >= 0.99, "only {:.2} % equal at rest", d.equal * 100.0);
    Ok(())
}

/// Three borrowers keep their connections: nothing changes, and not everything is idle.
fn at_rest_with_three_borrowed(kind: Kind, agent: &Agent, app: &App) -> Result<()> {
    let (samples, ()) = watch_during(agent, app, || app.borrow_at_once(3, 5000))?;
    let truth = app.truth()?;
    // The three come and go at the ends of this phase; between, the pool is at rest.
    let still: Vec<_> = samples.into_iter().filter(|sample| truth.at_rest(sample.at, 100_000_000)).collect();
    let d = compare(&still, &truth)?;
    report(kind, "rest, 3 used", &d);
    ensure!(d.samples as f64 >= 4.0 * LEAST_RATE && d.busy > 2.5, "three are used most of the time");
    ensure!(d.equal >= 0.99, "only {:.2} % equal at rest", d.equal * 100.0);
    Ok(())
}

fn under_load(kind: Kind, agent: &Agent, app: &App, share: f64) -> Result<()> {
    let rate = share * f64::from(POOL) / (MEAN_MILLISECONDS / 1e3);
    let load = Load { rate, mean_milliseconds: MEAN_MILLISECONDS, seconds: LOADED, seed: 11 };
    let handovers = Handovers::watch();
    let (samples, summary) = watch_during(agent, app, || load.run(app))?;
    let handover = handovers.end()?.mean;
    let allowed = ALLOWED.max(HANDOVERS * rate * handover / 1e3);
    let d = compare(&samples, &app.truth()?)?;
    report(kind, &format!("{:.0} % load", share * 100.0), &d);
    println!("{kind:?}              {summary:?}; a hand-over of threads takes {handover:.3} ms");
    let longer = samples.last().map_or(0, |s| s.at) - samples.first().map_or(0, |s| s.at) >= 10_000_000_000;
    ensure!(longer && d.rate >= LEAST_RATE, "too few samples: {:.1} a second", d.rate);
    let least = share * f64::from(POOL) * 0.75;
    ensure!(d.busy >= least, "the load used {:.2} connections on average, not {least:.2}", d.busy);
    for (what, error) in [("used", d.used), ("idle", d.idle), ("total", d.total)] {
        let share = share * 100.0;
        ensure!(
            error <= allowed,
            "{what} is off by {error:.4} connections on average at {share:.0} %, above {allowed:.3}"
        );
    }
    Ok(())
}

fn occupancy_is_the_librarys_own(kind: Kind) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python, kind.feature());
    let server = Server::start()?;
    server.role("app")?;
    let agent = Agent::start::<&str>([])?;
    let pool = Pool { way: Way::Tcp4, user: "app", database: "postgres", size: POOL };
    let app = App::start(kind, "demo", &server, &pool)?;
    app.borrow_at_once(POOL, 300)?;
    at_rest(kind, &agent, &app, "rest")?;
    at_rest_with_three_borrowed(kind, &agent, &app)?;
    for share in SHARES {
        under_load(kind, &agent, &app, share)?;
        at_rest(kind, &agent, &app, "rest after")?;
    }
    Ok(())
}

#[test]
fn occupancy_of_node_pg_is_its_own_count() -> Result<()> {
    occupancy_is_the_librarys_own(Kind::Node)
}

#[test]
fn occupancy_of_sqlalchemy_is_its_own_count() -> Result<()> {
    occupancy_is_the_librarys_own(Kind::Python)
}
