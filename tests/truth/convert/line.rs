//! One line of a capture. Times are nanoseconds of `CLOCK_MONOTONIC`, heads and tails the first and last eight
//! bytes as a little-endian number in hexadecimal digits.
//!
//! `P t tid`: a wait for input. `R t tid fd n head tail t_enter`: a read. `S t tid fd n head`: a write, `n` -1 or
//! -2 for a vector. `C t tid fd family`: `connect()`. `A t tid fd`: `accept()`. `X t tid fd`: `close()`.
//! `F t tid t_enter waker t_waking ret uaddr`: a futex wait that ended.

/// What a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It waits for input.
    Poll,
    /// It read `length` bytes.
    Read { fd: u32, length: i64, head: u64, tail: u64 },
    /// It wrote.
    Write { fd: u32, length: i64, head: u64 },
    /// It connects; by TCP, or by something else.
    Connect { fd: u32, tcp: bool },
    /// It accepted.
    Accept { fd: u32 },
    /// It closed.
    Close { fd: u32 },
    /// It slept since `since`; another thread woke it, or not.
    Slept { since: u64, woken: bool, address: u64 },
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub at: u64,
    pub thread: u32,
    pub what: What,
}

/// Reads a line; `None` for what is none.
pub fn parse(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace();
    let letter = words.next()?;
    let (at, thread) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let words: Vec<&str> = words.collect();
    let fd = || words.first()?.parse::<u32>().ok();
    let hexadecimal = |place: usize| u64::from_str_radix(words.get(place)?, 16).ok();
    let what = match letter {
        "P" => What::Poll,
        "R" => {
            let length = words.get(1)?.parse().ok()?;
            What::Read { fd: fd()?, length, head: hexadecimal(2)?, tail: hexadecimal(3)? }
        }
        "S" => {
            What::Write { fd: fd()?, length: words.get(1)?.parse().ok()?, head: hexadecimal(2).unwrap_or(0) }
        }
        "C" => What::Connect { fd: fd()?, tcp: words.get(1)?.ends_with("0002") },
        "A" => What::Accept { fd: fd()? },
        "X" => What::Close { fd: fd()? },
        "F" => {
            let waker: u32 = words.get(1)?.parse().ok()?;
            let returned: i64 = words.get(3)?.parse().ok()?;
            let since = words.first()?.parse().ok()?;
            What::Slept {
                since,
                woken: returned == 0 && waker != thread,
                address: hexadecimal(4).unwrap_or(0),
            }
        }
        _ => return None,
    };
    Some(Line { at, thread, what })
}
