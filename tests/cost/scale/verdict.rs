//! Whether a limit is kept, where that can be told at all.

use crate::pairs::Median;

/// What measurements say of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// It is not.
    Missed,
    /// The measurement's own noise is larger than what is left to the limit.
    Open,
}

impl Verdict {
    /// Of something repeated, which must not be more than `most`.
    pub fn of(measured: Median, most: f64) -> Self {
        if measured.high <= most {
            Self::Kept
        } else if measured.low > most {
            Self::Missed
        } else {
            Self::Open
        }
    }

    /// Of something that must never be more than `most`, of which `noise` is there without the cause that is looked for.
    pub fn of_longest(longest: f64, noise: f64, most: f64) -> Self {
        if longest <= most {
            Self::Kept
        } else if noise > most / 2.0 {
            Self::Open
        } else {
            Self::Missed
        }
    }

    /// As the tables say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "**missed**",
            Self::Open => "no verdict: noise",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_forbids_a_verdict() {
        let median = |low, high| Median { value: f64::midpoint(low, high), low, high, count: 7 };
        assert_eq!(Verdict::of(median(1.0, 2.0), 2.0), Verdict::Kept);
        assert_eq!(Verdict::of(median(2.1, 3.0), 2.0), Verdict::Missed);
        assert_eq!(Verdict::of(median(1.0, 3.0), 2.0), Verdict::Open);
        assert_eq!(Verdict::of_longest(4.0, 9.0, 5.0), Verdict::Kept);
        assert_eq!(Verdict::of_longest(6.0, 2.0, 5.0), Verdict::Missed);
        assert_eq!(Verdict::of_longest(6.0, 3.0, 5.0), Verdict::Open);
    }
}
