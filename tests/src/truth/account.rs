//! What a pool's own account says of all borrowers together, where their moments are taken in another process.
//!
//! A pooler's client sees its messages' way as waiting, and its server sees none of the way to the pooler as use; both are longer
//! where the machine is busy, and only the pooler knows what it waited and how long it had a server. Its account has sums,
//! not moments: so every borrower's moments are moved by the same time, until their means are the account's.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::books::{Books, Borrower, End};

/// All borrowers so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Account {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at: i128,
    /// Sum of the waits, in microseconds.
    pub took: u64,
    /// Sum of the time that they had a connection, in microseconds; `None` where it was not asked for.
    #[serde(default)]
    pub used: Option<u64>,
    /// Borrowers.
    pub count: u64,
}

impl Account {
    /// From a row of the books.
    pub(super) fn read(fields: &[&str]) -> Result<Self> {
        let [at, took, used, count] = fields else { bail!("four fields") };
        Ok(Self { at: at.parse()?, took: took.parse()?, used: Some(used.parse()?), count: count.parse()? })
    }

    /// Mean wait and use of those that came since, in nanoseconds; `None` where nobody did.
    fn means_since(&self, before: &Self) -> Option<(i128, Option<i128>)> {
        let count = i128::from(self.count.checked_sub(before.count).filter(|count| *count > 0)?);
        let mean = |now: u64, then: u64| (i128::from(now) - i128::from(then)) * 1000 / count;
        Some((mean(self.took, before.took), self.used.zip(before.used).map(|(now, then)| mean(now, then))))
    }
}

impl Books {
    /// The borrowers' moments by the pool's own account; as they are where it has none.
    #[must_use]
    pub fn by_account(&self) -> Self {
        let mut books = self.clone();
        let ends = self.accounts.first().zip(self.accounts.last());
        let Some((waited, used)) = ends.and_then(|(first, last)| last.means_since(first)) else {
            return books;
        };
        let mut served: Vec<&mut Borrower> =
            books.borrowers.iter_mut().filter(|borrower| borrower.end == End::Served).collect();
        if served.is_empty() {
            return books;
        }
        let count = served.len() as i128;
        if let Some(used) = used {
            let seen = served.iter().map(|borrower| borrower.back - borrower.got).sum::<i128>() / count;
            let half = (used - seen).max(0) / 2;
            for borrower in &mut served {
                borrower.got = borrower.asked.max(borrower.got - half);
                borrower.back += half;
            }
        }
        let way = way(&served, waited * count);
        for borrower in &mut served {
            borrower.asked = borrower.got.min(borrower.asked + way);
        }
        books
    }
}

/// What must be taken off each wait, none of which is below 0, until their sum is `waited`; 0 where it is less already.
fn way(served: &[&mut Borrower], waited: i128) -> i128 {
    let mut waits: Vec<i128> = served.iter().map(|borrower| borrower.got - borrower.asked).collect();
    waits.sort_unstable();
    let mut above: i128 = waits.iter().sum();
    for (nth, wait) in waits.iter().enumerate() {
        let left = (waits.len() - nth) as i128;
        // With this one and all above it still above 0.
        let way = (above - waited) / left;
        if way <= *wait {
            return way.max(0);
        }
        above -= wait;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(accounts: &str) -> Books {
        Books::read(&format!(
            "{accounts}B 0 10000 20000 a ok\nB 5000 40000 50000 a ok\nB 9000 9500 0 a timeout\n"
        ))
        .unwrap()
    }

    fn moments(books: &Books) -> Vec<(i128, i128, i128)> {
        let served = books.borrowers.iter().filter(|borrower| borrower.end == End::Served);
        served.map(|borrower| (borrower.asked, borrower.got, borrower.back)).collect()
    }

    #[test]
    fn means_become_those_of_the_account() {
        let told = books("W 1 7 9 4\nW 60000 35 33 6\n").by_account();
        // They had a connection for 12 µs each, and waited for 14; 10 and 35 without that, from which 2 and 8 are taken.
        assert_eq!(moments(&told), [(7500, 9000, 21000), (12500, 39000, 51000)]);
    }

    #[test]
    fn a_wait_does_not_become_less_than_nothing() {
        let told = books("W 1 0 0 0\nW 60000 20 20 2\n").by_account();
        assert_eq!(moments(&told), [(10000, 10000, 20000), (20000, 40000, 50000)]);
    }

    #[test]
    fn without_an_account_they_stay() {
        for accounts in ["", "W 1 7 9 4\n", "W 1 7 9 4\nW 60000 7 9 4\n"] {
            assert_eq!(moments(&books(accounts).by_account()), moments(&books("")));
        }
    }
}
