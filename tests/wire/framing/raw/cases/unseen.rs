//! Bytes that pass from file to socket inside the kernel, or through `io_uring`.

use std::{io::Error, os::fd::RawFd};

use anyhow::{Result, ensure};

use super::{Case, finish};
use crate::{
    link::{Link, Target},
    message::{message, query},
    style,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("sendfile_copy", |target| copy(target, sendfile)),
    ("splice_copy", |target| copy(target, splice)),
    ("sendfile_whole", |target| whole(target, sendfile)),
    ("splice_whole", |target| whole(target, splice)),
    ("splice_in", splice_in),
];

type Way = fn(RawFd, &[u8]) -> Result<()>;

/// A file in memory with these bytes.
fn file_of(bytes: &[u8]) -> Result<std::fs::File> {
    use std::{
        io::{Seek as _, Write as _},
        os::fd::FromRawFd as _,
    };
    // SAFETY: plain system call; what it returns belongs to nobody yet.
    let mut file = unsafe {
        let fd = libc::memfd_create(c"poolwatch".as_ptr(), 0);
        ensure!(fd >= 0, "memfd_create: {}", Error::last_os_error());
        std::fs::File::from_raw_fd(fd)
    };
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn sendfile(socket: RawFd, bytes: &[u8]) -> Result<()> {
    use std::os::fd::AsRawFd as _;
    let file = file_of(bytes)?;
    let mut left = bytes.len();
    while left > 0 {
        // SAFETY: plain system call; the file's own position moves.
        let sent = unsafe { libc::sendfile(socket, file.as_raw_fd(), std::ptr::null_mut(), left) };
        left -= style::done(sent)?;
    }
    Ok(())
}

fn pipe() -> Result<[RawFd; 2]> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    ensure!(unsafe { libc::pipe(ends.as_mut_ptr()) } == 0, "pipe: {}", Error::last_os_error());
    Ok(ends)
}

fn close(ends: [RawFd; 2]) {
    for end in ends {
        // SAFETY: it is ours, and used no more.
        unsafe { libc::close(end) };
    }
}

fn splice(socket: RawFd, bytes: &[u8]) -> Result<()> {
    let [out, into] = pipe()?;
    for piece in bytes.chunks(4096) {
        ensure!(style::write(into, piece)? == piece.len(), "a pipe takes a page");
        let mut left = piece.len();
        while left > 0 {
            // SAFETY: plain system call.
            let moved =
                unsafe { libc::splice(out, std::ptr::null_mut(), socket, std::ptr::null_mut(), left, 0) };
            left -= style::done(moved)?;
        }
    }
    close([out, into]);
    Ok(())
}

/// Data of a COPY: the headers are sent as usual, the bodies go this way.
fn copy(target: &Target, way: Way) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.ask(&query("create temporary table lines (line text)"))?;
    let body = "a line of text\n".repeat(2000);
    for _ in 0..10 {
        link.send(&query("copy lines from stdin"))?;
        link.until(b'G', 1)?;
        for _ in 0..5 {
            link.send(&message(b'd', body.as_bytes())[..5])?;
            way(link.fd(), body.as_bytes())?;
        }
        link.ask(&message(b'c', b""))?;
        link.ask(&query("select 1"))?;
    }
    finish(link, 21)
}

/// Whole messages this way.
fn whole(target: &Target, way: Way) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.puts(Box::new(move |fd, bytes| {
        way(fd, bytes).map_err(Error::other)?;
        Ok(bytes.len())
    }));
    for _ in 0..50 {
        link.ask(&query("select 2"))?;
    }
    link.puts(Box::new(style::send));
    link.ask(&query("select 3"))?;
    finish(link, 51)
}

/// Answers are spliced into a pipe and read from there.
fn splice_in(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let [out, into] = pipe()?;
    link.gets(Box::new(move |fd, _, buffer| {
        // SAFETY: plain system calls; the buffer is as long as said.
        unsafe {
            let (here, there) = (std::ptr::null_mut(), std::ptr::null_mut());
            let moved = style::done(libc::splice(fd, here, into, there, 4096, 0))?;
            buffer.resize(moved, 0);
            style::done(libc::read(out, buffer.as_mut_ptr().cast(), moved)).map(drop)
        }
    }));
    for _ in 0..50 {
        link.ask(&query("select 4"))?;
    }
    link.gets(style::recv(16 << 10));
    link.ask(&query("select 5"))?;
    close([out, into]);
    finish(link, 51)
}
