//! Rows: bytes that no system call of the client shows.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Expected, Row},
    stand::Stand,
};

const INSIDE: &str = "the bytes go from file to socket inside the kernel";

const ROWS: &[Row] = &[
    Row::exact("sendfile of COPY data", "sendfile_copy"),
    Row::exact("splice of COPY data", "splice_copy"),
    Row::exact("sendfile of whole messages", "sendfile_whole")
        .expect(Expected::Detected(INSIDE))
        .note(INSIDE),
    Row::exact("splice of whole messages", "splice_whole").expect(Expected::Detected(INSIDE)).note(INSIDE),
    Row::exact("splice of answers", "splice_in").expect(Expected::Detected(INSIDE)).note(INSIDE),
];

#[test]
fn unseen() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
