//! The same requests, sent by every system call and cut at every byte.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::{Result, ensure};

use super::{Case, finish, mixed};
use crate::{
    link::{Link, Target},
    message::{extended, query},
    style::{self, Put, Random},
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("write", |target| sent(target, Box::new(style::write))),
    ("send_one_byte", |target| sent(target, style::send_at_most(1))),
    ("send_three_bytes", |target| sent(target, style::send_at_most(3))),
    ("random_sends", random_sends),
    ("both_random", both_random),
    ("writev", |target| sent(target, style::writev(vec![1, 4, 0, 20]))),
    ("sendmsg", |target| sent(target, style::sendmsg(vec![5, 0, 0, 7, 1]))),
    ("sendmsg_200", |target| sent(target, style::sendmsg(vec![1; 200]))),
    ("writev_1000", writev_1000),
    ("sendmmsg", |target| sent(target, style::sendmmsg(9, 0))),
    ("sendmmsg_partial", sendmmsg_partial),
    ("partial_writes", partial_writes),
    ("zero_sends", zero_sends),
    ("more_to_come", more_to_come),
];

fn sent(target: &Target, put: Put) -> Result<Tally> {
    let mut link = Link::open_in_style(target, put, style::recv(16 << 10))?;
    let calls = mixed(&mut link, 20)?;
    finish(link, calls)
}

/// Ten seeds, each a connection of its own.
fn random_sends(target: &Target) -> Result<Tally> {
    let mut all = Tally::default();
    for seed in 1..=10 {
        let most = [3, 8, 20, 60, 100][seed % 5];
        all = all.and(sent(target, style::send_random(Random(seed as u64 * 1009), most))?);
    }
    Ok(all)
}

/// Both directions at random.
fn both_random(target: &Target) -> Result<Tally> {
    let mut all = Tally::default();
    for seed in 1..=10 {
        let most = [2, 6, 11, 40, 300][seed % 5];
        let put = style::send_random(Random(seed as u64 * 31), most);
        let mut link = Link::open_in_style(target, put, style::recv_random(Random(seed as u64 * 37), most))?;
        let calls = mixed(&mut link, 10)?;
        all = all.and(finish(link, calls)?);
    }
    Ok(all)
}

/// A request of several thousand bytes, a thousand of them in segments of their own.
fn writev_1000(target: &Target) -> Result<Tally> {
    let mut link = Link::open_in_style(target, style::writev(vec![1; 1000]), style::recv(16 << 10))?;
    let long = "w".repeat(4000);
    for _ in 0..50 {
        link.ask(&extended("select length($1::text)", &[&long]))?;
    }
    finish(link, 50)
}

/// A small send buffer, and `sendmmsg` that does not wait: messages go out in part, and the call again.
fn sendmmsg_partial(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.set(libc::SO_SNDBUF, &4096i32)?;
    let mut several = style::sendmmsg(3000, libc::MSG_DONTWAIT);
    link.puts(Box::new(move |fd, bytes| {
        loop {
            match several(fd, &bytes[..bytes.len().min(12_000)]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => style::poll(fd, libc::POLLOUT),
                other => return other,
            }
        }
    }));
    let long = "m".repeat(50_000);
    for _ in 0..10 {
        link.ask(&extended("select length($1::text) + 2", &[&long]))?;
        link.ask(&query("select 1"))?;
    }
    finish(link, 20)
}

/// A small send buffer that does not wait: the kernel takes what fits, or says EAGAIN.
fn partial_writes(target: &Target) -> Result<Tally> {
    let again = std::sync::Arc::new(AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&again);
    let mut link = Link::open(target)?;
    link.set(libc::SO_SNDBUF, &4096i32)?;
    link.puts(Box::new(move |fd, bytes| {
        loop {
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: the buffer is as long as said.
            match style::done(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) }) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    again.fetch_add(1, Relaxed);
                    style::poll(fd, libc::POLLOUT);
                }
                other => return other,
            }
        }
    }));
    let long = "v".repeat(100_000);
    for _ in 0..10 {
        link.ask(&extended("select length($1::text) + 1", &[&long]))?;
        link.ask(&query(&format!("select length('{long}')")))?;
    }
    ensure!(counted.load(Relaxed) > 10, "it did not have to wait");
    finish(link, 20)
}

/// A send of no bytes before each of some.
fn zero_sends(target: &Target) -> Result<Tally> {
    sent(
        target,
        Box::new(|fd, bytes| {
            style::send(fd, &[])?;
            style::write(fd, &[])?;
            style::send(fd, &bytes[..bytes.len().min(11)])
        }),
    )
}

/// `MSG_MORE` holds bytes back until the last piece of a request.
fn more_to_come(target: &Target) -> Result<Tally> {
    sent(
        target,
        Box::new(|fd, bytes| {
            let piece = &bytes[..bytes.len().min(20)];
            let more = if piece.len() < bytes.len() { libc::MSG_MORE } else { 0 };
            // SAFETY: the buffer is as long as said.
            style::done(unsafe {
                libc::send(fd, piece.as_ptr().cast(), piece.len(), more | libc::MSG_NOSIGNAL)
            })
        }),
    )
}
