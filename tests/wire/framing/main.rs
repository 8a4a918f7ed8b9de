//! The coverage table's rows on framing: for each way in which messages can be cut, sent, received and shared,
//! what poolwatch counted against what the server and the client counted.
//!
//! One test a word; a test fails when one of its rows is not exact. `docs/coverage.md` is made of the rows.

mod counted;
mod row;
mod stand;

mod asking;
mod copying;
mod ending;
mod large;
mod pipelining;
mod receiving;
mod sending;
mod sharing;
mod starting;
mod tools;
mod unseen;
