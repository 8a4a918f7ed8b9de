//! Rows: one connection in several hands.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{row::Row, stand::Stand};

const ROWS: &[Row] = &[
    Row::exact("passed to another process by SCM_RIGHTS", "passed"),
    Row::exact("inherited by fork", "inherited"),
    Row::exact("duplicated descriptors", "duplicated"),
    Row::exact("a thread that writes and one that reads", "reader_and_writer"),
    Row::exact("two threads in turn", "alternating"),
    Row::exact("eight threads with a connection each", "many_threads"),
];

#[test]
fn sharing() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
