//! Recordings: the event stream in a file, so that it can be replayed anywhere.
//!
//! [`Event`](crate::event::Event)s come in and the same ones go out, whatever happened to the file in
//! between: what was cut or damaged is an error with its place, never another event. A recording holds
//! what events hold: no SQL, no password, no environment value.
//!
//! The format; numbers are little-endian:
//!
//! | part | bytes |
//! |---|---|
//! | magic | `poolwrec` |
//! | version | u32: 1. Any change of [`Event`](crate::event::Event) or [`Header`] is another version |
//! | header | one block with a [`Header`] |
//! | events | blocks, each with one event after the other |
//! | end | one block that is not compressed, with the number of all events as u64; its raw length is 0 |
//!
//! A block is u32 length of its data, u32 raw length (what the data decompress to), u32 CRC-32 over
//! those two and the data, and the data: an LZ4 block of what postcard makes of the value.

mod block;
mod error;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

pub use self::{
    error::{ReadError, WriteError},
    reader::{Events, open, read},
    writer::Writer,
};
use crate::{clock::Clock, infer::settings::Settings};

/// The first bytes of every recording.
const MAGIC: [u8; 8] = *b"poolwrec";
/// The version that is written, and the highest that is read.
pub const VERSION: u32 = 1;

/// What a replay must know besides the events to show the same page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the agent that recorded.
    pub agent: String,
    /// Turns the events' times into the time of day.
    pub clock: Clock,
    /// What the inference was set to.
    pub settings: Settings,
    /// Constant labels of the page.
    pub labels: Vec<(String, String)>,
    /// The page has a label for the database user.
    pub label_user: bool,
}

#[cfg(test)]
mod tests;
