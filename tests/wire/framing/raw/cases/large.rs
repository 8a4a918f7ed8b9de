//! Answers and messages as large as the protocol allows.

use anyhow::{Result, ensure};

use super::{Case, finish};
use crate::{
    link::{Link, Target},
    message::{execute, parse, query, sync},
    style,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] =
    &[("gigabyte_of_rows", rows), ("gigabyte_row", row), ("gigabyte_bind", bind)];

/// The server's own limit is 2³⁰ bytes, less what it needs beside the value.
const LONG: u32 = 1_000_000_000;

/// Ten million rows, together more than 2³⁰ bytes.
fn rows(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.gets(style::recv(256 << 10));
    link.ask(&query("select repeat('r', 97) from generate_series(1, 10000000)"))?;
    ensure!(link.answers.count(b'D') == 10_000_000, "ten million rows");
    link.ask(&query("select 1"))?;
    finish(link, 2)
}

/// One row.
fn row(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.gets(style::recv(1 << 20));
    link.ask(&query(&format!("select repeat('r', {LONG})")))?;
    ensure!(link.answers.count(b'D') == 1, "{}", link.answers.error());
    link.ask(&query("select 1"))?;
    finish(link, 2)
}

/// One parameter: nothing that the client sends is longer.
fn bind(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.send(&parse("", "select length($1::bytea)"))?;
    // Bind: portal, statement, one format (binary), one value, no result formats.
    let head = [0, 0, 0, 1, 0, 1, 0, 1];
    let length = u32::try_from(4 + head.len() + 4 + 2)? + LONG;
    link.send(&[&b"B"[..], &length.to_be_bytes(), &head, &LONG.to_be_bytes()].concat())?;
    let piece = vec![b'b'; 1 << 20];
    let mut left = LONG as usize;
    while left > 0 {
        let take = left.min(piece.len());
        link.send(&piece[..take])?;
        left -= take;
    }
    link.ask(&[vec![0, 0], execute("", 0), sync()].concat())?;
    ensure!(link.answers.failed == 0, "{}", link.answers.error());
    link.ask(&query("select 1"))?;
    finish(link, 2)
}
