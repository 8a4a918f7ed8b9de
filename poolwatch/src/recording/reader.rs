//! Reads a recording: a file in, its header and its events out, one after the other.
//!
//! Total: any bytes give events and then either the end or one error. Nothing is believed before its
//! checksum is, and at most one block is held at once.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use super::{
    Header, MAGIC, VERSION,
    block::{self, Block, Fault},
    error::ReadError,
};
use crate::event::Event;

/// Opens a recording.
pub fn open(path: &Path) -> Result<(Header, Events<BufReader<File>>), ReadError> {
    read(BufReader::new(File::open(path).map_err(ReadError::Io)?))
}

/// Reads a recording from anywhere.
pub fn read<R: Read>(mut from: R) -> Result<(Header, Events<R>), ReadError> {
    read_magic(&mut from)?;
    read_version(&mut from)?;
    let mut events = Events::new(from);
    let header = events.header()?;
    Ok((header, events))
}

fn read_magic(from: &mut impl Read) -> Result<(), ReadError> {
    let mut magic = [0; MAGIC.len()];
    match block::read_exact(from, &mut magic) {
        Ok(()) if magic == MAGIC => Ok(()),
        Err(Fault::Io(error)) => Err(ReadError::Io(error)),
        _ => Err(ReadError::NotARecording),
    }
}

fn read_version(from: &mut impl Read) -> Result<(), ReadError> {
    let mut version = [0; 4];
    match (block::read_exact(from, &mut version), u32::from_le_bytes(version)) {
        (Err(Fault::Io(error)), _) => Err(ReadError::Io(error)),
        (Err(_), _) => Err(ReadError::Truncated { events: 0 }),
        // There never was a version 0.
        (Ok(()), 0) => Err(ReadError::NotARecording),
        (Ok(()), found) if found > VERSION => Err(ReadError::NewerVersion { found, known: VERSION }),
        (Ok(()), _) => Ok(()),
    }
}

/// The events of a recording, in the order in which they were written. Ends after its first error.
pub struct Events<R> {
    from: R,
    /// The block that is being read, and how far.
    raw: Vec<u8>,
    read: usize,
    /// Number and offset of that block.
    block: u64,
    offset: u64,
    /// Offset of the block after it.
    next: u64,
    /// Events that were given so far.
    told: u64,
    ended: bool,
}

impl<R: Read> Events<R> {
    fn new(from: R) -> Self {
        let begin = (MAGIC.len() + size_of_val(&VERSION)) as u64;
        let (raw, read, block, told) = (Vec::new(), 0, 0, 0);
        Self { from, raw, read, block, offset: begin, next: begin, told, ended: false }
    }

    fn header(&mut self) -> Result<Header, ReadError> {
        let Block::Data(raw) = self.next_block()? else {
            return Err(self.damaged("the header is missing"));
        };
        match postcard::take_from_bytes(&raw) {
            Ok((header, [])) => Ok(header),
            _ => Err(self.damaged("it holds no header")),
        }
    }

    fn next_block(&mut self) -> Result<Block, ReadError> {
        self.offset = self.next;
        match block::read(&mut self.from) {
            Ok((block, size)) => {
                self.next += size;
                Ok(block)
            }
            Err(Fault::Io(error)) => Err(ReadError::Io(error)),
            Err(Fault::Truncated) => Err(ReadError::Truncated { events: self.told }),
            Err(Fault::Damaged(reason)) => Err(self.damaged(reason)),
        }
    }

    const fn damaged(&self, reason: &'static str) -> ReadError {
        ReadError::Damaged { block: self.block, offset: self.offset, reason }
    }

    /// The next event; `None` at the end.
    fn advance(&mut self) -> Result<Option<Event>, ReadError> {
        while self.read == self.raw.len() {
            self.block += 1;
            match self.next_block()? {
                Block::Data(raw) => (self.raw, self.read) = (raw, 0),
                Block::End(events) => return self.end(events).map(|()| None),
            }
        }
        let rest = self.raw.get(self.read..).unwrap_or_default();
        let Ok((event, after)) = postcard::take_from_bytes(rest) else {
            return Err(self.damaged("it holds something else than events"));
        };
        self.read = self.raw.len() - after.len();
        self.told += 1;
        Ok(Some(event))
    }

    fn end(&mut self, events: u64) -> Result<(), ReadError> {
        if events != self.told {
            return Err(self.damaged("it counts other events than there are"));
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows the end")),
            Err(error) => Err(ReadError::Io(error)),
        }
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.advance().transpose();
        self.ended = !matches!(event, Some(Ok(_)));
        event
    }
}
