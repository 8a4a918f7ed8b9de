//! Rows: several requests in flight.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{row::Row, stand::Stand};

const ROWS: &[Row] = &[
    Row::exact("pipeline: 10 Syncs in flight", "syncs_10"),
    Row::exact("pipeline: 50 Syncs in flight", "syncs_50"),
    Row::exact("pipeline: 1000 Syncs in flight", "syncs_1000"),
    Row::exact("pipeline: 25 Executes and one Sync", "executes"),
    Row::exact("pipeline: 10 Query messages in flight", "simple_pipeline"),
    Row::exact("pipeline: 4 answers of 20,000 rows in flight", "long_answers"),
    Row::exact("pipeline: one of 10 requests fails", "error_in_pipeline"),
];

#[test]
fn pipelining() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
