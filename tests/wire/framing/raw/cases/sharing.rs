//! One connection in several hands: processes, descriptors, threads.

use std::{
    io::Error,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    os::unix::net::UnixStream,
    sync::{Condvar, Mutex},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use super::{Case, finish, mixed};
use crate::{
    link::{Link, Target},
    message::{extended, query},
    style,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("passed", passed),
    ("inherited", inherited),
    ("duplicated", duplicated),
    ("reader_and_writer", reader_and_writer),
    ("alternating", alternating),
    ("many_threads", many_threads),
];

const EACH: u64 = 24;

/// Runs `work` in a child of ours and waits for its good end.
fn in_a_child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    // SAFETY: this client has one thread here, so the child may go on as it likes.
    match unsafe { libc::fork() } {
        0 => {
            let code = match work() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("the child: {error:#}");
                    1
                }
            };
            // SAFETY: ends the child at once; what the parent also holds is not dropped twice.
            unsafe { libc::_exit(code) }
        }
        child => {
            ensure!(child > 0, "fork: {}", Error::last_os_error());
            wait_for(child)
        }
    }
}

fn wait_for(child: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: a child of ours.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    ensure!(ended == child && status == 0, "the child ended with {status}");
    Ok(())
}

/// The descriptor goes to another process over a UNIX socket; the one that opened it lets go.
fn passed(target: &Target) -> Result<Tally> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: one thread, see `in_a_child`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(ours);
        let worked = take_over(&theirs);
        if let Err(error) = &worked {
            eprintln!("the child: {error:#}");
        }
        // SAFETY: as in `in_a_child`.
        unsafe { libc::_exit(i32::from(worked.is_err())) }
    }
    ensure!(child > 0, "fork: {}", Error::last_os_error());
    let mut link = Link::open(target)?;
    let calls = mixed(&mut link, EACH)?;
    pass(&ours, link.fd())?;
    let tally = Tally::of(&link, calls);
    drop(link);
    wait_for(child)?;
    Ok(Tally { requests: tally.requests + 3 * EACH, calls: calls + 3 * EACH, ..tally })
}

fn take_over(from: &UnixStream) -> Result<()> {
    let socket = taken(from)?;
    let mut link = Link::over(socket, Box::new(style::send), style::recv(16 << 10));
    mixed(&mut link, EACH)?;
    link.terminate()
}

/// Room for one descriptor beside a message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Beside([u8; 64]);

fn letter(byte: &mut u8, beside: &mut Beside) -> (libc::iovec, libc::msghdr) {
    let vector = libc::iovec { iov_base: (&raw mut *byte).cast(), iov_len: 1 };
    // SAFETY: a msghdr of zeros is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_control = beside.0.as_mut_ptr().cast();
    // SAFETY: arithmetic only.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as _;
    (vector, header)
}

fn pass(to: &UnixStream, fd: RawFd) -> Result<()> {
    let (mut byte, mut beside) = (b'x', Beside([0; 64]));
    let (mut vector, mut header) = letter(&mut byte, &mut beside);
    (header.msg_iov, header.msg_iovlen) = (&raw mut vector, 1);
    // SAFETY: the header's control room holds one descriptor.
    let sent = unsafe {
        let control = libc::CMSG_FIRSTHDR(&raw const header);
        (*control).cmsg_level = libc::SOL_SOCKET;
        (*control).cmsg_type = libc::SCM_RIGHTS;
        (*control).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(control).cast::<RawFd>().write_unaligned(fd);
        libc::sendmsg(to.as_raw_fd(), &raw const header, 0)
    };
    ensure!(sent == 1, "passing: {}", Error::last_os_error());
    Ok(())
}

fn taken(from: &UnixStream) -> Result<OwnedFd> {
    let (mut byte, mut beside) = (0, Beside([0; 64]));
    let (mut vector, mut header) = letter(&mut byte, &mut beside);
    (header.msg_iov, header.msg_iovlen) = (&raw mut vector, 1);
    // SAFETY: the header's control room holds one descriptor, which the kernel made for us.
    unsafe {
        let came = libc::recvmsg(from.as_raw_fd(), &raw mut header, 0);
        let control = libc::CMSG_FIRSTHDR(&raw const header);
        ensure!(came == 1 && !control.is_null(), "no descriptor came");
        Ok(OwnedFd::from_raw_fd(libc::CMSG_DATA(control).cast::<RawFd>().read_unaligned()))
    }
}

/// A child goes on with the connection that it was born with, and after it the parent.
fn inherited(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let before = mixed(&mut link, EACH)?;
    in_a_child(|| mixed(&mut link, EACH).map(drop))?;
    let after = mixed(&mut link, EACH)?;
    let tally = finish(link, before + after)?;
    Ok(Tally { requests: tally.requests + 3 * EACH, calls: tally.calls + 3 * EACH, ..tally })
}

/// Two descriptors in turn; the first is closed, the second goes on.
fn duplicated(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let mut calls = mixed(&mut link, EACH)?;
    let first = std::mem::replace(&mut link.socket, OwnedFd::from(UnixStream::pair()?.0));
    // SAFETY: plain system call; what it returns belongs to nobody yet.
    link.socket = unsafe { OwnedFd::from_raw_fd(libc::dup(first.as_raw_fd())) };
    calls += mixed(&mut link, EACH)?;
    drop(first);
    calls += mixed(&mut link, EACH)?;
    finish(link, calls)
}

/// One thread writes, another reads; at most 30 requests are in flight.
fn reader_and_writer(target: &Target) -> Result<Tally> {
    const ALL: u64 = 1000;
    let mut link = Link::open(target)?;
    let fd = link.fd();
    let (flight, moved) = (Mutex::new(0u64), Condvar::new());
    thread::scope(|scope| -> Result<()> {
        let writer = scope.spawn(|| -> Result<()> {
            for round in 0..ALL {
                let guard = flight.lock().unwrap();
                let mut guard = moved.wait_while(guard, |flight| *flight >= 30).unwrap();
                *guard += 1;
                drop(guard);
                let request = if round % 2 == 0 { query("select 1") } else { extended("select 2", &[]) };
                ensure!(style::send(fd, &request)? == request.len(), "sent in part");
            }
            Ok(())
        });
        while link.answers.ready - link.startups < ALL {
            let before = link.answers.ready;
            ensure!(link.receive()?, "the stream ended");
            *flight.lock().unwrap() -= link.answers.ready - before;
            moved.notify_one();
        }
        writer.join().ok().context("the writer")?
    })?;
    finish(link, ALL)
}

/// Two threads ask in turn, under a lock.
fn alternating(target: &Target) -> Result<Tally> {
    let link = Mutex::new(Link::open(target)?);
    thread::scope(|scope| {
        let threads = [1, 2]
            .map(|_| scope.spawn(|| (0..100).try_for_each(|_| link.lock().unwrap().ask(&query("select 3")))));
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread")?)
    })?;
    finish(link.into_inner().unwrap(), 200)
}

/// Eight threads, each with a connection of its own, at once.
fn many_threads(target: &Target) -> Result<Tally> {
    thread::scope(|scope| {
        let threads = [0; 8].map(|_| {
            scope.spawn(|| -> Result<Tally> {
                let mut link = Link::open(target)?;
                let calls = mixed(&mut link, EACH)?;
                finish(link, calls)
            })
        });
        let ask = |tally: Tally, thread: thread::ScopedJoinHandle<'_, Result<Tally>>| {
            Ok(tally.and(thread.join().ok().context("a thread")??))
        };
        threads.into_iter().try_fold(Tally::default(), ask)
    })
}
