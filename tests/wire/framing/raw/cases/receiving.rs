//! The same answers, received by every system call and cut at every byte.

use std::{io::ErrorKind, sync::mpsc::Receiver};

use anyhow::{Result, bail};

use super::{Case, finish, mixed};
use crate::{
    link::{Link, Target},
    message::{extended, query},
    style::{self, Get, Random},
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("read", |target| received(target, style::read(16 << 10))),
    ("one_byte", |target| received(target, style::recv(1))),
    ("seven_bytes", |target| received(target, style::recv(7))),
    ("header_then_body", |target| received(target, style::recv_header_then_body(0))),
    ("random_reads", random_reads),
    ("several_a_read", several_a_read),
    ("readv", |target| received(target, style::readv(vec![5, 0, 100]))),
    ("recvmsg", |target| received(target, style::recvmsg(vec![3, 9, 64, 1000, 8000]))),
    ("recvmsg_200", |target| received(target, style::recvmsg(vec![3; 200]))),
    ("readv_1000", |target| received(target, style::readv(vec![1; 1000]))),
    ("recvmmsg", |target| received(target, style::recvmmsg(4, 600))),
    ("nonblocking", nonblocking),
    ("peek", |target| received(target, style::peek(64))),
    ("discard", discard),
    ("wait_all", |target| received(target, style::recv_header_then_body(libc::MSG_WAITALL))),
    ("zero_reads", zero_reads),
    ("interrupted", interrupted),
];

fn received(target: &Target, get: Get) -> Result<Tally> {
    let mut link = Link::open_in_style(target, Box::new(style::send), get)?;
    let calls = mixed(&mut link, 20)?;
    finish(link, calls)
}

/// Ten seeds, each a connection of its own.
fn random_reads(target: &Target) -> Result<Tally> {
    let mut all = Tally::default();
    for seed in 1..=10 {
        let most = [3, 8, 20, 100, 1500][seed % 5];
        all = all.and(received(target, style::recv_random(Random(seed as u64 * 977), most))?);
    }
    Ok(all)
}

/// Twenty answers lie in the socket before the first read.
fn several_a_read(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.gets(style::recv(1 << 20));
    for _ in 0..10 {
        link.send(&extended("select $1::text", &["x"]).repeat(20))?;
        while waiting(&link) < 20 * 50 {
            style::poll(link.fd(), libc::POLLIN);
        }
        link.ready(20)?;
    }
    finish(link, 200)
}

fn waiting(link: &Link) -> i32 {
    let mut bytes = 0;
    // SAFETY: FIONREAD writes one int.
    unsafe { libc::ioctl(link.fd(), libc::FIONREAD, &raw mut bytes) };
    bytes
}

fn unblock(link: &Link) {
    // SAFETY: plain system call on a descriptor of ours.
    let failed = unsafe { libc::fcntl(link.fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(failed, 0, "O_NONBLOCK");
}

/// Asks for answers that come late until twenty reads went as they are to go; on a busy machine an answer may be there
/// before it is read. Returns how many it asked for.
fn late_answers(link: &mut Link, counted: &Receiver<()>) -> Result<u64> {
    counted.try_iter().for_each(drop);
    let mut so = 0;
    for asked in 1..=200 {
        link.ask(&query("select pg_sleep(0.01)"))?;
        so += counted.try_iter().count();
        if so >= 20 && asked >= 20 {
            return Ok(asked);
        }
    }
    bail!("only {so} reads of 200 answers went as they are to go")
}

/// Each read is tried before anything has come.
fn nonblocking(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    unblock(&link);
    let mut plain = style::recv(100);
    let (count, counted) = std::sync::mpsc::channel();
    link.gets(Box::new(move |fd, answers, buffer| {
        loop {
            match plain(fd, answers, buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let _ = count.send(());
                    style::poll(fd, libc::POLLIN);
                }
                other => return other,
            }
        }
    }));
    let calls = mixed(&mut link, 20)?;
    let late = late_answers(&mut link, &counted)?;
    finish(link, calls + late)
}

/// Rows are thrown away by `MSG_TRUNC`: TCP then copies nothing.
fn discard(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.gets(Box::new(|fd, answers, buffer| {
        let missing = answers.missing();
        buffer.resize(missing, 0);
        // A header is five bytes; only rows are longer than a hundred here.
        let flags = if missing > 100 { libc::MSG_TRUNC } else { 0 };
        // SAFETY: the buffer is as long as said.
        let got = style::done(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), missing, flags) })?;
        buffer.truncate(got);
        Ok(())
    }));
    for _ in 0..50 {
        link.ask(&query("select repeat('Z', 3000) from generate_series(1, 20)"))?;
    }
    finish(link, 50)
}

/// A `recv` of no bytes before each of some.
fn zero_reads(target: &Target) -> Result<Tally> {
    let mut plain = style::recv(50);
    received(
        target,
        Box::new(move |fd, answers, buffer| {
            style::recv(0)(fd, answers, buffer)?;
            plain(fd, answers, buffer)
        }),
    )
}

extern "C" fn ignore(_: i32) {}

/// A timer interrupts the reads, which are not restarted.
fn interrupted(target: &Target) -> Result<Tally> {
    // SAFETY: zeros are a value; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
    }
    let every = libc::timeval { tv_sec: 0, tv_usec: 3000 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    let mut link = Link::open(target)?;
    // SAFETY: a timer of ours.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    let mut plain = style::recv(100);
    let (count, counted) = std::sync::mpsc::channel();
    link.gets(Box::new(move |fd, answers, buffer| {
        let got = plain(fd, answers, buffer);
        if got.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            let _ = count.send(());
        }
        got
    }));
    let late = late_answers(&mut link, &counted)?;
    let off = libc::itimerval {
        it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
        ..unsafe { std::mem::zeroed() }
    };
    // SAFETY: as above.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const off, std::ptr::null_mut()) };
    finish(link, late)
}
