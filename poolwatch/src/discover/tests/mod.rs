//! The scans against real sockets of this process and of others, and names of cgroups.

mod another;
mod cgroup;
mod foreign;
mod own;

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::MetadataExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::OlderSocket;
use crate::event::Server;

/// A directory that ends with the test.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("poolwatch-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn server(&self, port: u16) -> Server {
        Server::Unix(self.0.display().to_string(), port)
    }

    fn socket(&self, port: u16) -> PathBuf {
        self.0.join(format!(".s.PGSQL.{port}"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Both ends of a connection, and its listener.
struct Connection<L, S> {
    listener: L,
    client: S,
    server: S,
}

fn tcp(address: &str) -> Connection<TcpListener, TcpStream> {
    let listener = TcpListener::bind(address).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    Connection { listener, client, server }
}

fn unix(path: &Path) -> Connection<UnixListener, UnixStream> {
    let listener = UnixListener::bind(path).unwrap();
    let client = UnixStream::connect(path).unwrap();
    let server = listener.accept().unwrap().0;
    Connection { listener, client, server }
}

fn server_of(client: &TcpStream) -> SocketAddr {
    client.peer_addr().unwrap()
}

/// The socket's inode, as this process itself sees it.
fn inode(socket: impl AsFd) -> u64 {
    let copy: OwnedFd = socket.as_fd().try_clone_to_owned().unwrap();
    File::from(copy).metadata().unwrap().ino()
}

/// The socket's cookie, as this process itself sees it.
fn cookie(socket: impl AsFd) -> u64 {
    rustix::net::sockopt::socket_cookie(socket).unwrap()
}

fn with_inode(sockets: &[OlderSocket], inode: u64) -> Option<&OlderSocket> {
    sockets.iter().find(|socket| socket.inode == inode)
}
