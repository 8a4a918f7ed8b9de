//! What requests ask of a rig: which page, how long its query, what comes before and after the connection.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::dice::Dice;

/// A mix of requests. Queries are exponentially distributed round the mean that the load gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Mix {
    /// One autocommit query each.
    A,
    /// As in life: half plain; a fifth transactions that pause 6 ms inside and come exp(6 ms) late to the pool; 15 %
    /// hold a connection 10 ms between two queries and answer exp(5 ms) after they gave it back; 15 % need none.
    B,
    /// One page that now spends exp(15 ms) before the pool, now exp(20 ms) after it, besides transactions, held
    /// connections and none: from outside, time before the pool looks like a wait.
    V,
    /// Requests that hold a second connection while they hold the first.
    Two,
    /// Every other request borrows from a second pool.
    Apart,
}

/// Requests that stand for all: fine enough for shares in per cent.
const STEPS: u32 = 2000;

/// One request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Page {
    /// Name of the page.
    pub route: &'static str,
    /// Of the query, or of both halves, in milliseconds; without a pool, of the pause.
    pub ms: f64,
    /// Between the halves.
    pub gap: f64,
    /// Before the pool.
    pub pre: f64,
    /// After the connection is back.
    pub post: f64,
}

impl Page {
    /// Its path with its arguments.
    pub fn path(&self) -> String {
        let Self { route, ms, gap, pre, post } = self;
        let mut path = format!("/{route}?ms={ms:.3}");
        for (name, value) in [("gap", gap), ("pre", pre), ("post", post)] {
            if *value > 0.0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "&{name}={value:.3}");
            }
        }
        path
    }

    /// How long it holds a connection if nothing costs time but what it asks for, in milliseconds.
    pub fn hold(&self) -> f64 {
        if self.route == "none" { 0.0 } else { self.ms + self.gap }
    }
}

impl Mix {
    /// Its letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::V => "V",
            Self::Two => "two",
            Self::Apart => "apart",
        }
    }

    /// Draws a request; `mean` is that of a query, in milliseconds.
    pub fn draw(self, dice: &mut Dice, mean: f64) -> Page {
        let kind = dice.share();
        let ms = dice.exponential(mean);
        self.page(kind, ms, |mean| dice.exponential(mean))
    }

    /// The same with every time at its mean.
    pub fn even(self, dice: &mut Dice, mean: f64) -> Page {
        self.page(dice.share(), mean, |mean| mean)
    }

    fn page(self, kind: f64, ms: f64, mut around: impl FnMut(f64) -> f64) -> Page {
        let page = |route| Page { route, ms, ..Page::default() };
        match self {
            Self::Two => page("two"),
            Self::Apart if kind < 0.5 => page("second"),
            Self::A | Self::Apart => page("plain"),
            Self::B if kind < 0.50 => page("plain"),
            Self::B if kind < 0.70 => Page { gap: 6.0, pre: around(6.0), ..page("tx") },
            Self::B if kind < 0.85 => Page { gap: 10.0, post: around(5.0), ..page("held") },
            Self::B => Page { ms: around(20.0), ..page("none") },
            Self::V if kind < 0.35 => Page { pre: around(15.0), ..page("plain") },
            Self::V if kind < 0.55 => Page { post: around(20.0), ..page("plain") },
            Self::V if kind < 0.75 => Page { gap: 12.0, ..page("tx") },
            Self::V if kind < 0.90 => Page { gap: 20.0, ..page("held") },
            Self::V => Page { ms: around(40.0), ..page("none") },
        }
    }

    /// How long a request holds a connection on average, when each that borrows costs `overhead` on top.
    pub fn mean_hold(self, mean: f64, overhead: f64) -> f64 {
        let all =
            (0..STEPS).map(|step| self.page((f64::from(step) + 0.5) / f64::from(STEPS), mean, |mean| mean));
        let cost = |page: Page| if page.route == "none" { 0.0 } else { page.hold() + overhead };
        all.map(cost).sum::<f64>() / f64::from(STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_mixes() {
        assert!((Mix::A.mean_hold(30.0, 1.0) - 31.0).abs() < 1e-9);
        let b = 0.5 * 30.0 + 0.2 * 36.0 + 0.15 * 40.0;
        assert!((Mix::B.mean_hold(30.0, 0.0) - b).abs() < 0.01);
        let mut dice = Dice::new(3);
        let drawn = (0..50_000).map(|_| Mix::B.draw(&mut dice, 30.0).hold()).sum::<f64>() / 5e4;
        assert!((drawn - b).abs() < 0.5, "{drawn}");
    }

    #[test]
    fn a_path_says_only_what_it_asks() {
        assert_eq!(Page { route: "plain", ms: 1.5, ..Page::default() }.path(), "/plain?ms=1.500");
        let page = Page { route: "tx", ms: 2.0, gap: 6.0, pre: 1.0, post: 0.0 };
        assert_eq!(page.path(), "/tx?ms=2.000&gap=6.000&pre=1.000");
    }
}
