//! Waits and occupancy against the truth: real servers with real pools, their load, their own books, and how far
//! poolwatch is off.
//!
//! In comes a plan (which rig, mix, load, pool), out goes one row for `docs/accuracy.md`. The truth is what the
//! rig notes round its library's acquire and release, on the kernel's monotonic clock.

pub mod account;
pub mod books;
pub mod compare;
pub mod dice;
pub mod kept;
pub mod load;
pub mod mix;
pub mod outside;
pub mod rig;
pub mod row;
pub mod run;
pub mod server;
pub mod table;
