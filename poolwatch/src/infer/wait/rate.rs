//! How often something comes, by the last seconds.

use crate::event::{SECOND, Time};

/// Time constant of forgetting.
const MEMORY: f64 = 5.0 * SECOND as f64;

/// A rate, per nanosecond.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    level: f64,
    since: Time,
}

impl Rate {
    /// It came.
    pub fn see(&mut self, at: Time) {
        self.level = self.at(at) + 1.0 / MEMORY;
        self.since = at;
    }

    /// How often it comes, as of `at`.
    pub fn at(&self, at: Time) -> f64 {
        self.level * (-(at.saturating_sub(self.since) as f64) / MEMORY).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_forgotten_in_seconds() {
        let mut rate = Rate::default();
        for n in 0..3000 {
            rate.see(n * SECOND / 100);
        }
        let now = 30 * SECOND;
        assert!((rate.at(now) * SECOND as f64 - 100.0).abs() < 2.0);
        assert!(rate.at(now + 50 * SECOND) * (SECOND as f64) < 0.01);
    }
}
