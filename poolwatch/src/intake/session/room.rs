//! How much all sessions together may remember. What finds no room is counted by whoever asked.

/// Entries of one kind, of which there is a fixed number.
#[derive(Debug)]
pub struct Room {
    left: usize,
}

impl Room {
    /// Room for so many.
    pub const fn new(entries: usize) -> Self {
        Self { left: entries }
    }

    /// Takes one. False when none is left.
    pub const fn take(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Gives back.
    pub const fn give(&mut self, entries: usize) {
        self.left = self.left.saturating_add(entries);
    }
}
