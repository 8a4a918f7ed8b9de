//! What a rig noted: each borrower, and the library's own counters.
//!
//! In comes the text of its `/truth`, out come waits, and counts at any moment. A borrower waits from when it asks
//! until it has a connection or gives up, and uses the connection until it has given it back.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::account::Account;

/// One borrower; moments in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Borrower {
    /// It asks.
    pub asked: i128,
    /// It has a connection, or gives up.
    pub got: i128,
    /// It has given the connection back; 0 when it never had one.
    pub back: i128,
    /// What for.
    pub route: String,
    /// How it ended.
    pub end: End,
}

/// How a borrower ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum End {
    /// It had a connection.
    Served,
    /// It waited as long as it may.
    TimedOut,
    /// The library refused.
    Failed,
}

/// The library's own counters; `None` where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counters {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at: i128,
    /// Borrowed.
    pub used: Option<u32>,
    /// Not borrowed.
    pub idle: Option<u32>,
    /// Borrowers that wait.
    pub waiting: Option<u32>,
    /// Connections.
    pub total: Option<u32>,
}

/// A stretch of time in nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Window {
    /// From here on.
    pub from: i128,
    /// To here.
    pub to: i128,
}

impl Window {
    /// Its length.
    pub const fn seconds(&self) -> f64 {
        (self.to - self.from) as f64 / 1e9
    }
}

/// Everything that it noted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Books {
    /// In the order of asking.
    pub borrowers: Vec<Borrower>,
    /// In the order of time.
    pub counters: Vec<Counters>,
    /// What the library counted of all borrowers so far, in the order of time; by the name that it has beside recordings
    /// that are kept.
    #[serde(default, rename = "waited")]
    pub accounts: Vec<Account>,
}

/// Waits in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waits {
    /// How many borrowers had a connection.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Books {
    /// Reads the page.
    pub fn read(text: &str) -> Result<Self> {
        let mut books = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split(' ').collect();
            match fields.as_slice() {
                ["B", rest @ ..] => books.borrowers.push(borrower(rest).with_context(|| line.to_owned())?),
                ["S", rest @ ..] => books.counters.push(counters(rest).with_context(|| line.to_owned())?),
                ["W", rest @ ..] => {
                    books.accounts.push(Account::read(rest).with_context(|| line.to_owned())?);
                }
                _ => bail!("an unknown row: {line}"),
            }
        }
        books.borrowers.sort_by_key(|borrower| borrower.asked);
        books.counters.sort_by_key(|counters| counters.at);
        Ok(books)
    }

    /// Only what was asked for in this stretch of time.
    #[must_use]
    pub fn within(&self, window: Window) -> Self {
        let inside = |at: i128| window.from <= at && at < window.to;
        // The account at the beginning is the last one before.
        let before = self.accounts.partition_point(|account| account.at <= window.from).saturating_sub(1);
        let accounts = self.accounts.iter().skip(before).filter(|account| account.at < window.to);
        Self {
            borrowers: self.borrowers.iter().filter(|borrower| inside(borrower.asked)).cloned().collect(),
            counters: self.counters.iter().filter(|counters| inside(counters.at)).copied().collect(),
            accounts: accounts.copied().collect(),
        }
    }

    /// Only borrowers of some routes.
    #[must_use]
    pub fn of(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let borrowers = self.borrowers.iter().filter(|borrower| wanted(&borrower.route)).cloned().collect();
        Self { borrowers, ..Self::default() }
    }

    /// The waits of those that had a connection; `None` when there was none.
    pub fn waits(&self) -> Option<Waits> {
        let served = self.borrowers.iter().filter(|borrower| borrower.end == End::Served);
        let mut waits: Vec<f64> = served.map(|b| (b.got - b.asked) as f64 / 1e9).collect();
        waits.sort_by(f64::total_cmp);
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        Some(Waits { count: waits.len(), mean, p95: quantile(&waits, 0.95)?, p99: quantile(&waits, 0.99)? })
    }

    /// A line for each borrower that had a connection: when it asked, how long it waited, how long it had it; in
    /// microseconds, the first of `CLOCK_MONOTONIC`.
    pub fn in_short(&self) -> String {
        let served = self.borrowers.iter().filter(|borrower| borrower.end == End::Served);
        let lines = served.map(|Borrower { asked, got, back, .. }| {
            format!("{} {} {}\n", asked / 1000, (got - asked) / 1000, (back - got) / 1000)
        });
        lines.collect()
    }

    /// How many ended so.
    pub fn ended(&self, end: End) -> usize {
        self.borrowers.iter().filter(|borrower| borrower.end == end).count()
    }

    /// How many wait, over time.
    pub fn waiting(&self) -> Steps {
        Steps::new(self.borrowers.iter().map(|borrower| (borrower.asked, borrower.got)))
    }

    /// How many have a connection, over time. For moments there can be one more than connections: a library hands a
    /// connection on before it returns to who gave it back.
    pub fn used(&self) -> Steps {
        let served = self.borrowers.iter().filter(|borrower| borrower.end == End::Served);
        Steps::new(served.map(|borrower| (borrower.got, borrower.back)))
    }
}

