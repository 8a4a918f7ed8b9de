//! Rows: every way to receive.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Row, TCP},
    stand::Stand,
};

const ROWS: &[Row] = &[
    Row::exact("read", "read"),
    Row::exact("reads of one byte", "one_byte"),
    Row::exact("reads of seven bytes", "seven_bytes"),
    Row::exact("reads of a header, then of its body", "header_then_body"),
    Row::exact("reads of random lengths", "random_reads"),
    Row::exact("several messages a read", "several_a_read"),
    Row::exact("readv", "readv"),
    Row::exact("readv, 1001 segments of one byte", "readv_1000"),
    Row::exact("recvmsg, 6 segments", "recvmsg"),
    Row::exact("recvmsg, 201 segments", "recvmsg_200"),
    Row::exact("recvmmsg", "recvmmsg"),
    Row::exact("non-blocking reads, EAGAIN", "nonblocking"),
    Row::exact("MSG_PEEK", "peek"),
    Row::exact("MSG_TRUNC: rows discarded", "discard").over(TCP),
    Row::exact("MSG_WAITALL", "wait_all"),
    Row::exact("reads of no bytes", "zero_reads"),
    Row::exact("interrupted reads, EINTR", "interrupted"),
];

#[test]
fn receiving() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
