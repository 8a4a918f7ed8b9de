//! Rows: ends of connections.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{row::Row, stand::Stand};

const ROWS: &[Row] = &[
    Row::exact("half-close: shutdown(SHUT_WR) behind the last request", "half_close"),
    Row::exact("RST in the middle of an answer", "reset_in_answer"),
    Row::exact("close without Terminate", "end_without_terminate"),
    Row::exact("ended by the server in the middle of a request", "ended_by_server"),
    Row::exact("close before the answer", "end_in_answer"),
];

#[test]
fn ending() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
