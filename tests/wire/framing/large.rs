//! Rows: answers and messages as large as the protocol allows.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Row, TCP},
    stand::Stand,
};

const ROWS: &[Row] = &[
    Row::exact("a result of a gigabyte in small rows", "gigabyte_of_rows").over(TCP).note("10,000,000 rows"),
    Row::exact("a message of a gigabyte from the server: one row", "gigabyte_row").over(TCP),
    Row::exact("a message of a gigabyte from the client: one Bind", "gigabyte_bind").over(TCP),
];

#[test]
fn large() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