/// The least value that at least this share of the sorted values does not exceed.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0);
    // A rank is a small whole number.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be at least 1")]
    sorted.get(rank as usize - 1).copied()
}

/// A count that goes up at some moments and down at others.
#[derive(Clone, Debug)]
pub struct Steps {
    up: Vec<i128>,
    down: Vec<i128>,
    most: usize,
}

impl Steps {
    /// From stretches of time.
    pub fn new(stretches: impl Iterator<Item = (i128, i128)>) -> Self {
        let (mut up, mut down): (Vec<_>, Vec<_>) = stretches.unzip();
        up.sort_unstable();
        down.sort_unstable();
        Self { up, down, most: usize::MAX }
    }

    /// The same, with what is above `most` left out of the count at a moment.
    #[must_use]
    pub fn capped(self, most: u32) -> Self {
        Self { most: most as usize, ..self }
    }

    /// The count at a moment.
    pub fn at(&self, moment: i128) -> usize {
        let before = |moments: &[i128]| moments.partition_point(|at| *at <= moment);
        before(&self.up).saturating_sub(before(&self.down)).min(self.most)
    }

    /// The mean over a stretch of time, each moment with the same weight.
    pub fn mean(&self, window: Window) -> f64 {
        let after = |moments: &[i128]| -> i128 {
            moments.iter().map(|at| window.to - (*at).clamp(window.from, window.to)).sum()
        };
        (after(&self.up) - after(&self.down)) as f64 / (window.to - window.from) as f64
    }

    /// The most at any moment.
    pub fn most(&self) -> usize {
        self.up.iter().map(|at| self.at(*at)).max().unwrap_or(0)
    }
}

fn borrower(fields: &[&str]) -> Result<Borrower> {
    let [asked, got, back, route, end] = fields else { bail!("five fields") };
    let end = match *end {
        "ok" => End::Served,
        "timeout" => End::TimedOut,
        "error" => End::Failed,
        other => bail!("an unknown end {other}"),
    };
    let (asked, got, back) = (asked.parse()?, got.parse()?, back.parse()?);
    anyhow::ensure!(asked <= got && (back == 0 || got <= back), "moments out of order");
    Ok(Borrower { asked, got, back, route: (*route).to_owned(), end })
}

fn counters(fields: &[&str]) -> Result<Counters> {
    let [at, used, idle, waiting, total] = fields else { bail!("five fields") };
    let number =
        |text: &str| -> Result<Option<u32>> { if text == "-" { Ok(None) } else { Ok(Some(text.parse()?)) } };
    let (used, idle) = (number(used)?, number(idle)?);
    Ok(Counters { at: at.parse()?, used, idle, waiting: number(waiting)?, total: number(total)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "S 5 1 0 - 1\nW 4 500 900 7\nW 45 700 950 9\nB 20 30 40 held ok\nB 0 10 30 plain ok\nB 10 50 0 tx timeout\n";

    #[test]
    fn counts_and_waits_of_a_page() {
        let books = Books::read(PAGE).unwrap();
        assert_eq!(books.borrowers.iter().map(|b| b.asked).collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!(books.counters[0].waiting, None);
        let waits = books.waits().unwrap();
        assert_eq!(waits.count, 2);
        let accounts = |from, to| books.within(Window { from, to }).accounts.len();
        assert_eq!((accounts(10, 40), accounts(10, 50)), (1, 2));
        assert!((waits.mean - 1e-8).abs() < 1e-15);
        let (waiting, used) = (books.waiting(), books.used());
        assert_eq!((waiting.at(0), waiting.at(10), waiting.at(25), waiting.at(50)), (1, 1, 2, 0));
        assert_eq!((used.at(9), used.at(10), used.at(30), used.at(40)), (0, 1, 1, 0));
        assert_eq!(waiting.most(), 2);
        // 10 and 40 and 10 of 100.
        assert!((waiting.mean(Window { from: 0, to: 100 }) - 0.6).abs() < 1e-9);
        assert!((waiting.mean(Window { from: 40, to: 60 }) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn rows_that_cannot_be() {
        for page in ["B 5 4 6 a ok", "B 1 2 3 a maybe", "S 1 2 3", "W 1 2", "X"] {
            assert!(Books::read(page).is_err(), "{page}");
        }
    }

    #[test]
    fn quantiles_are_values() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.95), Some(19.0));
        assert_eq!(quantile(&values, 0.99), Some(20.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
