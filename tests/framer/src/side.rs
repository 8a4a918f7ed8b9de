//! One side of a conversation as it crosses the socket: what may be said now, and when it was said.

use crate::conversation::Line;

/// When each byte of a stream crossed the socket.
#[derive(Default)]
pub struct Crossed {
    pub bytes: Vec<u8>,
    /// Offsets at which calls ended, with their times.
    calls: Vec<(usize, u64)>,
}

impl Crossed {
    pub fn at(&self, offset: usize) -> u64 {
        self.calls.iter().find(|(end, _)| offset < *end).map_or(0, |(_, time)| *time)
    }
}

/// One side's stream and how far it got.
pub struct Side<'a> {
    lines: &'a [Line],
    /// Whole lines that crossed.
    pub whole: usize,
    /// Bytes of the next line that crossed.
    part: usize,
    pub crossed: Crossed,
}

impl<'a> Side<'a> {
    pub fn new(lines: &'a [Line]) -> Self {
        Self { lines, whole: 0, part: 0, crossed: Crossed::default() }
    }

    pub fn done(&self) -> bool {
        self.whole == self.lines.len()
    }

    /// What may be said now, given what the other side said; at most `most` lines.
    pub fn ready(&self, other: usize, most: usize) -> Vec<u8> {
        let lines = self.lines.get(self.whole..).unwrap_or_default();
        let ready = lines.iter().take_while(|line| line.after <= other).take(most);
        let bytes: Vec<u8> = ready.flat_map(|line| line.bytes.iter().copied()).collect();
        bytes.get(self.part..).unwrap_or_default().to_vec()
    }

    pub fn advance(&mut self, bytes: &[u8], now: u64) {
        self.crossed.bytes.extend_from_slice(bytes);
        self.crossed.calls.push((self.crossed.bytes.len(), now));
        let mut left = bytes.len() + self.part;
        while let Some(line) = self.lines.get(self.whole).filter(|line| line.bytes.len() <= left) {
            left -= line.bytes.len();
            self.whole += 1;
        }
        self.part = left;
    }

    pub fn count(&self, letters: &[u8]) -> usize {
        let said = self.lines.iter().take(self.whole + usize::from(self.part > 0));
        said.filter(|line| line.bytes.len() > 1 && letters.contains(&line.bytes[0])).count()
    }
}
