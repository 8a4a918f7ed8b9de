//! Durations against each driver's own clock: the time around its call, and the time from the request's first
//! byte to `ReadyForQuery` that the agent recorded, for queries of 1 ms to 2 s and answers in many pieces.
//!
//! Both are moments of `CLOCK_MONOTONIC`, so a call is matched with the requests inside it, not by order. A driver with
//! threads of its own is woken twice in a call, and its clock is read after that: where the machine takes longer for such
//! hand-overs than the bound says, as two threads beside the driver measure, that is the bound.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    handover::Handovers,
    need,
    need::Feature,
    wire::{
        driver::{self, Driver},
        run::{For, Run},
        seen::Timed,
    },
};

/// Differences of single calls, in nanoseconds.
type Differences = Vec<i128>;

/// In a call, and one more for the driver's own work.
const HANDOVERS: f64 = 3.0;

/// What the client measured beyond what the agent did.
fn difference(call: Timed, requests: &[Timed]) -> Result<i128> {
    let (first, last) = requests.first().zip(requests.last()).context("no request inside the call")?;
    ensure!(first.started >= call.started, "a request began before its call");
    Ok((call.ended - call.started) - (last.ended - first.started))
}

fn at(sorted: &Differences, share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1) as f64 * share).round();
    sorted.iter().enumerate().find(|(n, _)| *n as f64 >= place).map_or(f64::NAN, |(_, ns)| *ns as f64 / 1e6)
}

fn durations_are_the_clients(driver: &Driver, median_ms: f64, p99_ms: Option<f64>) -> Result<()> {
    let handovers = Handovers::watch();
    let run = Run::of(driver, For::Durations)?;
    let handovers = handovers.end()?;
    let mut all = Differences::new();
    let mut told = String::new();
    let mut kinds: Vec<(&str, Differences)> = Vec::new();
    for (call, what) in run.calls() {
        let one = difference(call, run.inside(call)?).with_context(|| format!("{what}: {call:?}"))?;
        all.push(one);
        match kinds.iter_mut().find(|(kind, _)| *kind == what) {
            Some((_, of)) => of.push(one),
            None => kinds.push((what, vec![one])),
        }
    }
    for (what, of) in &mut kinds {
        of.sort_unstable();
        write!(told, "; {what}: {} calls, median {:.3}, most {:.3}", of.len(), at(of, 0.5), at(of, 1.0))?;
    }
    all.sort_unstable();
    let (median, p99) = (at(&all, 0.5), at(&all, 0.99));
    let median_ms = median_ms.max(HANDOVERS * handovers.median);
    let p99_ms = p99_ms.map(|most| most.max(HANDOVERS * handovers.p99));
    println!(
        "{} {}: client - poolwatch in ms over {} calls: median {median:.3}, p99 {p99:.3}{told}; a hand-over \
         beside it: median {:.3}, p99 {:.3}",
        run.own.driver,
        run.own.version,
        all.len(),
        handovers.median,
        handovers.p99
    );
    ensure!(kinds.len() == 6 && all.len() >= 300, "{} calls of {} kinds", all.len(), kinds.len());
    ensure!(at(&all, 0.0) >= 0.0, "a request took longer than its call");
    ensure!(median <= median_ms, "the median difference is {median:.3} ms, above {median_ms}");
    ensure!(p99_ms.is_none_or(|most| p99 <= most), "the p99 of the difference is {p99:.3} ms");
    ensure!(run.seen.lost.is_empty() && run.seen.unparsed.is_empty(), "lost or unparsed");
    Ok(())
}

/// One test for each driver: its median in milliseconds, and its p99 where there is one to keep.
macro_rules! durations {
    ($($test:ident: $driver:ident, $median:expr, $p99:expr;)+) => {
        /// Each watches one process alone, and waits more than it works.
        mod together {
            use super::*;

            $(#[test]
            fn $test() -> Result<()> {
                need!(Feature::Probes, Feature::Postgres, driver::$driver.feature());
                durations_are_the_clients(&driver::$driver, $median, $p99)
            })+
        }
    };
}

durations! {
    libpq_durations: LIBPQ, 0.2, Some(1.0);
    tokio_postgres_durations: TOKIO_POSTGRES, 0.2, Some(1.0);
    psycopg3_durations: PSYCOPG3, 0.5, None;
    psycopg2_durations: PSYCOPG2, 0.5, None;
    asyncpg_durations: ASYNCPG, 0.5, None;
    node_pg_durations: NODE_PG, 0.5, None;
    postgres_js_durations: POSTGRES_JS, 0.5, None;
    pgjdbc_durations: PGJDBC, 0.5, None;
    pgx_durations: PGX, 0.5, None;
    lib_pq_durations: LIB_PQ, 0.5, None;
    sqlx_durations: SQLX, 0.5, None;
    ruby_pg_durations: RUBY_PG, 0.5, None;
    php_pdo_durations: PHP_PDO, 0.5, None;
}
