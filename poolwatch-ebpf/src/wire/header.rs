//! What every record begins with.

/// The first bytes of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// A [`Kind`] as its number.
    pub kind: u32,
    /// Thread group (the process) that caused the record, in the initial pid namespace; 0 = unknown.
    pub pid: u32,
    /// The socket's identity, never used twice while the agent runs: its cookie (first tier) or its
    /// inode number (second tier); 0 where no socket is concerned.
    pub socket: u64,
    /// When it happened, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Requests of this socket whose record found no room in the ring since its last record.
    pub missed: u32,
    /// Messages of this socket that might have named a statement and were not told since its last record.
    pub unheard: u32,
}

/// Which record follows the header.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`super::Open`]
    Open = 1,
    /// [`super::Startup`]
    Startup = 2,
    /// [`super::Request`]
    Request = 3,
    /// [`super::Secured`]
    Secured = 4,
    /// [`super::Close`]
    Close = 5,
    /// [`super::ConnectFailed`]
    ConnectFailed = 6,
    /// [`super::Exec`]
    Exec = 7,
    /// [`super::Exit`]
    Exit = 8,
    /// [`super::Fork`]
    Fork = 9,
    /// [`super::Message`]
    Message = 10,
    /// [`super::Execute`]
    Execute = 11,
    /// [`super::Statement`]
    Statement = 12,
    /// [`super::Demand`]
    Demand = 13,
    /// [`super::Served`]
    Served = 14,
    /// [`super::Begun`]
    Begun = 15,
    /// [`super::Parked`]
    Parked = 16,
    /// [`super::Borrow`]
    Borrow = 17,
}

impl Kind {
    /// The kind with this number, if there is one.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Open,
            2 => Self::Startup,
            3 => Self::Request,
            4 => Self::Secured,
            5 => Self::Close,
            6 => Self::ConnectFailed,
            7 => Self::Exec,
            8 => Self::Exit,
            9 => Self::Fork,
            10 => Self::Message,
            11 => Self::Execute,
            12 => Self::Statement,
            13 => Self::Demand,
            14 => Self::Served,
            15 => Self::Begun,
            16 => Self::Parked,
            17 => Self::Borrow,
            _ => return None,
        })
    }
}

/// A struct that crosses the ring as its own bytes.
///
/// # Safety
/// Implementors are `repr(C)`, have no padding and accept any bit pattern.
pub unsafe trait Record: Copy {
    /// The number in the header that announces this struct.
    const KIND: Kind;

    /// Reads the record from bytes as the ring gives them; `None` when they are too few.
    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < size_of::<Self>() {
            return None;
        }
        // SAFETY: the length was checked, any bit pattern is a value, and the read is unaligned.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

impl Header {
    /// Reads the header alone; `None` when the bytes are too few.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < size_of::<Self>() {
            return None;
        }
        // SAFETY: the length was checked, any bit pattern is a value, and the read is unaligned.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

const _: () = assert!(size_of::<Header>() == 32);
