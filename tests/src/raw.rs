//! A client that says what it is told to, byte by byte: for tests of what no driver does.

use std::{
    io::{Read, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Result, ensure};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(20);

/// A connection.
pub struct Raw {
    /// Its socket.
    pub stream: TcpStream,
}

/// A message with its letter.
pub fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![letter];
    bytes.extend_from_slice(&length(body.len() + 4));
    bytes.extend_from_slice(body);
    bytes
}

/// A packet without a letter: a version or code, and what follows.
pub fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = length(rest.len() + 8).to_vec();
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes.extend_from_slice(rest);
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// A `StartupMessage` of protocol 3.0, with these parameters besides user and database.
pub fn startup(user: &str, database: &str, more: &str) -> Vec<u8> {
    packet(3 << 16, format!("user\0{user}\0database\0{database}\0{more}\0").as_bytes())
}

impl Raw {
    /// Only connected.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Self { stream })
    }

    /// Connected, greeted and ready.
    pub fn open(port: u16, user: &str, database: &str) -> Result<Self> {
        let mut raw = Self::connect(port)?;
        raw.say(&startup(user, database, ""))?;
        raw.until_ready()?;
        Ok(raw)
    }

    /// Sends bytes, as many calls as that takes.
    pub fn say(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads messages up to a `ReadyForQuery`; how many of them were errors.
    pub fn until_ready(&mut self) -> Result<u64> {
        let mut errors = 0;
        loop {
            let (letter, body) = self.hear()?;
            match letter {
                b'Z' => return Ok(errors),
                b'E' => errors += 1,
                _ => {}
            }
            ensure!(!body.starts_with(b"SFATAL"), "{}", String::from_utf8_lossy(&body));
        }
    }

    /// Reads one message: its letter and body.
    pub fn hear(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header)?;
        let [letter, length @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length >= 4, "a length of {length}");
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((letter, body))
    }

    /// Sends a `Query` and reads its answer; how many errors were in it.
    pub fn query(&mut self, text: &str) -> Result<u64> {
        self.say(&message(b'Q', format!("{text}\0").as_bytes()))?;
        self.until_ready()
    }

    /// Takes leave in good order.
    pub fn leave(mut self) -> Result<()> {
        self.say(&message(b'X', b""))
    }

    /// Reads whatever comes, until the other side closes or says nothing more.
    pub fn drain(&mut self) -> usize {
        let mut sink = vec![0; 1 << 16];
        let mut read = 0;
        while let Ok(length @ 1..) = self.stream.read(&mut sink) {
            read += length;
        }
        read
    }
}
