//! The rigs themselves: their books agree with their library's own counters, and a load is as hard as it says.
//!
//! Without this, a row of accuracy would compare poolwatch with nothing.

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    handover::Handovers,
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
/// Connections on their way from one borrower to the next, or back into the pool by a task of the library's own
/// (sqlx pings them first): some hundred times a second, for a millisecond or two on a busy machine.
const HANDED_OVER: f64 = 0.3;

/// A count by the library and by the books, at the moments of the library's.
struct Both {
    own: f64,
    books: f64,
    /// Mean absolute difference.
    apart: f64,
    /// Moments.
    count: usize,
    /// Share of the moments at which the books have more than the pool.
    over: f64,
}

impl Both {
    fn of(outcome: &Outcome, steps: &Steps, count: impl Fn(&Counters) -> Option<u32>) -> Option<Self> {
        let Window { from, to } = outcome.window;
        let inside = outcome.books.counters.iter().filter(|counters| from <= counters.at && counters.at < to);
        let pairs: Vec<(f64, f64)> = inside
            .filter_map(|counters| Some((f64::from(count(counters)?), steps.at(counters.at) as f64)))
            .collect();
        let mean = |of: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().map(|(own, books)| of(*own, *books)).sum::<f64>() / pairs.len() as f64
        };
        (!pairs.is_empty()).then(|| Self {
            own: mean(&|own, _| own),
            books: mean(&|_, books| books),
            count: pairs.len(),
            apart: mean(&|own, books| (own - books).abs()),
            over: mean(&|_, books| f64::from(u8::from(books > f64::from(POOL)))),
        })
    }

    fn tell(&self, what: &str) {
        let Self { own, books, apart, .. } = self;
        println!("  {what}: library {own:.3}, books {books:.3}, MAE {apart:.3}");
    }

    fn off(&self) -> f64 {
        (self.own - self.books).abs()
    }
}

fn books_are_the_librarys(rig: Rig) -> Result<()> {
    let plan = Plan { pool: POOL, seconds: 7.0, seed: 5, ..Plan::new(rig, Mix::B, Level::Rho(0.8)) };
    let handovers = Handovers::watch();
    let outcome = plan.run_alone()?;
    let handover = handovers.end()?.mean / 1e3;
    outcome.answers.all_good()?;
    let waits = outcome.books.waits().context("borrowers")?;
    let (waiting, used) = (outcome.books.waiting(), outcome.books.used());
    let share = used.mean(outcome.window) / f64::from(POOL);
    let rate = waits.count as f64 / outcome.window.seconds();
    println!(
        "{}: {} answers, {} leases, each {:.2} ms longer than asked; {waits:?}; ρ {share:.3}, waiting {:.3}",
        rig.name(),
        outcome.answers.total(),
        waits.count,
        outcome.overhead,
        waiting.mean(outcome.window)
    );
    ensure!((0.6..=1.0).contains(&share), "the load uses {share:.2} of the pool, not about 0.8");
    let own = Both::of(&outcome, &used, |counters| counters.used).context("every library counts these")?;
    own.tell("used");
    // The books of a pooler's client leave out the whole way there and back, before it has a connection and after it had
    // one; the pooler counts it for a part of both, and may have lent the connection again before the client knows that
    // it is back. So may a library before its user's thread or task runs again, which on a busy machine takes its time.
    let ways = 2.0 * (outcome.transit + handover) * rate;
    let by_chance = 3.0 * (ways / own.count as f64).sqrt();
    println!("  more used than there are: {:.3} of the moments", own.over);
    ensure!(own.over <= 0.02 + ways + by_chance, "more used than there are: the books are wrong");
    let waits = Both::of(&outcome, &waiting, |counters| counters.waiting);
    if let Some(waits) = &waits {
        waits.tell("waiting");
        // Who has been handed a connection and has not run yet waits by the books, and not by the library.
        let both = own.own + waits.own - own.books - waits.books;
        let by_chance = 0.05 + by_chance;
        println!(
            "  borrowers: library {both:+.3}; up to {ways:.3} on their way, by chance {by_chance:.3} more"
        );
        ensure!(
            (-by_chance..=ways + by_chance).contains(&both),
            "the library counts {both:.3} more borrowers"
        );
        ensure!(waits.off() <= HANDED_OVER.max(0.02 * waits.own), "the library counts otherwise");
    }
    ensure!(own.off() <= HANDED_OVER, "the library counts otherwise");
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
    sqlalchemy_behind_an_event_loop_notes_what_it_counts: Rig::Workers,
    hikari_notes_what_it_counts: Rig::Hikari,
    connection_pool_of_ruby_notes_what_it_counts: Rig::Ruby,
    asyncpg_notes_what_it_counts: Rig::Asyncpg,
    database_sql_notes_what_it_counts: Rig::GoSql,
    sqlx_notes_what_it_counts: Rig::Sqlx,
    pgxpool_notes_what_it_counts: Rig::PgxPool,
    psycopg_pool_notes_what_it_counts: Rig::Psycopg,
    deadpool_notes_what_it_counts: Rig::Deadpool,
    prisma_notes_what_it_counts: Rig::Prisma,
    pgbouncer_notes_what_it_counts: Rig::PgBouncer,
}
