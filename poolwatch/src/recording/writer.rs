//! Writes a recording: events in, a file out.
//!
//! A block is written when it is long enough or when a second of the events' time has passed, so that
//! a killed agent loses little. After an error nothing more may be written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{Header, MAGIC, VERSION, block, error::WriteError};
use crate::event::{Event, SECOND, Time};

/// A block is written once it has as many bytes, uncompressed.
const BLOCK: usize = 64 * 1024;
/// A longer event than this is refused: with [`BLOCK`] it must fit into one block.
const MAX_EVENT: usize = block::MAX_RAW - BLOCK;

/// A recording that is being written.
pub struct Writer<W> {
    to: W,
    /// Encoded events of the block to come.
    pending: Vec<u8>,
    /// Time of the first of them that has one.
    since: Option<Time>,
    events: u64,
}

impl Writer<File> {
    /// Creates the file, for its owner only; one that exists is not overwritten.
    pub fn create(path: &Path, header: &Header) -> Result<Self, WriteError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists,
            _ => WriteError::Io(error),
        })?;
        Self::new(file, header)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    pub fn new(mut to: W, header: &Header) -> Result<Self, WriteError> {
        to.write_all(&[&MAGIC[..], &VERSION.to_le_bytes()].concat())?;
        block::write(&mut to, &encode(header)?)?;
        Ok(Self { to, pending: Vec::new(), since: None, events: 0 })
    }

    /// Adds one event.
    pub fn write(&mut self, event: &Event) -> Result<(), WriteError> {
        let bytes = encode(event)?;
        if bytes.len() > MAX_EVENT {
            return Err(WriteError::TooLong { bytes: bytes.len() });
        }
        self.pending.extend_from_slice(&bytes);
        self.events += 1;
        if self.pending.len() >= BLOCK || self.has_lasted(event.at()) {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the recording; without it, readers say that it is cut.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.flush()?;
        block::write_end(&mut self.to, self.events)?;
        Ok(self.to.flush()?)
    }

    fn has_lasted(&mut self, at: Option<Time>) -> bool {
        at.is_some_and(|at| at.saturating_sub(*self.since.get_or_insert(at)) >= SECOND)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if !self.pending.is_empty() {
            block::write(&mut self.to, &self.pending)?;
            self.pending.clear();
            self.since = None;
        }
        Ok(())
    }
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, WriteError> {
    postcard::to_stdvec(value).map_err(|error| WriteError::Io(io::Error::other(error)))
}
