//! What a driver's program in Rust counts of itself, and where it is told to go.
//!
//! Its environment comes in, as the programs in other languages have it; one line of JSON goes out.

use std::cell::Cell;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Statements that a program made, by its own count.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Own {
    /// The driver's name.
    pub driver: String,
    /// Its version.
    pub version: String,
    /// Statements that should have completed.
    pub calls: u64,
    /// Calls that failed, as they should.
    pub errors: u64,
    /// Empty queries.
    pub empty: u64,
    /// Statements by mode.
    pub modes: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    mode: String,
}

/// Queries of known lengths, and how often each is asked. The texts differ, and so their fingerprints.
pub const LENGTHS: [(&str, &str, u32); 6] = [
    ("1 ms", "select pg_sleep(0.001) as ms1", 300),
    ("10 ms", "select pg_sleep(0.010) as ms10", 60),
    ("100 ms", "select pg_sleep(0.100) as ms100", 10),
    ("500 ms", "select pg_sleep(0.500) as ms500", 3),
    ("2 s", "select pg_sleep(2.000) as s2", 2),
    ("chunks", "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)", 10),
];

impl Own {
    /// Begins to count.
    pub fn new(driver: &str, version: &str) -> Self {
        Self { driver: driver.to_owned(), version: version.to_owned(), ..Self::default() }
    }

    /// Begins a mode.
    pub fn begin(&mut self, mode: &str) {
        mode.clone_into(&mut self.mode);
    }

    /// Counts statements.
    pub fn call(&mut self, number: u64) {
        self.calls += number;
        let mode = self.modes.entry(self.mode.clone()).or_insert_with(|| 0.into());
        *mode = (mode.as_u64().unwrap_or(0) + number).into();
    }

    /// Counts a call that must fail.
    ///
    /// # Panics
    /// When it did not.
    pub fn fails<T, E>(&mut self, done: &Result<T, E>) {
        assert!(done.is_err(), "a call did not fail");
        self.errors += 1;
    }

    /// Counts an empty query.
    pub const fn empty(&mut self) {
        self.empty += 1;
    }

    /// Prints the counts.
    pub fn tell(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// A variable of the environment.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

fn number(name: &str, otherwise: i32) -> i32 {
    variable(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// About how many statements to make.
pub fn calls() -> i32 {
    number("WIRE_CALLS", 10_000)
}

/// Durations are wanted instead.
pub fn durations() -> bool {
    variable("WIRE_WHAT").is_ok_and(|what| what == "durations")
}

/// Some item's id, from a generator of this program's own seed (xorshift).
pub fn item() -> i32 {
    thread_local! {
        static STATE: Cell<u32> = Cell::new(number("WIRE_SEED", 1).unsigned_abs().max(1));
    }
    let next = STATE.with(|state| {
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 17;
        next ^= next << 5;
        state.set(next);
        next
    });
    i32::try_from(next % 1000).map_or(1, |id| id + 1)
}
