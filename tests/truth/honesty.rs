//! Where poolwatch cannot know, it says so: loads and situations that make waits hard to see from outside.
//!
//! Each test prints what was true and what was said. In each, a figure that misses the bounds of the short form must
//! be one that poolwatch itself does not trust.

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    place,
    truth::{
        books::{Books, End, Steps},
        compare::{Bounds, row},
        mix::Mix,
        outside::PoolSample,
        rig::{Rig, SECOND},
        row::Row,
        run::{Attach, Level, Outcome, Plan},
    },
};

mod inbound;
mod multiplexed;

/// Below this, poolwatch does not trust itself.
const TRUSTED: f64 = 0.5;

/// What is missed is not trusted.
fn honest(rig: Rig, row: &Row) -> Result<()> {
    println!("{}", row.line());
    let judged = Bounds::short(rig).judge(row);
    let of = [row.seen.confidence, row.seen.confidence, row.seen.pending_confidence];
    for (judged, confidence) in judged.iter().zip(of) {
        println!("  {judged:?}, confidence {confidence:?}");
        let silent = judged.error.is_none();
        let doubted = confidence.is_some_and(|confidence| confidence < TRUSTED);
        ensure!(silent || doubted || judged.share() <= 1.0, "{} is wrong and trusted", judged.what);
    }
    Ok(())
}

/// Something is said of waits at all.
fn tells(row: &Row) -> Result<()> {
    ensure!(row.seen.pending.is_some() && row.seen.mean.is_some(), "nothing is said of waits");
    Ok(())
}

fn honest_and_tells(plan: &Plan) -> Result<()> {
    let outcome = plan.run()?;
    outcome.answers.all_good()?;
    let row = row(&outcome);
    honest(plan.rig, &row)?;
    tells(&row)
}

/// Time before the pool that varies looks like a wait to who sees no thread wait: the confidence is low.
fn varying_time_before_the_pool(rig: Rig) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, rig.feature());
    let row = row(&Plan { pool: 7, ..Plan::new(rig, Mix::V, Level::Closed) }.run()?);
    honest(rig, &row)?;
    tells(&row)?;
    let sure = row.seen.confidence.into_iter().chain(row.seen.pending_confidence).fold(0.0, f64::max);
    ensure!(sure < TRUSTED, "it trusts itself by {sure}");
    Ok(())
}

#[test]
fn varying_time_before_node_pg_lowers_the_confidence() -> Result<()> {
    varying_time_before_the_pool(Rig::NodePg)
}

#[test]
fn varying_time_before_asyncpg_lowers_the_confidence() -> Result<()> {
    varying_time_before_the_pool(Rig::Asyncpg)
}

/// Threads that wait are seen to wait: nothing else is taken for it.
#[test]
fn varying_time_before_hikari_is_told_from_waits() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::Hikari.feature());
    let row = row(&Plan { pool: 7, ..Plan::new(Rig::Hikari, Mix::V, Level::Closed) }.run()?);
    println!("{}", row.line());
    let missed = Bounds::short(Rig::Hikari).missed(&row);
    ensure!(missed.is_empty(), "{}", missed.join("\n"));
    Ok(())
}

/// Requests cannot be read, only that bytes come and go.
#[test]
fn inbound_tls_hides_routes_and_not_waits() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::Asyncpg.feature());
    let directory = place::scratch()?;
    let (environment, tls) = inbound::certificate(directory.path())?;
    let plan = Plan { environment, tls: Some(tls), ..Plan::new(Rig::Asyncpg, Mix::B, Level::Rho(0.7)) };
    honest_and_tells(&plan)
}

/// Many demands on one socket are known by their streams, of which no route can be read.
fn over_http2(attach: Attach) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::NodePg.feature());
    let environment = vec![("H2C", "1".to_owned())];
    let plan = Plan { environment, attach, ..Plan::new(Rig::NodePg, Mix::A, Level::Closed) };
    let outcome = plan.run_under(&[], |rig, _| multiplexed::load(rig))?;
    let row = row(&outcome);
    ensure!(row.truth.pending > 2.0, "hardly anybody waits: {}", row.truth.pending);
    honest(plan.rig, &row)?;
    tells(&row)?;
    let missed = Bounds::short(plan.rig).missed(&row);
    ensure!(missed.is_empty(), "{missed:?}");
    Ok(())
}

#[test]
fn demands_over_http2_are_known_by_their_streams() -> Result<()> {
    over_http2(Attach::AtRest)
}

/// Nobody saw the connection's preface.
#[test]
fn demands_over_an_older_connection_of_http2() -> Result<()> {
    over_http2(Attach::Amid(2.0))
}

/// Connections and requests are older than the agent, and the queue never ends.
#[test]
fn attached_amid_saturation() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::NodePg.feature());
    let plan =
        Plan { attach: Attach::Amid(5.0), seconds: 20.0, ..Plan::new(Rig::NodePg, Mix::A, Level::Closed) };
    honest_and_tells(&plan)
}

