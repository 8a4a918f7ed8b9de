//! A client that asks as much as it can: many small queries at once over a UNIX socket, answers read as they come.
//!
//! It counts its own `ReadyForQuery`, and knows nothing of poolwatch.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    postgres::{Server, Way},
    raw,
};

/// Queries that are written at once.
const BATCH: u64 = 16;
/// Queries under way at most: the kernel's side holds 64 of a connection with their own beginning.
const DEPTH: u64 = 48;
/// Before a message's body: its letter and length.
const HEAD: usize = 5;

/// One connection.
pub struct Client {
    stream: UnixStream,
    asked: u64,
    answered: u64,
    errors: u64,
    /// Bytes of a message's head so far, and of its body that are still to come.
    head: Vec<u8>,
    rest: usize,
}

impl Client {
    /// Connects and waits until it may ask.
    pub fn connect(server: &Server, user: &str, database: &str) -> Result<Self> {
        let path = format!("{}/.s.PGSQL.{}", server.host(Way::Unix), server.port());
        let mut stream = UnixStream::connect(&path).context(path)?;
        stream.write_all(&raw::startup(user, database, ""))?;
        let mut client = Self { stream, asked: 1, answered: 0, errors: 0, head: Vec::new(), rest: 0 };
        client.until(0)?;
        (client.asked, client.answered) = (0, 0);
        Ok(client)
    }

    /// Asks once and waits for the answer.
    pub fn ask(&mut self, query: &str) -> Result<()> {
        self.stream.write_all(&raw::message(b'Q', format!("{query}\0").as_bytes()))?;
        self.asked += 1;
        self.until(0)
    }

    /// Asks the same as often as it can until it is told to stop, and waits for the last answer; how often it asked
    /// altogether.
    pub fn flood(&mut self, query: &str, stop: &AtomicBool) -> Result<u64> {
        let batch = raw::message(b'Q', format!("{query}\0").as_bytes()).repeat(usize::try_from(BATCH)?);
        while !stop.load(Ordering::Relaxed) {
            self.stream.write_all(&batch)?;
            self.asked += BATCH;
            self.until(DEPTH - BATCH)?;
        }
        self.until(0)?;
        ensure!(self.errors == 0, "{} errors", self.errors);
        Ok(self.answered)
    }

    /// Reads until no more than so many are under way.
    fn until(&mut self, under_way: u64) -> Result<()> {
        let mut chunk = vec![0; 64 << 10];
        while self.asked - self.answered > under_way {
            let count = self.stream.read(&mut chunk)?;
            ensure!(count > 0, "the server has closed the connection");
            self.take(chunk.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let (more, after) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
            self.head.extend_from_slice(more);
            bytes = after;
            if let [letter, a, b, c, d] = self.head[..] {
                self.rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(4).saturating_sub(4);
                self.answered += u64::from(letter == b'Z');
                self.errors += u64::from(letter == b'E');
                self.head.clear();
            }
        }
    }
}
