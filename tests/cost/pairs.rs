//! What pairs of measurements show: the median of their differences or ratios, and where it lies for sure.

/// A median with its interval of 95 %, by the order of the values alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    /// The middle one.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many there were.
    pub count: usize,
}

impl Median {
    /// Of these values; `None` without any.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let at = |place: usize| values.get(place).copied();
        let value = f64::midpoint(at(count.checked_sub(1)? / 2)?, at(count / 2)?);
        let cut = cut(count);
        Some(Self { value, low: at(cut)?, high: at(count - 1 - cut)?, count })
    }
}

/// How many values may be left out at each end: the median of what they were drawn from lies within the rest with 95 %.
fn cut(count: usize) -> usize {
    // Chance that so many of all lie below the true median.
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = chance;
    let mut cut = 0;
    while 2.0 * below <= 0.05 && cut < count / 2 {
        chance *= (count - cut) as f64 / (cut + 1) as f64;
        below += chance;
        cut += 1;
    }
    cut.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_order() {
        let ten = Median::of((1..=10).map(f64::from).collect()).unwrap();
        assert_eq!((ten.value, ten.low, ten.high), (5.5, 2.0, 9.0));
        let three = Median::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.value, three.low, three.high), (2.0, 1.0, 3.0));
        assert_eq!(Median::of(Vec::new()), None);
    }
}
