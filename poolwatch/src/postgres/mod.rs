//! The pure library of PostgreSQL's wire protocol: bytes in, plain values out.
//!
//! No I/O, no clock, no panic. Bytes may be cut anywhere, because the kernel side keeps only heads.

pub mod names;
pub mod sql;
pub mod startup;
pub mod tag;
