//! Rows: COPY in all directions.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Expected, Row},
    stand::Stand,
};

const ROWS: &[Row] = &[
    Row::exact("COPY in", "copy_in"),
    Row::exact("COPY out", "copy_out"),
    Row::exact("COPY in by the extended protocol: the server ignores one of two Syncs", "copy_in_extended"),
    Row::exact("COPY out by the extended protocol", "copy_out_extended"),
    Row::exact("CopyFail", "copy_fail"),
    Row::exact("COPY in with an error in mid-data", "copy_bad_data"),
    Row::exact("COPY both: a replication connection", "copy_both").expect(Expected::NoPool),
];

#[test]
fn copying() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