/// Who gives up has waited until then: the count has it, the histogram has only who was served.
fn borrowers_that_give_up(rig: Rig) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, rig.feature());
    let plan = Plan { patience: 150, ..Plan::new(rig, Mix::A, Level::Rho(1.2)) };
    let outcome = plan.run()?;
    let row = row(&outcome);
    println!("gave up: {}, poolwatch says {:?}", row.truth.timeouts, row.seen.timeouts);
    ensure!(outcome.books.ended(End::TimedOut) > 20, "too few give up to tell");
    let (truth, told) = (row.truth.timeouts as f64, row.seen.timeouts.context("it is counted")?);
    ensure!((told - truth).abs() <= 0.1 * truth, "{told} instead of {truth} gave up");
    honest(plan.rig, &row)?;
    tells(&row)
}

#[test]
fn borrowers_of_node_pg_that_give_up() -> Result<()> {
    borrowers_that_give_up(Rig::NodePg)
}

/// The library's own probes tell that it lent nothing.
#[test]
fn borrowers_of_database_sql_that_give_up() -> Result<()> {
    borrowers_that_give_up(Rig::GoSql)
}

#[test]
fn borrowers_of_pgxpool_that_give_up() -> Result<()> {
    borrowers_that_give_up(Rig::PgxPool)
}

/// Four users with two of five connections each: somebody always gets on. A connection that is held while another
/// one is waited for and used shows nothing on the wire: used is too low by as many as do that.
fn requests_that_hold_two(rig: Rig) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, rig.feature());
    let plan = Plan::new(rig, Mix::Two, Level::Users(4));
    let outcome = plan.run()?;
    outcome.answers.all_good()?;
    let second = outcome.books.of(|route| route == "two-second");
    println!("second connections: {:?}", second.waits().context("second borrowers")?);
    let unseen = second.waiting().mean(outcome.window) + second.used().mean(outcome.window);
    let row = row(&outcome);
    let off = row.seen.used_error.context("connections are used")?;
    println!("used is off by {off:.2}; {unseen:.2} have or wait for their second");
    ensure!(off <= unseen + 0.5, "used is off by more");
    honest(rig, &row)
}

#[test]
fn a_request_that_holds_two_connections_of_node_pg() -> Result<()> {
    requests_that_hold_two(Rig::NodePg)
}

#[test]
fn a_request_that_holds_two_connections_of_sqlalchemy() -> Result<()> {
    requests_that_hold_two(Rig::SqlAlchemy)
}

/// Mean absolute error of a count of one pool, over the samples that have it.
fn error(
    outcome: &Outcome,
    database: &str,
    truth: &Steps,
    of: fn(&PoolSample) -> Option<f64>,
) -> Option<f64> {
    let seen = outcome.seen.as_ref()?;
    let named = |pool: &&PoolSample| pool.database.as_deref() == Some(database);
    let errors = seen.samples.iter().filter_map(|sample| {
        Some((of(sample.pools.iter().find(named)?)? - truth.at(sample.at) as f64).abs())
    });
    let errors: Vec<f64> = errors.collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// Two pools of one process to two databases: each has its own numbers. Which of them a request waits for is seen only
/// when it goes on, so a count of waiting requests that is wrong must not be trusted.
#[test]
fn two_pools_in_one_process() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::NodePg.feature());
    let environment = vec![("SECOND_POOL", "3".to_owned())];
    let attach = Attach::FromBirth;
    let plan = Plan { environment, attach, ..Plan::new(Rig::NodePg, Mix::Apart, Level::Rho(0.9)) };
    let outcome = plan.run()?;
    outcome.answers.all_good()?;
    let of = |second: bool| -> Books { outcome.books.of(|route| (route == "second") == second) };
    for (database, books) in [("postgres", of(false)), (SECOND, of(true))] {
        let (waiting, used) = (books.waiting(), books.used());
        let used_error = error(&outcome, database, &used, |pool| Some(f64::from(pool.used)));
        let pending = |pool: &PoolSample| pool.pending.as_ref().map(|(value, ..)| *value);
        let pending_error = error(&outcome, database, &waiting, pending);
        let queue = waiting.mean(outcome.window);
        let seen = outcome.seen.as_ref().context("it was watched")?;
        let last = seen.samples.last().context("samples")?;
        let pool = last.pools.iter().find(|pool| pool.database.as_deref() == Some(database));
        let sure = pool.and_then(|pool| pool.pending.as_ref()).map(|(.., confidence)| *confidence);
        println!(
            "{database}: used {:.2} MAE {used_error:?}; waiting {queue:.2} MAE {pending_error:?}, confidence {sure:?}; {:?}",
            used.mean(outcome.window),
            books.waits()
        );
        ensure!(used_error.is_some_and(|error| error <= 0.5), "{database}: used is off by {used_error:?}");
        let right = pending_error.is_none_or(|error| error <= 0.5 + 0.1 * queue);
        ensure!(right || sure.is_some_and(|sure| sure < TRUSTED), "{database}: waiting is wrong and trusted");
    }
    Ok(())
}
