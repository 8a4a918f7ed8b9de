//! The system calls by which bytes go out and come in.
//!
//! A style sends some of the bytes that it is given and says how many, or puts what it received into the
//! buffer; a buffer left empty is the end of the stream.

use std::{io::Error, os::fd::RawFd, ptr};

use crate::answers::Answers;

/// Sends.
pub type Put = Box<dyn FnMut(RawFd, &[u8]) -> Result<usize, Error> + Send>;
/// Receives.
pub type Get = Box<dyn FnMut(RawFd, &Answers, &mut Vec<u8>) -> Result<(), Error> + Send>;

/// A call's result, or its errno.
pub fn done(result: isize) -> Result<usize, Error> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

fn vector(pieces: &[(*mut libc::c_void, usize)]) -> Vec<libc::iovec> {
    pieces.iter().map(|(base, length)| libc::iovec { iov_base: *base, iov_len: *length }).collect()
}

/// `bytes` as segments of these lengths, the last one as long as it must be; a 0 is an empty segment.
fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<libc::iovec> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push((piece.as_ptr().cast_mut().cast(), piece.len()));
        rest = after;
    }
    pieces.push((rest.as_ptr().cast_mut().cast(), rest.len()));
    vector(&pieces)
}

fn header(vector: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: a msghdr of zeros is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = vector.as_mut_ptr();
    header.msg_iovlen = vector.len() as _;
    header
}

/// `send`
pub fn send(fd: RawFd, bytes: &[u8]) -> Result<usize, Error> {
    // SAFETY: the buffer is as long as said.
    done(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
}

/// `write`
pub fn write(fd: RawFd, bytes: &[u8]) -> Result<usize, Error> {
    // SAFETY: the buffer is as long as said.
    done(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
}

/// `send` of at most so many bytes.
pub fn send_at_most(most: usize) -> Put {
    Box::new(move |fd, bytes| send(fd, &bytes[..bytes.len().min(most)]))
}

/// `send` of pieces of random lengths up to `most`.
pub fn send_random(mut random: Random, most: usize) -> Put {
    Box::new(move |fd, bytes| send(fd, &bytes[..bytes.len().min(random.upto(most))]))
}

/// `writev` of segments of these lengths.
pub fn writev(lengths: Vec<usize>) -> Put {
    Box::new(move |fd, bytes| {
        let vector = cut(bytes, &lengths);
        // SAFETY: the vector's segments lie in `bytes`.
        done(unsafe { libc::writev(fd, vector.as_ptr(), i32::try_from(vector.len()).unwrap()) })
    })
}

/// `sendmsg` of segments of these lengths.
pub fn sendmsg(lengths: Vec<usize>) -> Put {
    Box::new(move |fd, bytes| {
        let mut vector = cut(bytes, &lengths);
        let header = header(&mut vector);
        // SAFETY: the vector's segments lie in `bytes`.
        done(unsafe { libc::sendmsg(fd, &raw const header, libc::MSG_NOSIGNAL) })
    })
}

/// `sendmmsg` of messages of at most `step` bytes, each in two segments.
pub fn sendmmsg(step: usize, flags: i32) -> Put {
    Box::new(move |fd, bytes| {
        let mut vectors: Vec<_> = bytes.chunks(step).map(|chunk| cut(chunk, &[2])).collect();
        let mut messages: Vec<libc::mmsghdr> =
            vectors.iter_mut().map(|vector| libc::mmsghdr { msg_hdr: header(vector), msg_len: 0 }).collect();
        let length = u32::try_from(messages.len()).unwrap();
        // SAFETY: the messages' segments lie in `bytes`.
        let sent =
            unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), length, (flags | libc::MSG_NOSIGNAL) as _) };
        let sent = done(sent as isize)?;
        Ok(messages[..sent].iter().map(|message| message.msg_len as usize).sum())
    })
}

/// Room for `size` bytes at the buffer's end, of which a call fills some.
fn into(buffer: &mut Vec<u8>, size: usize, call: impl FnOnce(&mut [u8]) -> isize) -> Result<(), Error> {
    let before = buffer.len();
    buffer.resize(before + size, 0);
    let result = done(call(&mut buffer[before..]));
    buffer.truncate(before + result.as_ref().copied().unwrap_or(0));
    result.map(drop)
}

