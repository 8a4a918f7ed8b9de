//! Where poolwatch cannot know, it says so: loads and situations that make waits hard to see from outside.

use anyhow::{Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    truth::{
        compare::row,
        mix::Mix,
        rig::Rig,
        run::{Level, Plan},
    },
};

/// Time before the pool that varies looks like a wait: then the confidence is low.
fn varying_time_before_the_pool(rig: Rig) -> Result<()> {
    let plan = Plan { rig, mix: Mix::V, level: Level::Closed, ms: 30.0, pool: 7, seconds: 15.0, seed: 1 };
    let row = row(&plan.run()?);
    println!("{}", row.line());
    let sure = row.seen.confidence.into_iter().chain(row.seen.pending_confidence).fold(0.0, f64::max);
    ensure!(sure < 0.5, "it trusts itself by {sure}");
    Ok(())
}

#[test]
fn varying_time_before_node_pg_lowers_the_confidence() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Rig::NodePg.feature());
    varying_time_before_the_pool(Rig::NodePg)
}
