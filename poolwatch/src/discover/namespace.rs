//! Network namespaces: a `sock_diag` socket inside each, opened without the agent moving there.
//!
//! A process's namespace comes in, a [`Diag`] that belongs to it goes out. A socket holds its
//! namespace alive, so that those of ended containers must not be kept: [`Namespaces::end_round`]
//! closes what was not asked for since the round before. At most [`NAMESPACES`] are open at once.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{NAMESPACES, socket::Diag};

/// A network namespace's number: the inode of `/proc/PID/ns/net`.
pub(super) type Network = u64;

/// Which namespace `file` is.
pub(super) fn number(file: &File) -> io::Result<Network> {
    file.metadata().map(|metadata| metadata.ino())
}

/// Opens a `sock_diag` socket inside the namespace that `file` is.
pub(super) fn enter(file: &File) -> io::Result<Diag> {
    if File::open("/proc/thread-self/ns/net").and_then(|own| number(&own))? == number(file)? {
        return Diag::open();
    }
    // The socket stays in the namespace where it was opened; the thread that went there ends at once.
    thread::scope(|scope| {
        let visitor = thread::Builder::new().name("visitor".into()).spawn_scoped(scope, || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Diag::open()
        })?;
        visitor.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace failed")))
    })
}

/// The namespaces that are kept open between scans.
#[derive(Default)]
pub(super) struct Namespaces {
    /// The longest unused first.
    open: Vec<Inside>,
    round: u64,
}

struct Inside {
    network: Network,
    diag: Diag,
    /// The round in which it was asked for last.
    round: u64,
}

impl Namespaces {
    /// A `sock_diag` socket inside the namespace that `file` is.
    pub(super) fn enter(&mut self, file: &File) -> io::Result<&mut Diag> {
        let network = number(file)?;
        let inside = match self.open.iter().position(|inside| inside.network == network) {
            Some(at) => Inside { round: self.round, ..self.open.remove(at) },
            None => Inside { network, diag: enter(file)?, round: self.round },
        };
        if self.open.len() >= NAMESPACES {
            self.open.remove(0);
        }
        Ok(&mut self.open.push_mut(inside).diag)
    }

    /// Closes the namespaces that nobody asked for since the last call.
    pub(super) fn end_round(&mut self) {
        self.open.retain(|inside| inside.round == self.round);
        self.round += 1;
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