fn recv_flags(fd: RawFd, buffer: &mut Vec<u8>, size: usize, flags: i32) -> Result<(), Error> {
    // SAFETY: the buffer is as long as said.
    into(buffer, size, |room| unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), flags) })
}

/// `recv` of at most `size` bytes.
pub fn recv(size: usize) -> Get {
    Box::new(move |fd, _, buffer| recv_flags(fd, buffer, size, 0))
}

/// `read` of at most `size` bytes.
pub fn read(size: usize) -> Get {
    Box::new(move |fd, _, buffer| {
        // SAFETY: the buffer is as long as said.
        into(buffer, size, |room| unsafe { libc::read(fd, room.as_mut_ptr().cast(), room.len()) })
    })
}

/// `recv` of random lengths up to `most`.
pub fn recv_random(mut random: Random, most: usize) -> Get {
    Box::new(move |fd, _, buffer| recv_flags(fd, buffer, random.upto(most), 0))
}

/// `recv` of a header, then of its body, with these flags.
pub fn recv_header_then_body(flags: i32) -> Get {
    Box::new(move |fd, answers, buffer| recv_flags(fd, buffer, answers.missing(), flags))
}

/// `MSG_PEEK` of some bytes, then `recv` of fewer.
pub fn peek(size: usize) -> Get {
    Box::new(move |fd, _, buffer| {
        recv_flags(fd, buffer, size, libc::MSG_PEEK)?;
        buffer.clear();
        recv_flags(fd, buffer, size / 2 + 1, 0)
    })
}

/// `readv` into segments of these lengths.
pub fn readv(lengths: Vec<usize>) -> Get {
    Box::new(move |fd, _, buffer| {
        into(buffer, lengths.iter().sum::<usize>() + 1, |room| {
            let vector = cut(room, &lengths);
            // SAFETY: the vector's segments lie in `room`.
            unsafe { libc::readv(fd, vector.as_ptr(), i32::try_from(vector.len()).unwrap()) }
        })
    })
}

/// `recvmsg` into segments of these lengths.
pub fn recvmsg(lengths: Vec<usize>) -> Get {
    Box::new(move |fd, _, buffer| {
        into(buffer, lengths.iter().sum::<usize>() + 1, |room| {
            let mut vector = cut(room, &lengths);
            let mut header = header(&mut vector);
            // SAFETY: the vector's segments lie in `room`.
            unsafe { libc::recvmsg(fd, &raw mut header, 0) }
        })
    })
}

/// `recvmmsg` into `messages` messages of two segments each; the first one waits.
pub fn recvmmsg(messages: usize, size: usize) -> Get {
    Box::new(move |fd, _, buffer| {
        let mut rooms = vec![vec![0u8; size]; messages];
        let mut vectors: Vec<_> = rooms.iter().map(|room| cut(room, &[3])).collect();
        let mut headers: Vec<libc::mmsghdr> =
            vectors.iter_mut().map(|vector| libc::mmsghdr { msg_hdr: header(vector), msg_len: 0 }).collect();
        let length = u32::try_from(messages).unwrap();
        // SAFETY: the messages' segments lie in `rooms`.
        let came = unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), length, libc::MSG_WAITFORONE as _, ptr::null_mut())
        };
        for (room, header) in rooms.iter_mut().zip(&headers).take(done(came as isize)?) {
            buffer.extend_from_slice(&room[..header.msg_len as usize]);
        }
        Ok(())
    })
}

/// Waits until the socket is ready for one of `events`.
pub fn poll(fd: RawFd, events: i16) {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one entry, as said. Its failure shows in the next call on the socket.
    unsafe { libc::poll(&raw mut one, 1, 60_000) };
}

/// A small generator of numbers: the same ones in every run.
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    /// 1 to `most`.
    pub fn upto(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + usize::try_from(self.0 >> 33).unwrap() % most
    }
}
