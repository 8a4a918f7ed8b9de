//! One connection: a socket, and the style in which its bytes are sent and received.

use std::{
    io::{Error, ErrorKind},
    mem,
    net::{TcpStream, ToSocketAddrs as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    answers::Answers,
    message,
    style::{self, Get, Put},
};

/// Version 3.0 of the protocol.
pub const V3_0: u32 = 0x3_0000;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where to, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// IP address, or directory of the UNIX socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Database.
    pub database: String,
}

impl Target {
    /// A connected socket on which nothing was sent yet.
    pub fn connect(&self) -> Result<OwnedFd> {
        let socket: OwnedFd = if self.unix() {
            let path = format!("{}/.s.PGSQL.{}", self.host, self.port);
            let stream = UnixStream::connect(&path).with_context(|| path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.into()
        } else {
            let address = (self.host.as_str(), self.port).to_socket_addrs()?.next().context("an address")?;
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.into()
        };
        Ok(socket)
    }

    /// Over a UNIX socket.
    pub fn unix(&self) -> bool {
        self.host.starts_with('/')
    }

    /// The usual StartupMessage.
    pub fn startup(&self) -> Vec<u8> {
        message::startup(V3_0, &[("user", &self.user), ("database", &self.database)])
    }
}

/// A connection.
pub struct Link {
    /// The socket.
    pub socket: OwnedFd,
    /// What came.
    pub answers: Answers,
    /// ReadyForQuery messages that answered a StartupMessage.
    pub startups: u64,
    put: Put,
    get: Get,
    buffer: Vec<u8>,
}

impl Link {
    /// Connects and logs in, with plain `send` and `recv`.
    pub fn open(target: &Target) -> Result<Self> {
        Self::open_in_style(target, Box::new(style::send), style::recv(16 << 10))
    }

    /// The same in a style.
    pub fn open_in_style(target: &Target, put: Put, get: Get) -> Result<Self> {
        let mut link = Self::over(target.connect()?, put, get);
        link.log_in(target)?;
        Ok(link)
    }

    /// A socket on which nobody has logged in yet.
    pub fn over(socket: OwnedFd, put: Put, get: Get) -> Self {
        Self { socket, answers: Answers::default(), startups: 0, put, get, buffer: Vec::new() }
    }

    /// Sends the StartupMessage and waits until the server is ready.
    pub fn log_in(&mut self, target: &Target) -> Result<()> {
        self.send(&target.startup())?;
        self.ready(1)?;
        self.startups += 1;
        Ok(())
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// From now on sends in this style.
    pub fn puts(&mut self, put: Put) {
        self.put = put;
    }

    /// From now on receives in this style.
    pub fn gets(&mut self, get: Get) {
        self.get = get;
    }

    /// Sends everything.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        let fd = self.fd();
        while !bytes.is_empty() {
            let sent = (self.put)(fd, bytes).context("sending")?;
            bytes = bytes.get(sent..).context("more sent than given")?;
        }
        Ok(())
    }

    /// Receives once, in its style; false at the end of the stream.
    pub fn receive(&mut self) -> Result<bool> {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        let got = (self.get)(self.socket.as_raw_fd(), &self.answers, &mut buffer);
        let more = match got {
            Ok(()) => !buffer.is_empty(),
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => return Err(Error::new(error.kind(), error).into()),
        };
        self.answers.feed(&buffer);
        self.buffer = buffer;
        Ok(more)
    }

    /// Receives until the server was ready `times` more.
    pub fn ready(&mut self, times: u64) -> Result<()> {
        let until = self.answers.ready + times;
        while self.answers.ready < until {
            ensure!(self.receive()?, "the stream ended before the answer: {}", self.answers.error());
        }
        ensure!(self.answers.ready == until, "more answers than asked for");
        Ok(())
    }

    /// Receives until `times` more messages of this letter came.
    pub fn until(&mut self, letter: u8, times: u64) -> Result<()> {
        let until = self.answers.count(letter) + times;
        while self.answers.count(letter) < until {
            ensure!(self.receive()?, "the stream ended before a message {letter}: {}", self.answers.error());
        }
        Ok(())
    }

    /// Sends one request and waits for its answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.send(request)?;
        self.ready(1)
    }

    /// Says goodbye; the socket closes when the link is dropped.
    pub fn terminate(&mut self) -> Result<()> {
        self.send(&message::terminate())
    }

    /// Sets an option of the socket; `T` is what the kernel takes for it.
    pub fn set<T>(&self, option: i32, value: &T) -> Result<()> {
        let length = libc::socklen_t::try_from(size_of::<T>())?;
        let value = std::ptr::from_ref(value).cast();
        // SAFETY: the value is as long as said.
        let failed = unsafe { libc::setsockopt(self.fd(), libc::SOL_SOCKET, option, value, length) };
        ensure!(failed == 0, "option {option}: {}", Error::last_os_error());
        Ok(())
    }

    /// Another descriptor of the same socket.
    pub fn duplicate(&self) -> Result<OwnedFd> {
        // SAFETY: plain system call; the descriptor it returns belongs to nobody yet.
        let copy = unsafe { libc::dup(self.fd()) };
        ensure!(copy >= 0, "dup: {}", Error::last_os_error());
        // SAFETY: as above.
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    }
}
