//! The cases by name, one file a word. Each does something to a server, and says what by its own count.

mod asking;
mod copying;
mod ending;
mod large;
mod pipelining;
mod receiving;
mod ring;
mod sending;
mod sharing;
mod starting;
mod unseen;

use std::io::{BufRead as _, stdin};

use anyhow::{Context as _, Result};

use crate::{
    link::{Link, Target},
    message::{extended, query},
    tally::Tally,
};

/// A case.
pub type Case = fn(&Target) -> Result<Tally>;

/// The case with this name.
pub fn find(name: &str) -> Option<Case> {
    let words = [
        asking::ALL,
        copying::ALL,
        ending::ALL,
        large::ALL,
        pipelining::ALL,
        receiving::ALL,
        ring::ALL,
        sending::ALL,
        sharing::ALL,
        starting::ALL,
        unseen::ALL,
    ];
    words.into_iter().flatten().find(|(known, _)| *known == name).map(|(_, case)| *case)
}

/// Short and longer answers in both protocols; the statements that the server counts.
fn mixed(link: &mut Link, rounds: u64) -> Result<u64> {
    for _ in 0..rounds {
        link.ask(&query("select 1 as one"))?;
        link.ask(&extended("select $1::text || 'x' as text", &["abc"]))?;
        link.ask(&query("select n, repeat('y', n) from generate_series(1, 100) n"))?;
    }
    Ok(3 * rounds)
}

/// Says goodbye and closes the books.
fn finish(mut link: Link, calls: u64) -> Result<Tally> {
    link.terminate()?;
    Ok(Tally::of(&link, calls))
}

/// Lets the test look while connections are open.
fn hold() -> Result<()> {
    println!("holding");
    stdin().lock().read_line(&mut String::new()).context("waiting for the test")?;
    Ok(())
}
