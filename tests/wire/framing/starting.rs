//! Rows: how connections begin.

use anyhow::Result;
use poolwatch_tests::{need, need::Feature, postgres::Server};

use crate::{
    row::{Expected, Row, TCP, UNIX},
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

const ACCEPTED: &[Row] = &[Row::exact("GSSENCRequest accepted", "gss_accepted")
    .over(TCP)
    .expect(Expected::Blind("gss"))
    .note("encryption: the connection is known, its messages are not")];

const NEWER: &[Row] = &[
    Row::exact("protocol 3.2, spoken", "spoken_3_2").note("PostgreSQL 18"),
    Row::exact("both kinds of encryption refused over TCP", "both_refused")
        .over(TCP)
        .note("PostgreSQL 18 without GSSAPI"),
    Row::exact("simple query to a newer server", "simple").note("PostgreSQL 18"),
    Row::exact("COPY in by the extended protocol to a newer server", "copy_in_extended")
        .note("PostgreSQL 18"),
];

#[test]
fn encryption_by_gssapi() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ACCEPTED)
}

#[test]
fn newer_server() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::NewerPostgres);
    Stand::start_on(Server::start_newer, &[])?.rows(NEWER)
}

#[test]
fn starting() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    Stand::start()?.rows(ROWS)
}
