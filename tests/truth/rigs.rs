//! The rigs themselves: their books agree with their library's own counters, and a load is as hard as it says.
//!
//! Without this, a row of accuracy would compare poolwatch with nothing.

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    truth::{
        books::{Counters, Steps, Window},
        mix::Mix,
        rig::Rig,
        run::{Level, Outcome, Plan},
    },
};

const POOL: u32 = 5;

/// Mean of the library's counter, of the books at the same moments, and of their absolute difference.
fn against(
    outcome: &Outcome,
    steps: &Steps,
    of: impl Fn(&Counters) -> Option<u32>,
) -> Option<(f64, f64, f64)> {
    let Window { from, to } = outcome.window;
    let inside = outcome.books.counters.iter().filter(|counters| from <= counters.at && counters.at < to);
    let pairs: Vec<(f64, f64)> =
        inside.filter_map(|counters| Some((f64::from(of(counters)?), steps.at(counters.at) as f64))).collect();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    (!pairs.is_empty()).then(|| (mean(&|pair| pair.0), mean(&|pair| pair.1), mean(&|p| (p.0 - p.1).abs())))
}

fn books_are_the_librarys(rig: Rig) -> Result<()> {
    let plan = Plan { rig, mix: Mix::B, level: Level::Rho(0.8), ms: 30.0, pool: POOL, seconds: 10.0, seed: 5 };
    let outcome = plan.run_alone()?;
    outcome.answers.all_good()?;
    let waits = outcome.books.waits().context("borrowers")?;
    let (waiting, used) = (outcome.books.waiting(), outcome.books.used());
    let share = used.mean(outcome.window) / f64::from(POOL);
    println!(
        "{}: {} answers, {} leases, each {:.2} ms longer than asked; {waits:?}; ρ {share:.3}, waiting {:.3}",
        rig.name(),
        outcome.answers.total(),
        waits.count,
        outcome.overhead,
        waiting.mean(outcome.window)
    );
    ensure!((0.6..=1.0).contains(&share), "the load uses {share:.2} of the pool, not about 0.8");
    ensure!(outcome.overhead < 5.0, "a borrower costs {:.2} ms more than it asks for", outcome.overhead);
    ensure!(used.most() <= POOL as usize, "more used than there are: the books are wrong");
    let own = against(&outcome, &used, |counters| counters.used).context("every library counts these")?;
    println!("  used: library {:.3}, books {:.3}, MAE {:.3}", own.0, own.1, own.2);
    ensure!((own.0 - own.1).abs() <= 0.15 && own.2 <= 0.3, "the library counts otherwise");
    if let Some(own) = against(&outcome, &waiting, |counters| counters.waiting) {
        println!("  waiting: library {:.3}, books {:.3}, MAE {:.3}", own.0, own.1, own.2);
        ensure!((own.0 - own.1).abs() <= 0.1 + 0.05 * own.1, "the library counts otherwise");
    }
    Ok(())
}

/// One test for each rig.
macro_rules! rigs {
    ($($test:ident: $rig:expr),+ $(,)?) => {
        $(#[test]
        fn $test() -> Result<()> {
            need!(Feature::Postgres, $rig.feature());
            books_are_the_librarys($rig)
        })+
    };
}

rigs! {
    node_pg_notes_what_it_counts: Rig::NodePg,
    sqlalchemy_notes_what_it_counts: Rig::SqlAlchemy,
    hikari_notes_what_it_counts: Rig::Hikari,
    asyncpg_notes_what_it_counts: Rig::Asyncpg,
    database_sql_notes_what_it_counts: Rig::GoSql,
    sqlx_notes_what_it_counts: Rig::Sqlx,
    pgxpool_notes_what_it_counts: Rig::PgxPool,
    psycopg_pool_notes_what_it_counts: Rig::Psycopg,
    deadpool_notes_what_it_counts: Rig::Deadpool,
}
