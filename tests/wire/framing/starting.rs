//! Rows: how connections begin.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature};

use crate::{
    row::{Row, UNIX},
    stand::Stand,
};

const ALWAYS: &str = "a server built with GSSAPI accepts it always over TCP, never over UNIX";

const ROWS: &[Row] = &[
    Row::exact("SSLRequest refused", "ssl_refused"),
    Row::exact("GSSENCRequest refused", "gss_refused").over(UNIX).note(ALWAYS),
    Row::exact("GSSENCRequest and SSLRequest refused", "both_refused").over(UNIX).note(ALWAYS),
    Row::exact("CancelRequest", "cancel").note("its connection is none of the pool"),
    Row::exact("protocol 3.2 asked of an older server", "version_3_2"),
    Row::exact("a protocol of the future", "version_3_9"),
    Row::exact("password in the clear", "password").login("by_password"),
    Row::exact("login in pieces of random lengths", "split_login").login("by_password"),
    Row::exact("wrong password", "wrong_password").login("by_password"),
];

#[test]
fn starting() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
