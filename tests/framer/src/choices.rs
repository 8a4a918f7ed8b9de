//! Decisions out of bytes: what a fuzzer mutates and a property test draws.
//!
//! When the bytes are used up every answer is the first one, so that each input ends.

use std::cell::Cell;

/// Bytes that decide.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    bytes: Cell<&'a [u8]>,
}

impl<'a> Choices<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Cell::new(bytes) }
    }

    /// Nothing is left to decide by.
    pub fn is_empty(&self) -> bool {
        self.bytes.get().is_empty()
    }

    /// Any byte.
    pub fn byte(&self) -> u8 {
        let Some((first, rest)) = self.bytes.get().split_first() else { return 0 };
        self.bytes.set(rest);
        *first
    }

    /// One of `0..n`; `n` is not 0.
    pub fn below(&self, n: usize) -> usize {
        if n <= 256 {
            return usize::from(self.byte()) % n;
        }
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % n
    }

    /// True once in `n`.
    pub fn once_in(&self, n: usize) -> bool {
        !self.is_empty() && self.below(n) == n - 1
    }

    /// Small as a rule, at most `most`.
    pub fn size(&self, most: usize) -> usize {
        match self.below(8) {
            0..=4 => self.below(8).min(most),
            5 => self.below(80).min(most),
            6 => self.below(700).min(most),
            _ => self.below(most + 1),
        }
    }
}
