//! Finds the lightest of many things whose weights only grow, without following each growth.
//!
//! What is noted here is a weight that the thing once had, so never more than it has now: while the lightest
//! note is looked at, it is brought up to date until it holds. Each correction pays for growth since the last
//! one, so that a thing which grows costs nothing here and finding the lightest O(log n) per thing that grew.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Things by weight.
#[derive(Debug)]
pub struct Ranking<K> {
    notes: BinaryHeap<Reverse<(u64, K)>>,
}

impl<K: Copy + Ord> Ranking<K> {
    /// Without anything; it never has more than `bound` things, and makes room for them now.
    pub fn new(bound: usize) -> Self {
        Self { notes: BinaryHeap::with_capacity(bound) }
    }

    /// Number of things.
    pub fn len(&self) -> usize {
        self.notes.len()
    }

    /// Takes in a thing that is not there yet.
    pub fn enter(&mut self, key: K, weight: u64) {
        self.notes.push(Reverse((weight, key)));
    }

    /// Gives up a thing. O(n).
    pub fn leave(&mut self, key: K) {
        self.notes.retain(|Reverse((_, other))| *other != key);
    }

    /// No thing is lighter than this; `None` without things.
    pub fn at_least(&self) -> Option<u64> {
        self.notes.peek().map(|Reverse((weight, _))| *weight)
    }

    /// The lightest thing and its weight, by what `weight` says of each now.
    pub fn lightest(&mut self, weight: impl Fn(&K) -> u64) -> Option<(K, u64)> {
        loop {
            let mut top = self.notes.peek_mut()?;
            let Reverse((noted, key)) = *top;
            let now = weight(&key);
            if now <= noted {
                return Some((key, noted));
            }
            *top = Reverse((now, key));
        }
    }

    /// Gives up the lightest thing: that thing and its weight, as with [`Ranking::lightest`].
    pub fn take_lightest(&mut self, weight: impl Fn(&K) -> u64) -> Option<(K, u64)> {
        let lightest = self.lightest(weight)?;
        self.notes.pop();
        Some(lightest)
    }

    /// Notes anew what `weight` says of each thing; what has none is given up. O(n).
    pub fn renew(&mut self, weight: impl Fn(&K) -> Option<u64>) {
        let mut notes = std::mem::take(&mut self.notes).into_vec();
        notes.retain_mut(|Reverse((noted, key))| weight(key).map(|now| *noted = now).is_some());
        self.notes = notes.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lightest_is_found_after_growth() {
        let mut weights = [5_u64, 3, 9, 3];
        let mut ranking = Ranking::new(4);
        for (key, weight) in weights.into_iter().enumerate() {
            ranking.enter(key, weight);
        }
        assert_eq!(ranking.lightest(|key| weights[*key]), Some((1, 3)), "of equals the smaller key");
        weights = [50, 30, 9, 40];
        assert_eq!(ranking.at_least(), Some(3));
        assert_eq!(ranking.lightest(|key| weights[*key]), Some((2, 9)));
        ranking.leave(2);
        assert_eq!(ranking.lightest(|key| weights[*key]), Some((1, 30)));
    }

    #[test]
    fn what_has_no_weight_any_more_is_given_up() {
        let mut ranking = Ranking::new(4);
        for key in 0..4_u64 {
            ranking.enter(key, 10 * (key + 1));
        }
        ranking.renew(|key| (*key != 0).then_some(*key));
        assert_eq!(ranking.lightest(|key| *key), Some((1, 1)));
        assert_eq!(ranking.len(), 3);
        assert_eq!(Ranking::<u64>::new(1).lightest(|_| 0), None);
    }
}
