//! Rows: bytes that no system call of the client shows.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Expected, Row},
    stand::Stand,
};

const INSIDE: &str = "the bytes go between file and socket inside the kernel";
const RING: &str = "the system call that moves them does not say where they are";

const ROWS: &[Row] = &[
    Row::exact("sendfile of COPY data", "sendfile_copy"),
    Row::exact("splice of COPY data", "splice_copy"),
    Row::exact("sendfile of whole messages", "sendfile_whole").expect(Expected::Unread).note(INSIDE),
    Row::exact("splice of whole messages", "splice_whole").expect(Expected::Unread).note(INSIDE),
    Row::exact("splice of answers", "splice_in").expect(Expected::Unread).note(INSIDE),
    Row::exact("io_uring: send and recv", "ring")
        .expect(Expected::Blind("io_uring"))
        .tiers(&["sock"])
        .note(RING),
    Row::exact("io_uring: send and recv by the kernel's own thread", "ring_poller")
        .expect(Expected::Blind("io_uring"))
        .tiers(&["sock"])
        .note(RING),
    Row::exact("io_uring: everything from connect on", "ring_whole")
        .expect(Expected::Blind("io_uring"))
        .tiers(&["sock"])
        .note(RING),
];

#[test]
fn unseen() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
