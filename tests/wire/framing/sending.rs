//! Rows: every way to send.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{row::Row, stand::Stand};

const ROWS: &[Row] = &[
    Row::exact("write", "write"),
    Row::exact("sends of one byte", "send_one_byte"),
    Row::exact("sends of three bytes", "send_three_bytes"),
    Row::exact("sends of random lengths", "random_sends"),
    Row::exact("sends and reads of random lengths", "both_random"),
    Row::exact("writev", "writev"),
    Row::exact("writev, 1001 segments", "writev_1000"),
    Row::exact("sendmsg, 6 segments", "sendmsg"),
    Row::exact("sendmsg, 201 segments", "sendmsg_200"),
    Row::exact("sendmmsg", "sendmmsg"),
    Row::exact("sendmmsg that does not wait, messages sent in part", "sendmmsg_partial"),
    Row::exact("non-blocking partial writes, EAGAIN", "partial_writes"),
    Row::exact("sends of no bytes", "zero_sends"),
    Row::exact("MSG_MORE", "more_to_come"),
];

#[test]
fn sending() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
