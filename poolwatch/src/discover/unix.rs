//! Which UNIX sockets are closed: the kernel tells no probe, so they are looked up now and then.
//!
//! Processes and inodes come in, those that are gone go out. It keeps one netlink socket for each
//! network namespace that it was last asked about.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
};

use super::{
    files,
    namespace::{self, Namespaces, Network},
    process::Holder,
    socket::Diag,
};

/// More lookups than this in one namespace cost more than reading its whole table.
const LOOKUPS: usize = 64;

/// A UNIX socket: its process and its inode.
type Socket = (u32, u64);

/// Looks after UNIX sockets.
#[derive(Default)]
pub struct UnixSockets {
    namespaces: Namespaces,
}

impl UnixSockets {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which of these sockets (process, inode) are not there any more, in the order of asking.
    ///
    /// A process that vanished has closed its sockets. Where nothing can be learned, the sockets are
    /// believed to be there.
    pub fn gone(&mut self, sockets: &[(u32, u64)]) -> Vec<(u32, u64)> {
        let groups = Groups::of(sockets);
        let mut gone = groups.vanished;
        let mut unanswered = groups.hidden;
        for (file, sockets) in groups.networks.into_values() {
            match self.namespaces.enter(&file).and_then(|diag| gone_in(diag, &sockets)) {
                Ok(found) => gone.extend(found),
                Err(_) => unanswered.extend(sockets),
            }
        }
        self.namespaces.end_round();
        gone.extend(gone_from_files(&unanswered));
        sockets.iter().filter(|socket| gone.contains(socket)).copied().collect()
    }
}

/// Sockets by where to ask for them.
#[derive(Default)]
struct Groups {
    networks: HashMap<Network, (File, Vec<Socket>)>,
    /// Of processes whose namespace may not be seen.
    hidden: Vec<Socket>,
    /// Of processes that are not there any more.
    vanished: HashSet<Socket>,
}

impl Groups {
    fn of(sockets: &[Socket]) -> Self {
        let mut by_process: HashMap<u32, Vec<Socket>> = HashMap::new();
        for socket in sockets {
            by_process.entry(socket.0).or_default().push(*socket);
        }
        let mut groups = Self::default();
        for (pid, sockets) in by_process {
            groups.add(pid, sockets);
        }
        groups
    }

    fn add(&mut self, pid: u32, sockets: Vec<Socket>) {
        let Some(process) = Holder::open(pid) else { return self.vanished.extend(sockets) };
        let network = process.network().and_then(|file| Some((namespace::number(&file).ok()?, file)));
        match network {
            Some((number, file)) => {
                self.networks.entry(number).or_insert((file, Vec::new())).1.extend(sockets);
            }
            None => self.hidden.extend(sockets),
        }
    }
}

fn gone_in(diag: &mut Diag, sockets: &[Socket]) -> io::Result<Vec<Socket>> {
    if sockets.len() > LOOKUPS {
        let table = diag.unix()?;
        if table.left_out > 0 {
            return Err(io::Error::other("the table is incomplete"));
        }
        let there: HashSet<u64> = table.sockets.iter().map(|socket| socket.inode).collect();
        return Ok(sockets.iter().filter(|(_, inode)| !there.contains(inode)).copied().collect());
    }
    let mut gone = Vec::new();
    for socket in sockets {
        if !diag.has_unix(socket.1)? {
            gone.push(*socket);
        }
    }
    Ok(gone)
}

/// The same from `/proc/PID/net/unix`, for where the kernel cannot be asked.
fn gone_from_files(sockets: &[Socket]) -> Vec<Socket> {
    let mut tables: HashMap<u32, Option<HashSet<u64>>> = HashMap::new();
    let mut is_gone = |socket: &&Socket| {
        let table = tables.entry(socket.0).or_insert_with(|| files::unix(socket.0).ok());
        table.as_ref().is_some_and(|inodes| !inodes.contains(&socket.1))
    };
    sockets.iter().filter(|socket| is_gone(socket)).copied().collect()
}
