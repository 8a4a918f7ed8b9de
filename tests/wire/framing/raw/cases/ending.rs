//! Ends of connections that are not the usual ones.

use anyhow::{Result, ensure};

use super::{Case, mixed};
use crate::{
    link::{Link, Target},
    message::query,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("half_close", half_close),
    ("reset_in_answer", reset_in_answer),
    ("end_without_terminate", end_without_terminate),
    ("ended_by_server", ended_by_server),
    ("end_in_answer", end_in_answer),
];

/// The client's side of the stream ends behind its last request; the answer still comes.
fn half_close(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let calls = mixed(&mut link, 10)?;
    link.send(&query("select 1 as last"))?;
    // SAFETY: plain system call on a socket of ours.
    ensure!(unsafe { libc::shutdown(link.fd(), libc::SHUT_WR) } == 0, "shutdown");
    link.ready(1)?;
    ensure!(!link.receive()?, "the server ends its side, too");
    Ok(Tally::of(&link, calls + 1))
}

/// Reads a part of a long answer and closes with RST. The server counts no statement that it could not finish.
fn reset_in_answer(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let calls = mixed(&mut link, 10)?;
    link.send(&query("select repeat('r', 1000) from generate_series(1, 200000)"))?;
    link.until(b'D', 100)?;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    link.set(libc::SO_LINGER, &linger)?;
    Ok(Tally::of(&link, calls))
}

/// Closes between two requests without a word.
fn end_without_terminate(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let calls = mixed(&mut link, 10)?;
    Ok(Tally::of(&link, calls))
}

/// The server ends a connection in the middle of its request: an ErrorResponse, and no ReadyForQuery.
fn ended_by_server(target: &Target) -> Result<Tally> {
    let (mut link, mut other) = (Link::open(target)?, Link::open(target)?);
    let calls = mixed(&mut link, 10)?;
    let backend = u32::from_be_bytes(link.answers.last(b'K')[..4].try_into()?);
    link.send(&query("select pg_sleep(60)"))?;
    other.ask(&query(&format!(
        "do $$ begin while not exists (select from pg_stat_activity where pid = {backend} and wait_event = 'PgSleep') \
         loop perform pg_stat_clear_snapshot(); end loop; end $$"
    )))?;
    other.ask(&query(&format!("select pg_terminate_backend({backend})")))?;
    while link.receive()? {}
    ensure!(link.answers.count(b'E') == 1, "57P01");
    other.terminate()?;
    Ok(Tally::of(&link, calls).and(Tally::of(&other, 2)))
}

/// Closes before the answer comes; the server finishes the statement.
fn end_in_answer(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let calls = mixed(&mut link, 10)?;
    link.send(&query("select pg_sleep(0.2)"))?;
    Ok(Tally::of(&link, calls + 1))
}
