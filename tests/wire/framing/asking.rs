//! Rows: requests and answers of every kind.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{row::Row, stand::Stand};

const ROWS: &[Row] = &[
    Row::exact("simple query", "simple"),
    Row::exact("several statements in one Query", "multi"),
    Row::exact("extended protocol in one flight", "one_flight"),
    Row::exact(
        "extended protocol in several flights: Parse, Describe, Flush; Bind; Execute; Sync",
        "several_flights",
    ),
    Row::exact("named statements", "named"),
    Row::exact("named portals, suspended and resumed", "portals"),
    Row::exact("Flush, and the Sync after the result", "flush"),
    Row::exact("twenty Flushes before one Sync", "flush_only"),
    Row::exact("errors", "errors"),
    Row::exact("errors with skip to Sync", "skip_to_sync"),
    Row::exact("FunctionCall", "function_call").note("the server counts no statement"),
    Row::exact("notices before the answer", "notices"),
    Row::exact("NotificationResponse while idle", "notification_idle"),
    Row::exact("NotificationResponse in an answer", "notification_answer"),
    Row::exact("ParameterStatus in an answer", "parameter_status"),
    Row::exact("empty query", "empty").note("the server counts no statement"),
    Row::exact("Sync alone", "sync_alone").note("the server counts no statement"),
];

#[test]
fn asking() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
