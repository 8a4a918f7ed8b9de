//! The raw client: writes and reads PostgreSQL's messages byte by byte, in the ways that drivers seldom choose.
//!
//! `poolwatch-raw CASE HOST PORT USER DATABASE` does what CASE says, prints one line `tally {…}` with what
//! it did by its own count, waits for a line, and ends. It must know nothing of what poolwatch thinks.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a client that does not do what its test expects should fall over"
)]

mod answers;
mod cases;
mod link;
mod message;
mod style;
mod tally;

use std::io::{BufRead as _, stdin};

use anyhow::{Context as _, Result, bail};

use self::{link::Target, tally::Tally};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, host, port, user, database] = arguments.as_slice() else {
        bail!("CASE HOST PORT USER DATABASE");
    };
    let port = port.parse().context("a port")?;
    let target = Target { host: host.clone(), port, user: user.clone(), database: database.clone() };
    let run = cases::find(case).with_context(|| format!("no case {case}"))?;
    let tally: Tally = run(&target)?;
    println!("tally {}", tally.line());
    wait_for_a_line()
}

/// Gives the test the time to look.
fn wait_for_a_line() -> Result<()> {
    stdin().lock().read_line(&mut String::new()).context("waiting for the test")?;
    Ok(())
}
