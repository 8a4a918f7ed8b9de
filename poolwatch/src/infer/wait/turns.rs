//! How many turns of a thread usually lie between two things that belong together.
//!
//! Each event loop has its own number: one that writes the response in the turn in which it read the answer has 0.

/// Distances that are told apart; longer ones say nothing.
const DISTANCES: usize = 7;
/// Observations before which nothing is usual.
const ENOUGH: u32 = 10;
/// Observations after which older ones weigh half.
const HALVED: u32 = 10_000;

/// Distances in turns, and how often each was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    seen: [u32; DISTANCES],
}

impl Turns {
    /// Once more, so many turns.
    pub fn see(&mut self, turns: u64) {
        let place = usize::try_from(turns).ok().and_then(|turns| self.seen.get_mut(turns));
        let Some(count) = place else { return };
        *count += 1;
        if *count >= HALVED {
            self.seen.iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// The usual distance; `otherwise` before it is known.
    pub fn usual(&self, otherwise: u64) -> u64 {
        if self.seen.iter().sum::<u32>() < ENOUGH {
            return otherwise;
        }
        let most = self.seen.iter().max();
        let usual = self.seen.iter().position(|count| Some(count) == most);
        usual.map_or(otherwise, |turns| turns as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_is_usual() {
        let mut turns = Turns::default();
        (0..9).for_each(|_| turns.see(2));
        assert_eq!(turns.usual(1), 1);
        (0..9).for_each(|_| turns.see(3));
        turns.see(2);
        turns.see(90);
        assert_eq!(turns.usual(1), 2);
    }
}
