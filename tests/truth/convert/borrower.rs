//! Borrowers as probes in the pool's library saw them.
//!
//! Two formats: a line of the kernel's trace, `… 2294.876352: ent: (…) g=0xc000087520`, where `ent` is the
//! entry and `ret…` a return; and `Q t_ready future t_first poll`, where 2 stands for `Pending`.

use poolwatch::event::{Borrow, Borrowing, Event};

use crate::process::PID;

/// All borrowers' events.
pub fn events(probed: &str) -> Vec<Event> {
    probed
        .lines()
        .flat_map(|line| if line.starts_with("Q ") { future(line) } else { routine(line) })
        .collect()
}

fn told(borrower: u64, at: u64, borrowing: Borrowing) -> Event {
    Event::Borrow(Borrow { pid: PID, borrower, pool: 0, thread: 0, at, borrowing })
}

fn routine(line: &str) -> Vec<Event> {
    let read = || {
        let (before, after) = line.split_once(": ")?;
        let (seconds, micros) = before.split_whitespace().last()?.split_once('.')?;
        let at = seconds.parse::<u64>().ok()? * 1_000_000_000 + micros.parse::<u64>().ok()? * 1000;
        let borrower = u64::from_str_radix(after.split_once("g=0x")?.1.trim(), 16).ok()?;
        let borrowing = if after.starts_with("ent") { Borrowing::Asks } else { Borrowing::Granted };
        Some(told(borrower, at, borrowing))
    };
    read().into_iter().collect()
}

fn future(line: &str) -> Vec<Event> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let read = || {
        let ready = words.get(1)?.parse().ok()?;
        let borrower = u64::from_str_radix(words.get(2)?, 16).ok()?;
        let first = words.get(3)?.parse().ok()?;
        let asked = told(borrower, first, Borrowing::Asks);
        (*words.get(4)? != "2").then(|| vec![asked, told(borrower, ready, Borrowing::Granted)])
    };
    read().unwrap_or_default()
}
