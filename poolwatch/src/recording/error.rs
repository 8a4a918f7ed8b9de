//! What can be wrong with a recording, in words that say where.

use std::{fmt, io};

/// Why a recording cannot be read, or not further.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    Io(io::Error),
    /// It does not begin as a recording does.
    NotARecording,
    /// It has a format that came later.
    NewerVersion {
        /// Its version.
        found: u32,
        /// The highest version that can be read.
        known: u32,
    },
    /// It ends before its end.
    Truncated {
        /// Events that were read before.
        events: u64,
    },
    /// Its bytes are not those that were written.
    Damaged {
        /// Which block: 0 is the header's.
        block: u64,
        /// Where the block begins, in bytes from the beginning of the file.
        offset: u64,
        /// What does not fit.
        reason: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the recording cannot be read: {error}"),
            Self::NotARecording => f.write_str("this is not a recording of poolwatch"),
            Self::NewerVersion { found, known } => write!(
                f,
                "the recording was written by a newer poolwatch in format {found}; this one reads up to {known}"
            ),
            Self::Truncated { events } => write!(
                f,
                "the recording is cut after {events} events: poolwatch was killed, or the file is incomplete"
            ),
            Self::Damaged { block, offset, reason } => {
                write!(f, "the recording is damaged in block {block} at byte {offset}: {reason}")
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(error) = self { Some(error) } else { None }
    }
}

/// Why a recording cannot be written, or not further.
#[derive(Debug)]
pub enum WriteError {
    /// There is a file already, and it is not overwritten.
    Exists,
    /// The file cannot be written.
    Io(io::Error),
    /// One value is longer than a block may be.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("the file exists already and is not overwritten: name another"),
            Self::Io(error) => write!(f, "the recording cannot be written: {error}"),
            Self::TooLong { bytes } => write!(f, "a value of {bytes} bytes is too long for a recording"),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(error) = self { Some(error) } else { None }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
