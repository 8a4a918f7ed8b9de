//! How many exchanges a borrowing of one kind has: what is usual, and what nearly all keep to.

/// Borrowings from which something is learned.
const SURE: u32 = 5;
/// Numbers that are told apart; the last stands for itself and all above.
const NUMBERS: usize = 8;

/// Borrowings by their number of exchanges.
#[derive(Clone, Debug, Default)]
pub struct Lengths([u32; NUMBERS]);

impl Lengths {
    /// One more.
    pub fn add(&mut self, exchanges: usize) {
        if let Some(count) = self.0.get_mut(exchanges.min(NUMBERS - 1)) {
            *count += 1;
        }
    }

    /// The most frequent number; `None` before it is known.
    pub fn usual(&self) -> Option<usize> {
        let (length, _) = self.0.iter().enumerate().rev().max_by_key(|(_, count)| **count)?;
        self.is_known().then_some(length)
    }

    /// The number that nine of ten do not exceed; `None` before it is known, and where it is too large to be told.
    pub fn most(&self) -> Option<usize> {
        let all = self.all();
        let mut so_far = 0;
        let most = self.0.iter().position(|count| {
            so_far += count;
            so_far * 10 >= all * 9
        });
        most.filter(|most| self.is_known() && *most + 1 < NUMBERS)
    }

    /// The usual number where nine of ten have it.
    pub fn only(&self) -> Option<usize> {
        self.usual().filter(|usual| self.0.get(*usual).is_some_and(|count| count * 10 >= self.all() * 9))
    }

    fn is_known(&self) -> bool {
        self.all() >= SURE
    }

    fn all(&self) -> u32 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(all: &[(u32, usize)]) -> Lengths {
        let mut lengths = Lengths::default();
        for (times, exchanges) in all {
            (0..*times).for_each(|_| lengths.add(*exchanges));
        }
        lengths
    }

    #[test]
    fn nothing_is_known_of_a_few() {
        assert_eq!((lengths(&[(4, 1)]).usual(), lengths(&[(4, 1)]).most()), (None, None));
    }

    #[test]
    fn the_usual_number_is_the_most_frequent() {
        assert_eq!(lengths(&[(4, 1), (2, 3)]).usual(), Some(1));
        assert_eq!(lengths(&[(4, 1), (9, 3)]).usual(), Some(3));
        assert_eq!((lengths(&[(1, 1), (9, 3)]).only(), lengths(&[(2, 1), (9, 3)]).only()), (Some(3), None));
    }

    #[test]
    fn nine_of_ten_keep_to_most() {
        assert_eq!(lengths(&[(18, 1), (2, 3)]).most(), Some(1));
        assert_eq!(lengths(&[(18, 1), (3, 3)]).most(), Some(3));
        assert_eq!(lengths(&[(18, 1), (9, 40)]).most(), None);
    }
}
