//! Encrypted connections through real drivers, real TLS libraries and a real server: what the agent counts of their plaintext is
//! what the server's statistics have, fingerprint by fingerprint.
//!
//! A process's first connection is what tells the agent of its library: of that one the beginning is not seen, of an object that
//! is handed memory the first two answers besides. From there on nothing may be missing.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

mod attaching;
mod drivers;
mod elsewhere;
mod secrets;
mod stand;
mod stripped;
