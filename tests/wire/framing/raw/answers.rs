//! The server's messages, in pieces of any size: counted, and read no further than the counting needs.

use std::collections::BTreeMap;

/// Bodies up to this length are kept, of the last message only.
const KEPT: usize = 4096;

/// A count for each letter.
#[derive(Debug)]
struct Letters([u64; 256]);

impl Default for Letters {
    fn default() -> Self {
        Self([0; 256])
    }
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Answers {
    header: [u8; 5],
    have: usize,
    left: usize,
    body: Vec<u8>,
    error: bool,
    /// ReadyForQuery messages.
    pub ready: u64,
    /// ReadyForQuery messages with an ErrorResponse before them.
    pub failed: u64,
    /// Status byte of the last ReadyForQuery.
    pub status: u8,
    letters: Letters,
    last: BTreeMap<u8, Vec<u8>>,
}

impl Answers {
    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.have < 5 {
                let take = bytes.len().min(5 - self.have);
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < 5 {
                    return;
                }
                let length = u32::from_be_bytes(self.header[1..].try_into().unwrap());
                assert!((4..1 << 30).contains(&length), "a header that no server sends: {:?}", self.header);
                self.left = length as usize - 4;
                self.body.clear();
            }
            let take = bytes.len().min(self.left);
            if self.body.len() < KEPT && self.header[0] != b'D' {
                self.body.extend_from_slice(&bytes[..take.min(KEPT)]);
            }
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                self.have = 0;
                self.message();
            }
        }
    }

    fn message(&mut self) {
        let letter = self.header[0];
        self.letters.0[usize::from(letter)] += 1;
        match letter {
            b'E' => self.error = true,
            b'Z' => {
                self.ready += 1;
                self.failed += u64::from(std::mem::take(&mut self.error));
                self.status = self.body[0];
            }
            b'D' => return,
            _ => {}
        }
        self.last.insert(letter, self.body.clone());
    }

    /// Messages of this letter so far.
    pub fn count(&self, letter: u8) -> u64 {
        self.letters.0[usize::from(letter)]
    }

    /// Body of the last message of this letter, at most its first few thousand bytes; not of rows.
    pub fn last(&self, letter: u8) -> &[u8] {
        self.last.get(&letter).map_or(&[], Vec::as_slice)
    }

    /// Bytes that are missing of the header, or else of the body, that is being read.
    pub fn missing(&self) -> usize {
        if self.have < 5 { 5 - self.have } else { self.left }
    }

    /// The error that came last, for people.
    pub fn error(&self) -> String {
        String::from_utf8_lossy(self.last(b'E')).replace('\0', " ")
    }
}
