//! Requests and answers that `io_uring` moves.

use std::{
    io::Error,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result, ensure};
use io_uring::{IoUring, opcode, squeue::Entry, types::Fd};

use super::{Case, finish, hold, mixed};
use crate::{
    link::{Link, Target},
    style::{Get, Put},
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("ring", |target| begun_as_usual(target, IoUring::new(8)?)),
    ("ring_poller", |target| begun_as_usual(target, IoUring::builder().setup_sqpoll(50).build(8)?)),
    ("ring_whole", whole),
];

type Ring = Arc<Mutex<IoUring>>;

/// Does one operation to its end.
fn perform(ring: &Ring, operation: &Entry) -> Result<usize, Error> {
    let mut ring = ring.lock().map_err(|_| Error::other("the ring's lock"))?;
    // SAFETY: what the operation points at lives until its completion, which is waited for here.
    unsafe { ring.submission().push(operation).map_err(Error::other)? };
    ring.submit_and_wait(1)?;
    let completed = ring.completion().next().ok_or_else(|| Error::other("nothing was completed"))?;
    usize::try_from(completed.result()).map_err(|_| Error::from_raw_os_error(-completed.result()))
}

fn send(ring: &Ring) -> Put {
    let ring = Arc::clone(ring);
    Box::new(move |fd, bytes| {
        let length = u32::try_from(bytes.len()).map_err(Error::other)?;
        perform(&ring, &opcode::Send::new(Fd(fd), bytes.as_ptr(), length).build())
    })
}

fn receive(ring: &Ring) -> Get {
    let ring = Arc::clone(ring);
    Box::new(move |fd, _, buffer| {
        buffer.resize(16 << 10, 0);
        let got = perform(&ring, &opcode::Recv::new(Fd(fd), buffer.as_mut_ptr(), 16 << 10).build());
        buffer.truncate(got.as_ref().copied().unwrap_or(0));
        got.map(drop)
    })
}

/// A usual connection whose requests go through a ring later.
fn begun_as_usual(target: &Target, ring: IoUring) -> Result<Tally> {
    let ring = Arc::new(Mutex::new(ring));
    let mut link = Link::open(target)?;
    let before = mixed(&mut link, 5)?;
    link.puts(send(&ring));
    link.gets(receive(&ring));
    let through = mixed(&mut link, 5)?;
    hold()?;
    finish(link, before + through)
}

/// Everything through the ring, `connect()` too.
fn whole(target: &Target) -> Result<Tally> {
    let ring = Arc::new(Mutex::new(IoUring::new(8)?));
    let socket = if target.unix() {
        let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
        let (address, length) = unix(&path)?;
        connected(&ring, libc::AF_UNIX, (&raw const address).cast(), length)?
    } else {
        let (address, length) = inet(target)?;
        connected(&ring, libc::AF_INET, (&raw const address).cast(), length)?
    };
    let mut link = Link::over(socket, send(&ring), receive(&ring));
    link.log_in(target)?;
    let calls = mixed(&mut link, 10)?;
    hold()?;
    finish(link, calls)
}

fn connected(
    ring: &Ring,
    family: i32,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> Result<OwnedFd> {
    // SAFETY: plain system call; what it returns belongs to nobody yet.
    let fd: RawFd = unsafe { libc::socket(family, libc::SOCK_STREAM, 0) };
    ensure!(fd >= 0, "socket: {}", Error::last_os_error());
    // SAFETY: as above.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    perform(ring, &opcode::Connect::new(Fd(socket.as_raw_fd()), address, length).build())
        .context("connecting through the ring")?;
    Ok(socket)
}

fn unix(path: &str) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: zeros are a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX)?;
    ensure!(path.len() < address.sun_path.len(), "a long path");
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from.cast_signed();
    }
    Ok((address, libc::socklen_t::try_from(size_of::<libc::sockaddr_un>())?))
}

fn inet(target: &Target) -> Result<(libc::sockaddr_in, libc::socklen_t)> {
    let ip: std::net::Ipv4Addr = target.host.parse()?;
    let address = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET)?,
        sin_port: target.port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
        sin_zero: [0; 8],
    };
    Ok((address, libc::socklen_t::try_from(size_of::<libc::sockaddr_in>())?))
}
