//! The short form of docs/accuracy.md: five rigs, two mixes, a quarter of a minute each, with bounds that a noisy
//! machine keeps; and two over TLS, of which only the turns are looked at. The full matrix is `cargo xtask accuracy`.

use anyhow::{Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    truth::{
        compare::{Bounds, row},
        mix::Mix,
        rig::Rig,
        run::{Level, Plan},
    },
};

/// How the pool's connections are.
const CLEAR: bool = false;
const ENCRYPTED: bool = true;

fn waits_are_the_librarys(rig: Rig, mix: Mix, encrypted: bool) -> Result<()> {
    let outcome = Plan { encrypted, ..Plan::new(rig, mix, Level::Rho(0.7)) }.run()?;
    outcome.answers.all_good()?;
    let row = row(&outcome);
    println!("{}", row.line());
    let evidence = if encrypted { "turns" } else { rig.evidence() };
    ensure!(row.seen.evidence == evidence, "waits are known by {}", row.seen.evidence);
    // What the library's own functions say is exact on any machine.
    let bounds = if evidence == "uprobe" { Bounds::asked(rig, evidence) } else { Bounds::short(rig) };
    let missed = bounds.missed(&row);
    ensure!(missed.is_empty(), "{}", missed.join("\n"));
    let gave_up = (row.truth.timeouts, row.seen.timeouts.unwrap_or(0.0));
    ensure!(gave_up == (0, 0.0), "nobody gave up, and it was said of {}", gave_up.1);
    let trust = row.seen.confidence.zip(row.seen.pending_confidence);
    ensure!(
        trust.is_some_and(|(waits, count)| waits >= 0.6 && count >= 0.6),
        "it trusts itself by {trust:?}"
    );
    Ok(())
}

/// One test for each rig and mix.
macro_rules! runs {
    ($($test:ident: $rig:expr, $mix:expr, $encrypted:expr);+ $(;)?) => {
        $(#[test]
        fn $test() -> Result<()> {
            need!(Feature::Probes, Feature::Postgres, $rig.feature());
            waits_are_the_librarys($rig, $mix, $encrypted)
        })+
    };
}

runs! {
    waits_of_node_pg_on_a: Rig::NodePg, Mix::A, CLEAR;
    waits_of_node_pg_on_b: Rig::NodePg, Mix::B, CLEAR;
    waits_of_sqlalchemy_on_a: Rig::SqlAlchemy, Mix::A, CLEAR;
    waits_of_sqlalchemy_on_b: Rig::SqlAlchemy, Mix::B, CLEAR;
    waits_of_workers_on_a: Rig::Workers, Mix::A, CLEAR;
    waits_of_connection_pool_on_b: Rig::Ruby, Mix::B, CLEAR;
    waits_of_asyncpg_on_a: Rig::Asyncpg, Mix::A, CLEAR;
    waits_of_asyncpg_on_b: Rig::Asyncpg, Mix::B, CLEAR;
    waits_of_database_sql_on_a: Rig::GoSql, Mix::A, CLEAR;
    waits_of_pgxpool_on_b: Rig::PgxPool, Mix::B, CLEAR;
    waits_of_asyncpg_on_a_by_turns: Rig::Asyncpg, Mix::A, ENCRYPTED;
    waits_of_node_pg_on_b_by_turns: Rig::NodePg, Mix::B, ENCRYPTED;
    waits_of_sqlx_on_b_by_turns: Rig::Sqlx, Mix::B, ENCRYPTED;
}
