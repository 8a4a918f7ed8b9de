//! What `/proc`, the socket tables and the container runtime know: processes, how their containers are called, and
//! sockets that were open before the agent.
//!
//! Process numbers and inodes come in, [`crate::event`]'s plain data goes out. Everything here is a
//! look at one moment: a process that vanishes meanwhile is normal and simply not told. Environment
//! values never leave but as numbers, `OTEL_SERVICE_NAME` excepted. All of it blocks, for milliseconds, but for
//! [`cri`], whose answers come later.

mod cgroup;
pub mod cri;
mod declared;
mod files;
mod inside;
pub mod library;
mod lookup;
mod name;
mod namespace;
mod older;
mod process;
mod scan;
mod seen;
mod service;
mod socket;
pub mod symbols;
mod table;
pub mod tls;
mod trouble;
mod unix;

pub use self::{
    cgroup::{Container, Keeper},
    lookup::Lookup,
    older::{By, Older, OlderSocket, older_sockets, sockets},
    process::{Kind, Vanished, family, is_over, kind_of, process, processes, started},
    seen::Seen,
    unix::UnixSockets,
};

/// Older sockets told by one scan; further ones are counted in [`Older::problems`].
pub const OLDER_SOCKETS: usize = 131_072;
/// Sockets read from one socket table of one network namespace; further ones are counted likewise.
pub const TABLE_SOCKETS: usize = 1_048_576;
/// Network namespaces in which a socket is kept open; the longest unused is closed first.
pub const NAMESPACES: usize = 64;
/// Bytes read of a process's environment or arguments; what follows is not looked at.
pub const PROCESS_BYTES: u64 = 1 << 20;
/// Bytes kept of a process's name or service; a longer one is cut.
pub const NAME_BYTES: usize = 200;

#[cfg(test)]
mod tests;
