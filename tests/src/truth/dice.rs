//! Random numbers that are the same for the same seed on every machine.

/// The generator, `SplitMix64`: one word of state, every seed is a good one.
/// <https://prng.di.unimi.it/splitmix64.c>
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// With this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Evenly from 0 to 1, without 1.
    pub fn share(&mut self) -> f64 {
        // 53 bits are what a float holds.
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// Evenly from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.word() % (high - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_the_means() {
        let mut dice = Dice::new(1);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..100_000).map(|_| draw()).sum::<f64>() / 1e5;
        assert!((mean(&mut || dice.share()) - 0.5).abs() < 0.01);
        assert!((mean(&mut || dice.exponential(30.0)) - 30.0).abs() < 0.5);
        assert!((mean(&mut || dice.between(4, 20) as f64) - 12.0).abs() < 0.1);
    }

    #[test]
    fn a_seed_says_it_all() {
        assert_eq!(Dice::new(7).word(), Dice::new(7).word());
        assert_ne!(Dice::new(7).word(), Dice::new(8).word());
    }
}
