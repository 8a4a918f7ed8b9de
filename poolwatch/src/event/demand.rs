//! What a process itself is asked for, and what its threads do meanwhile: waits are inferred from these.
//!
//! A demand is a request on a socket that the process accepted: a web server's, a pooler's. Nothing of its
//! contents is kept but a number that stands for its route.

use serde::{Deserialize, Serialize};

use super::{SocketId, Time};

/// A moment of a thread: what it does between two of its waits for input (`epoll_wait`, `poll`, `select`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The thread, in the initial pid namespace.
    pub thread: u32,
    /// Waits for input that it began before. Stands still while nobody counts them.
    pub nth: u64,
}

/// What is spoken on an accepted socket, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.
    Http,
    /// HTTP/2, whose streams cannot be followed: many requests on one socket.
    Http2,
    /// PostgreSQL: the process is a pooler.
    Postgres,
    /// TLS records.
    Tls,
    /// Any other: one request, one response.
    Other,
    /// One stream of HTTP/2. Its number stands above its socket's.
    Stream,
}

/// The process was asked for something: the first bytes after its last response were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The accepted socket. Told again, for a demand that is open, when its route becomes readable.
    pub socket: SocketId,
    /// Who was asked.
    pub pid: u32,
    /// When it was read.
    pub at: Time,
    /// Who read it.
    pub turn: Turn,
    /// What is spoken.
    pub protocol: Protocol,
    /// Stands for the method and the first parts of the path; `None` where they cannot be read.
    pub route: Option<u32>,
}

/// The first byte of a demand's response was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The accepted socket.
    pub socket: SocketId,
    /// Who was asked.
    pub pid: u32,
    /// When.
    pub at: Time,
    /// Who wrote it; `None` when the socket was closed without a response.
    pub turn: Option<Turn>,
}

/// A request to the database began on a connection that had none in flight: told at once, of processes whose
/// demands are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The connection.
    pub socket: SocketId,
    /// First byte sent.
    pub at: Time,
    /// Who sent it.
    pub turn: Turn,
    /// Type of its first message.
    pub letter: u8,
    /// Bytes that were sent at once.
    pub bytes: u32,
}

/// A thread sleeps until another wakes it (`futex`), or does no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Its process.
    pub pid: u32,
    /// The thread.
    pub thread: u32,
    /// What it waits for, in its process's memory; 0 = not known.
    pub address: u64,
    /// When.
    pub at: Time,
    /// What it does now.
    pub parking: Parking,
}

/// What a thread that may sleep does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parking {
    /// It goes to sleep.
    Asleep,
    /// Another thread woke it.
    Woken,
    /// It woke by itself: time was over, or a signal came.
    Over,
}

/// A borrower asks a pool's own library for a connection, or is answered, as a probe in the library sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrow {
    /// Its process.
    pub pid: u32,
    /// Names the borrower as long as it waits: a goroutine, a future.
    pub borrower: u64,
    /// Names the pool within the process; 0 = not known.
    pub pool: u64,
    /// The thread that runs it at this moment.
    pub thread: u32,
    /// When.
    pub at: Time,
    /// What happened.
    pub borrowing: Borrowing,
}

/// What happens to a borrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Borrowing {
    /// It asks.
    Asks,
    /// It got a connection.
    Granted,
    /// It got none: an error, or it gave up.
    Refused,
}

impl Demand {
    /// It is one request of one response on its socket.
    pub const fn is_countable(&self) -> bool {
        !matches!(self.protocol, Protocol::Http2)
    }
}
