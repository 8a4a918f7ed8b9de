//! How connections begin: what is asked before the StartupMessage, versions, passwords.

use std::{io::Read as _, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result, ensure};

use super::{Case, finish, hold, mixed};
use crate::{
    link::{Link, Target, V3_0},
    message::{self, message, packet, query},
    style::{self, Random},
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("ssl_refused", |target| refused(target, &[SSL])),
    ("gss_refused", |target| refused(target, &[GSS])),
    ("both_refused", |target| refused(target, &[GSS, SSL])),
    ("cancel", cancel),
    ("version_3_2", |target| version(target, 0x3_0002)),
    ("version_3_9", |target| version(target, 0x3_0009)),
    ("spoken_3_2", spoken_3_2),
    ("gss_accepted", gss_accepted),
    ("password", password),
    ("split_login", split_login),
    ("wrong_password", wrong_password),
    ("held_plain", held_plain),
];

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

fn plain(target: &Target) -> Result<Link> {
    Ok(Link::over(target.connect()?, Box::new(style::send), style::recv(16 << 10)))
}

/// Encryption is asked for, refused, and the connection goes on in the clear.
fn refused(target: &Target, codes: &[u32]) -> Result<Tally> {
    let mut all = Tally::default();
    for _ in 0..5 {
        let mut link = plain(target)?;
        for code in codes {
            link.send(&packet(*code, &[]))?;
            let mut answer = [0];
            let mut socket = std::fs::File::from(link.duplicate()?);
            socket.read_exact(&mut answer)?;
            ensure!(answer == *b"N", "not refused");
        }
        link.log_in(target)?;
        let calls = mixed(&mut link, 5)?;
        all = all.and(finish(link, calls)?);
    }
    Ok(all)
}

/// A CancelRequest has a connection of its own, which is no connection of a pool.
fn cancel(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..5 {
        cancelled(target, &mut link)?;
    }
    ensure!(link.answers.failed == 5, "all five are cancelled: {}", link.answers.error());
    link.ask(&query("select 1"))?;
    finish(link, 1)
}

/// Asks for something that takes long, and cancels it.
fn cancelled(target: &Target, link: &mut Link) -> Result<()> {
    let request = packet(CANCEL, link.answers.last(b'K'));
    link.send(&query("select pg_sleep(30)"))?;
    loop {
        // The server may not have begun yet, and then there is nothing to cancel.
        let canceller = target.connect()?;
        ensure!(style::send(canceller.as_raw_fd(), &request)? == request.len(), "sent in part");
        let _ = std::fs::File::from(canceller).read(&mut [0]);
        let mut one = libc::pollfd { fd: link.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, as said.
        if unsafe { libc::poll(&raw mut one, 1, 50) } == 1 {
            return link.ready(1);
        }
    }
}

/// A newer version is asked for, and an option that no server knows.
fn version(target: &Target, version: u32) -> Result<Tally> {
    let mut all = Tally::default();
    for _ in 0..5 {
        let mut link = plain(target)?;
        let pairs =
            [("user", target.user.as_str()), ("database", &target.database), ("_pq_.unheard_of", "yes")];
        link.send(&message::startup(version, &pairs))?;
        link.ready(1)?;
        link.startups = 1;
        ensure!(link.answers.count(b'v') == 1, "NegotiateProtocolVersion");
        let calls = mixed(&mut link, 5)?;
        all = all.and(finish(link, calls)?);
    }
    Ok(all)
}

/// Version 3.2 in earnest: no negotiation, and a key of more than four bytes, with which a request is cancelled.
fn spoken_3_2(target: &Target) -> Result<Tally> {
    let mut link = plain(target)?;
    let pairs = [("user", target.user.as_str()), ("database", &target.database)];
    link.send(&message::startup(0x3_0002, &pairs))?;
    link.ready(1)?;
    link.startups = 1;
    ensure!(link.answers.count(b'v') == 0, "the server speaks an older version");
    ensure!(link.answers.last(b'K').len() > 8, "a short key");
    cancelled(target, &mut link)?;
    let calls = mixed(&mut link, 10)?;
    finish(link, calls)
}

/// The server would go on with GSSAPI; the client does not.
fn gss_accepted(target: &Target) -> Result<Tally> {
    let link = plain(target)?;
    style::send(link.fd(), &packet(GSS, &[]))?;
    let mut answer = [0];
    std::fs::File::from(link.duplicate()?).read_exact(&mut answer)?;
    ensure!(answer == *b"G", "not accepted");
    hold()?;
    Ok(Tally { connections: 1, ..Tally::default() })
}

/// A request for a password in the clear, answered by the client itself.
fn password(target: &Target) -> Result<Tally> {
    let mut link = plain(target)?;
    link.send(&target.startup())?;
    link.until(b'R', 1)?;
    ensure!(link.answers.last(b'R') == [0, 0, 0, 3], "the server asks for a password");
    link.ask(&message(b'p', b"secret\0"))?;
    link.startups = 1;
    let calls = mixed(&mut link, 5)?;
    finish(link, calls)
}

/// The same in pieces of random lengths, in both directions.
fn split_login(target: &Target) -> Result<Tally> {
    let mut all = Tally::default();
    for seed in 1..=10 {
        let most = [1, 2, 5, 9, 30][seed % 5];
        let (put, get) = (Random(seed as u64 * 41), Random(seed as u64 * 43));
        let mut link =
            Link::over(target.connect()?, style::send_random(put, most), style::recv_random(get, most));
        link.send(&target.startup())?;
        link.until(b'R', 1)?;
        link.ask(&message(b'p', b"secret\0"))?;
        link.startups = 1;
        let calls = mixed(&mut link, 2)?;
        all = all.and(finish(link, calls)?);
    }
    Ok(all)
}

/// An attempt that the server turns away.
fn wrong_password(target: &Target) -> Result<Tally> {
    let mut link = plain(target)?;
    link.send(&target.startup())?;
    link.until(b'R', 1)?;
    link.send(&message(b'p', b"guess\0"))?;
    while link.receive().context("the refusal")? {}
    ensure!(link.answers.count(b'E') == 1, "refused");
    Ok(Tally { connections: 1, ..Tally::default() })
}

/// A connection that does nothing special, open while the test looks.
fn held_plain(target: &Target) -> Result<Tally> {
    let mut link = plain(target)?;
    link.send(&message::startup(V3_0, &[("user", &target.user), ("database", &target.database)]))?;
    link.ready(1)?;
    link.startups = 1;
    let calls = mixed(&mut link, 5)?;
    hold()?;
    finish(link, calls)
}
