//! Which descriptor was what, from when to when: a number is used again after `close()`.

#![allow(clippy::indexing_slicing, reason = "a list that was made long enough in the line before")]

use std::collections::HashMap;

use poolwatch::event::SocketId;

use crate::line::{Line, What};

/// First words of HTTP requests, as far as the loads send them: `GET ` and `POST`.
pub const ASKS: [u64; 2] = [0x2054_4547, 0x5453_4f50];
/// `HTTP`
pub const ANSWERS: u64 = 0x5054_5448;

/// What a socket turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing that matters.
    #[default]
    Other,
    /// It leads to the database.
    Database,
    /// It was accepted.
    Accepted,
}

/// One use of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Socket {
    pub role: Role,
    /// `connect()`, where it was seen.
    pub connected: Option<u64>,
}

/// All uses of all descriptors, in their order.
#[derive(Debug, Default)]
pub struct Sockets {
    uses: HashMap<u32, Vec<Socket>>,
}

/// Where a reader of the lines stands: which use of each descriptor is the present one.
#[derive(Debug, Default)]
pub struct Place {
    used: HashMap<u32, usize>,
}

impl Place {
    /// A line changes which use it is.
    pub fn follow(&mut self, line: &Line) {
        if let What::Connect { fd, .. } | What::Accept { fd } | What::Close { fd } = line.what {
            *self.used.entry(fd).or_default() += 1;
        }
    }

    fn of(&self, fd: u32) -> usize {
        self.used.get(&fd).copied().unwrap_or(0)
    }

    /// The identity of a descriptor's present use.
    pub fn id(&self, fd: u32) -> SocketId {
        SocketId((u64::from(fd) << 32) | (self.of(fd) as u64 + 1))
    }
}

/// The end of a read is that of an answer: `ReadyForQuery` and its status.
pub fn ready(length: i64, tail: u64) -> Option<u8> {
    (length >= 6 && (tail >> 16) & 0xff_ffff_ffff == 0x05_0000_005a).then_some((tail >> 56) as u8)
}

impl Sockets {
    /// Reads all lines once.
    pub fn find(lines: &[Line]) -> Self {
        let (mut sockets, mut place) = (Self::default(), Place::default());
        for line in lines {
            place.follow(line);
            match line.what {
                What::Connect { fd, tcp: true } => sockets.entry(&place, fd).connected = Some(line.at),
                What::Accept { fd } => sockets.entry(&place, fd).role = Role::Accepted,
                What::Read { fd, length, head, tail } => {
                    let socket = sockets.entry(&place, fd);
                    if ASKS.contains(&(head & 0xffff_ffff)) {
                        socket.role = Role::Accepted;
                    } else if socket.role == Role::Other && ready(length, tail).is_some() {
                        socket.role = Role::Database;
                    }
                }
                _ => {}
            }
        }
        sockets
    }

    fn entry(&mut self, place: &Place, fd: u32) -> &mut Socket {
        let uses = self.uses.entry(fd).or_default();
        let number = place.of(fd);
        uses.resize(uses.len().max(number + 1), Socket::default());
        &mut uses[number]
    }

    /// The present use of a descriptor.
    pub fn get(&self, place: &Place, fd: u32) -> Socket {
        self.uses.get(&fd).and_then(|uses| uses.get(place.of(fd))).copied().unwrap_or_default()
    }
}
