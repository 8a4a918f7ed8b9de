//! COPY in all directions.

use anyhow::{Result, ensure};

use super::{Case, finish};
use crate::{
    link::{Link, Target, V3_0},
    message::{self, bind, execute, message, parse, query, sync},
    style,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("copy_in", copy_in),
    ("copy_out", copy_out),
    ("copy_in_extended", copy_in_extended),
    ("copy_out_extended", copy_out_extended),
    ("copy_fail", copy_fail),
    ("copy_bad_data", copy_bad_data),
    ("copy_both", copy_both),
];

const ROUNDS: u64 = 10;
const TABLE: &str = "create temporary table lines (line text)";
const COPY: &str = "copy lines from stdin";

fn with_table(target: &Target) -> Result<Link> {
    let mut link = Link::open(target)?;
    link.ask(&query(TABLE))?;
    Ok(link)
}

fn lines(link: &mut Link, count: usize) -> Result<()> {
    for number in 0..count {
        link.send(&message(b'd', format!("line {number}\n").repeat(number % 7 + 1).as_bytes()))?;
    }
    Ok(())
}

fn copy_in(target: &Target) -> Result<Tally> {
    let mut link = with_table(target)?;
    for _ in 0..ROUNDS {
        link.send(&query(COPY))?;
        link.until(b'G', 1)?;
        lines(&mut link, 300)?;
        link.ask(&message(b'c', b""))?;
        link.ask(&query("select 1"))?;
    }
    finish(link, 1 + 2 * ROUNDS)
}

fn copy_out(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("copy (select n, repeat('z', 50) from generate_series(1, 5000) n) to stdout"))?;
    }
    ensure!(link.answers.count(b'd') == 5000 * ROUNDS, "all rows");
    finish(link, ROUNDS)
}

/// As `libpq` does it: the Sync that goes with Execute is read in COPY mode and ignored, so a second one
/// follows the end of the data, and there is one answer.
fn copy_in_extended(target: &Target) -> Result<Tally> {
    let mut link = with_table(target)?;
    for _ in 0..ROUNDS {
        link.send(&[parse("", COPY), bind("", "", &[]), execute("", 0), sync()].concat())?;
        link.until(b'G', 1)?;
        lines(&mut link, 300)?;
        link.ask(&[message(b'c', b""), sync()].concat())?;
        link.ask(&query("select 1"))?;
    }
    finish(link, 1 + 2 * ROUNDS)
}

fn copy_out_extended(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let copy = "copy (select generate_series(1, 5000)) to stdout";
    for _ in 0..ROUNDS {
        link.ask(&[parse("", copy), bind("", "", &[]), execute("", 0), sync()].concat())?;
    }
    finish(link, ROUNDS)
}

/// The client gives up, in both protocols.
fn copy_fail(target: &Target) -> Result<Tally> {
    let mut link = with_table(target)?;
    for _ in 0..ROUNDS {
        link.send(&query(COPY))?;
        link.until(b'G', 1)?;
        lines(&mut link, 10)?;
        link.ask(&message(b'f', b"changed my mind\0"))?;
        link.send(&[parse("", COPY), bind("", "", &[]), execute("", 0), sync()].concat())?;
        link.until(b'G', 1)?;
        lines(&mut link, 10)?;
        link.ask(&[message(b'f', b"again\0"), sync()].concat())?;
        link.ask(&query("select 1"))?;
    }
    ensure!(link.answers.failed == 2 * ROUNDS, "both fail");
    finish(link, 1 + ROUNDS)
}

/// The server refuses a row; what the client still sends of the COPY is ignored.
fn copy_bad_data(target: &Target) -> Result<Tally> {
    let mut link = with_table(target)?;
    for _ in 0..ROUNDS {
        link.send(&query(COPY))?;
        link.until(b'G', 1)?;
        link.send(&message(b'd', b"one\ttoo many\n"))?;
        lines(&mut link, 20)?;
        link.ask(&message(b'c', b""))?;
        link.send(&[parse("", COPY), bind("", "", &[]), execute("", 0), sync()].concat())?;
        link.until(b'G', 1)?;
        link.send(&message(b'd', b"one\ttoo many\n"))?;
        lines(&mut link, 20)?;
        link.ask(&[message(b'c', b""), sync()].concat())?;
        link.ask(&query("select 1"))?;
    }
    ensure!(link.answers.failed == 2 * ROUNDS, "both fail");
    finish(link, 1 + ROUNDS)
}

/// A replication connection: the log is streamed for a moment, then both sides end the COPY.
fn copy_both(target: &Target) -> Result<Tally> {
    let mut link = Link::over(target.connect()?, Box::new(style::send), style::recv(16 << 10));
    let pairs = [("user", target.user.as_str()), ("database", &target.database), ("replication", "database")];
    link.send(&message::startup(V3_0, &pairs))?;
    link.ready(1)?;
    link.startups = 1;
    link.ask(&query("IDENTIFY_SYSTEM"))?;
    link.ask(&query("CREATE_REPLICATION_SLOT short TEMPORARY PHYSICAL RESERVE_WAL"))?;
    link.send(&query("START_REPLICATION SLOT short PHYSICAL 0/1000000"))?;
    link.until(b'W', 1)?;
    link.ask(&message(b'c', b""))?;
    finish(link, 0)
}
