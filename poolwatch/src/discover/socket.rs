//! The kernel's socket tables of one network namespace, asked through `sock_diag(7)`.
//!
//! Requests go out on a netlink socket that belongs to that namespace; plain [`TcpSocket`]s and
//! [`UnixSocket`]s come back. It never waits: the kernel has answered before `send` returns. Tables
//! are bounded by [`TABLE_SOCKETS`]; what does not fit or cannot be read is counted.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::unix::ffi::OsStrExt,
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, TCP_ESTABLISHED, TCP_LISTEN},
    inet::{self, ExtensionFlags, InetRequest, InetResponse, SocketId},
    unix::{self, ShowFlags, UnixRequest, UnixResponse, nlas::UnixDiagName},
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};

use super::TABLE_SOCKETS;
use crate::event::Server;

/// The kernel gives a dump in parts of at most 32 KiB.
const PART: usize = 64 * 1024;
/// Matches any cookie.
const ANY: [u8; 8] = [0xff; 8];

/// One TCP socket; addresses of IPv4 mapped into IPv6 are given as IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TcpSocket {
    /// As in `/proc/PID/fd`; 0 while nobody has accepted it.
    pub inode: u64,
    /// 0 = not known.
    pub cookie: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub state: State,
}

/// What a scan tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Listening,
    Established,
    Ending,
}

/// One connected UNIX stream socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnixSocket {
    pub inode: u64,
    pub cookie: u64,
    /// The server whose name this very socket has: it is the server's end.
    pub name: Option<Server>,
    /// Inode of the other end; 0 while nobody has accepted it, or when it is closed.
    pub peer: u64,
}

/// A table, and how many of its sockets are missing from it.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub sockets: Vec<T>,
    pub left_out: u64,
}

// Not derived: that would ask for T: Default.
impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { sockets: Vec::new(), left_out: 0 }
    }
}

impl<T> Table<T> {
    pub(super) fn push(&mut self, socket: Option<T>) {
        match socket {
            Some(socket) if self.sockets.len() < TABLE_SOCKETS => self.sockets.push(socket),
            _ => self.left_out += 1,
        }
    }
}

/// A netlink socket to the socket tables of the namespace in which it was opened.
pub(super) struct Diag {
    socket: Socket,
    sequence: u32,
    /// The kernel has answered for UNIX sockets before.
    unix_known: bool,
}

impl Diag {
    /// Opens it in the calling thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0, unix_known: false })
    }

    /// All TCP sockets that somebody may still hold.
    pub(super) fn tcp(&mut self) -> io::Result<Table<TcpSocket>> {
        let mut table = Table::default();
        for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
            let request = SockDiagMessage::InetRequest(InetRequest {
                family,
                protocol: IPPROTO_TCP,
                extensions: ExtensionFlags::empty(),
                states: inet::StateFlags::ESTABLISHED
                    | inet::StateFlags::LISTEN
                    | inet::StateFlags::CLOSE_WAIT
                    | inet::StateFlags::FIN_WAIT1
                    | inet::StateFlags::FIN_WAIT2,
                socket_id,
            });
            self.ask(request, NLM_F_DUMP, |answer| match answer {
                Some(SockDiagMessage::InetResponse(response)) => table.push(Some(tcp(&response))),
                _ => table.push(None),
            })?;
        }
        Ok(table)
    }

    /// All connected UNIX stream sockets.
    pub(super) fn unix(&mut self) -> io::Result<Table<UnixSocket>> {
        let mut table = Table::default();
        let request = SockDiagMessage::UnixRequest(UnixRequest {
            state_flags: unix::StateFlags::ESTABLISHED,
            inode: 0,
            show_flags: ShowFlags::NAME | ShowFlags::PEER,
            cookie: ANY,
        });
        self.ask(request, NLM_F_DUMP, |answer| match answer {
            Some(SockDiagMessage::UnixResponse(response)) if response.header.kind != SOCK_STREAM => {}
            Some(SockDiagMessage::UnixResponse(response)) => table.push(Some(unix(&response))),
            _ => table.push(None),
        })?;
        self.unix_known = true;
        Ok(table)
    }

    /// Whether the UNIX socket with this inode is still there.
    pub(super) fn has_unix(&mut self, inode: u64) -> io::Result<bool> {
        let Ok(inode) = u32::try_from(inode) else { return Ok(false) };
        let request = SockDiagMessage::UnixRequest(UnixRequest {
            state_flags: unix::StateFlags::all(),
            inode,
            show_flags: ShowFlags::empty(),
            cookie: ANY,
        });
        match self.ask(request, 0, |_| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            Err(_) if self.unix_known => Ok(false),
            // A kernel without unix_diag says the same, but then it gives no table either.
            Err(_) => self.unix().map(|_| false),
        }
    }

    /// Sends one request and gives every answer to `take`; `None` for one that cannot be read.
    fn ask(
        &mut self,
        request: SockDiagMessage,
        flags: u16,
        mut take: impl FnMut(Option<SockDiagMessage>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            bytes.clear();
            bytes.reserve(PART);
            self.socket.recv(&mut bytes, 0)?;
            if self.part(&bytes, flags & NLM_F_DUMP != 0, &mut take)? {
                return Ok(());
            }
        }
    }

    /// Reads one part of the answer; true when it was the last.
    fn part(
        &self,
        mut bytes: &[u8],
        dump: bool,
        take: &mut impl FnMut(Option<SockDiagMessage>),
    ) -> io::Result<bool> {
        while let Ok(head) = NetlinkBuffer::new_checked(&bytes) {
            let length = usize::try_from(head.length()).unwrap_or(usize::MAX);
            let (ours, message) = (head.sequence_number() == self.sequence, bytes.get(..length));
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            // An answer to an earlier request that failed half-way.
            if !ours {
                continue;
            }
            match message.map(NetlinkMessage::<SockDiagMessage>::deserialize) {
                Some(Ok(message)) => match message.payload {
                    NetlinkPayload::InnerMessage(answer) => take(Some(answer)),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(io::Error::from_raw_os_error(-done.code));
                    }
                    NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(true),
                    _ => {}
                },
                Some(Err(_)) | None => take(None),
            }
            if !dump {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn tcp(response: &InetResponse) -> TcpSocket {
    let id = &response.header.socket_id;
    TcpSocket {
        inode: response.header.inode.into(),
        cookie: cookie(id.cookie),
        local: endpoint(id.source_address, id.source_port),
        remote: endpoint(id.destination_address, id.destination_port),
        state: match response.header.state {
            TCP_LISTEN => State::Listening,
            TCP_ESTABLISHED => State::Established,
            _ => State::Ending,
        },
    }
}

fn unix(response: &UnixResponse) -> UnixSocket {
    UnixSocket {
        inode: response.header.inode.into(),
        cookie: cookie(response.header.cookie),
        name: response.name().and_then(|name| match name {
            UnixDiagName::Pathname(path) => Server::at_path(path.as_bytes()),
            UnixDiagName::Abstract(name) => Server::at_path(&[b"\0", name.as_slice()].concat()),
        }),
        peer: response.peer().unwrap_or(0).into(),
    }
}

/// An address without zone, as [`Server`] has it.
pub(super) fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

/// The kernel gives a cookie as two words of its own byte order, the low one first.
fn cookie(words: [u8; 8]) -> u64 {
    let whole = u64::from_ne_bytes(words);
    if cfg!(target_endian = "big") { whole.rotate_left(32) } else { whole }
}
