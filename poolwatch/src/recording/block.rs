//! Blocks: bytes with their lengths and a checksum. Lengths are checked before anything is allocated.

use std::io::{self, Read, Write};

use super::error::WriteError;

/// Most bytes of a block before compression.
pub(super) const MAX_RAW: usize = 4 << 20;
/// Bytes before a block's data.
const HEAD: usize = 12;
/// Length of the end block's data.
const COUNT: usize = size_of::<u64>();

/// A block that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Decompressed data.
    Data(Vec<u8>),
    /// The end, with the number of all events.
    End(u64),
}

/// Why there is no block.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Truncated,
    Damaged(&'static str),
}

/// Compresses `raw` into one block; returns nothing of its length, which the file shows.
pub(super) fn write(to: &mut impl Write, raw: &[u8]) -> Result<(), WriteError> {
    if raw.is_empty() || raw.len() > MAX_RAW {
        return Err(WriteError::TooLong { bytes: raw.len() });
    }
    write_parts(to, raw.len(), &lz4_flex::block::compress(raw))
}

/// Writes the end block.
pub(super) fn write_end(to: &mut impl Write, events: u64) -> Result<(), WriteError> {
    write_parts(to, 0, &events.to_le_bytes())
}

fn write_parts(to: &mut impl Write, raw: usize, data: &[u8]) -> Result<(), WriteError> {
    let number = |length: usize| u32::try_from(length).map_err(|_| WriteError::TooLong { bytes: length });
    let (length, raw) = (number(data.len())?.to_le_bytes(), number(raw)?.to_le_bytes());
    let checksum = checksum(length, raw, data).to_le_bytes();
    // In one call, so that a killed agent leaves whole blocks wherever the system can do it.
    Ok(to.write_all(&[&length[..], &raw, &checksum, data].concat())?)
}

/// Reads one block, and how many bytes of the file it is.
pub(super) fn read(from: &mut impl Read) -> Result<(Block, u64), Fault> {
    let mut head = Words(from);
    let (length, raw, expected) = (head.next()?, head.next()?, head.next()?);
    let (data_length, raw_length) = (to_usize(u32::from_le_bytes(length)), to_usize(u32::from_le_bytes(raw)));
    if raw_length > MAX_RAW || data_length > lz4_flex::block::get_maximum_output_size(raw_length).max(COUNT) {
        return Err(Fault::Damaged("its length is beyond what is ever written"));
    }
    let mut data = vec![0; data_length];
    read_exact(from, &mut data)?;
    if checksum(length, raw, &data) != u32::from_le_bytes(expected) {
        return Err(Fault::Damaged("its checksum does not fit"));
    }
    let size = (HEAD + data_length) as u64;
    if raw_length == 0 {
        let count = data.try_into().map_err(|_| Fault::Damaged("its end has another length"))?;
        return Ok((Block::End(u64::from_le_bytes(count)), size));
    }
    let raw = lz4_flex::block::decompress(&data, raw_length)
        .map_err(|_| Fault::Damaged("its data cannot be decompressed"))?;
    if raw.len() != raw_length {
        return Err(Fault::Damaged("its data decompress to another length"));
    }
    Ok((Block::Data(raw), size))
}

/// A block's head, word by word.
struct Words<'a, R>(&'a mut R);

impl<R: Read> Words<'_, R> {
    fn next(&mut self) -> Result<[u8; 4], Fault> {
        let mut word = [0; 4];
        read_exact(self.0, &mut word)?;
        Ok(word)
    }
}

/// Fills `bytes`.
pub(super) fn read_exact(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), Fault> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Truncated,
        _ => Fault::Io(error),
    })
}

fn checksum(length: [u8; 4], raw: [u8; 4], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [&length[..], &raw, data] {
        hasher.update(part);
    }
    hasher.finalize()
}

fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
