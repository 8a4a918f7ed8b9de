//! Values as numbers: counts, and durations in milliseconds.
//!
//! Texts of variables, parameters and options come in, numbers go out, or nothing. Whatever is not wholly
//! a number is none: no digits are picked out of a text.

use std::time::Duration;

/// What a number without a unit of its own counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Connections.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Nobody says: a time for which a connection may be idle.
    UnsaidIdle,
    /// Nobody says: a time for which a borrower waits.
    UnsaidWait,
}

/// Seconds in each unit that stands behind a number: those of Go, of Rust's humantime and of Spring.
const UNITS: [(&str, f64); 18] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("millis", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("mins", 60.0),
    ("minute", 60.0),
    ("minutes", 60.0),
    ("h", 3600.0),
    ("hour", 3600.0),
    ("d", 86_400.0),
];

/// The number that a value is.
pub(super) fn number(value: &str, unit: Unit) -> Option<i64> {
    let value = bare(value);
    let plain = match unit {
        Unit::Count => return value.parse().ok(),
        Unit::Milliseconds => Some(1e-3),
        Unit::Seconds => Some(1.0),
        Unit::UnsaidIdle => likely(value, 1000.0, 10_000.0),
        Unit::UnsaidWait => likely(value, 100.0, 181.0),
    };
    let (negative, size) = match value.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let seconds = match decimal(size) {
        Some(number) => number * plain?,
        None => duration(size)?,
    };
    let milliseconds = i64::try_from(Duration::try_from_secs_f64(seconds).ok()?.as_millis()).ok()?;
    Some(if negative { -milliseconds } else { milliseconds })
}

/// Seconds in the likely unit of a number that has none: small ones are seconds, large ones milliseconds,
/// and between the two nobody can tell. Nothing is idle for days, and nobody waits for a quarter of an hour.
fn likely(value: &str, seconds_below: f64, milliseconds_from: f64) -> Option<f64> {
    let size = decimal(value.trim_start_matches(['-', '+']))?;
    if size < seconds_below {
        return Some(1.0);
    }
    (size >= milliseconds_from).then_some(1e-3)
}

/// Without blanks and one pair of quotes around it, which some starters leave there.
fn bare(value: &str) -> &str {
    let value = value.trim();
    let inner = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value).trim()
}

/// Digits with at most one point; no exponent, sign or `inf`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { text.parse().ok() } else { None }
}

/// `1h30m`, `500ms`, `5 min`, `PT1M30S`: in seconds.
fn duration(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix('p') {
        Some(iso) => {
            let (days, times) = iso.split_once('t').unwrap_or((iso, ""));
            if times.is_empty() && !days.ends_with('d') {
                return None;
            }
            Some(parts(days)? + parts(times)?)
        }
        None if lower.is_empty() => None,
        None => parts(&lower),
    }
}

/// Numbers with their units, added.
fn parts(mut text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    while !text.is_empty() {
        let (number, rest) = split(text, |c| c.is_ascii_digit() || c == '.');
        let (unit, rest) = split(rest.trim_start(), char::is_alphabetic);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += decimal(number)? * factor;
        text = rest.trim_start();
    }
    Some(seconds)
}

/// What a text begins with, and the rest of it.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers() {
        let check = |value, expected| assert_eq!(number(value, Unit::Count), expected, "{value:?}");
        check("10", Some(10));
        check(" \"10\" ", Some(10));
        check("'7'", Some(7));
        check("+7", Some(7));
        check("-3", Some(-3));
        check("0", Some(0));
        check("9223372036854775807", Some(i64::MAX));
        for nonsense in
            ["", "\"", "ten", "10x", "1e3", "1.5", "0x10", "10 20", "9223372036854775808", "${POOL}", "--5"]
        {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_duration_counts_in_its_own_unit_or_in_its_variables() {
        let check = |value, unit, expected| assert_eq!(number(value, unit), expected, "{value:?} {unit:?}");
        for (value, milliseconds) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("5 min", 300_000),
            ("250us", 0),
            ("PT30S", 30_000),
            ("pt1m30s", 90_000),
            ("P1D", 86_400_000),
            ("P1DT1S", 86_401_000),
            ("-30s", -30_000),
        ] {
            check(value, Unit::Milliseconds, Some(milliseconds));
            check(value, Unit::Seconds, Some(milliseconds));
            check(value, Unit::UnsaidIdle, Some(milliseconds));
        }
        check("30000", Unit::Milliseconds, Some(30_000));
        check("30", Unit::Seconds, Some(30_000));
        check("2.5", Unit::Seconds, Some(2500));
        check("-1", Unit::Milliseconds, Some(-1));
        check("0", Unit::Seconds, Some(0));
        for nonsense in [
            "",
            "-",
            ".",
            "s",
            "30 parsecs",
            "P",
            "PT",
            "P1",
            "inf",
            "NaN",
            "1e9",
            "30s!",
            "1m-2s",
            "99999999999999999999999999s",
            "99999999999999999d",
        ] {
            check(nonsense, Unit::Seconds, None);
        }
    }

    #[test]
    fn where_nobody_says_the_unit_its_size_does_or_nothing() {
        let idle = |value| number(value, Unit::UnsaidIdle);
        assert_eq!((idle("30"), idle("600"), idle("30000")), (Some(30_000), Some(600_000), Some(30_000)));
        assert_eq!((idle("1800"), idle("9999"), idle("10000")), (None, None, Some(10_000)));
        let wait = |value| number(value, Unit::UnsaidWait);
        assert_eq!((wait("10"), wait("30"), wait("60")), (Some(10_000), Some(30_000), Some(60_000)));
        assert_eq!((wait("500"), wait("2000"), wait("250")), (Some(500), Some(2000), Some(250)));
        assert_eq!((wait("120"), wait("100"), wait("0")), (None, None, Some(0)));
        assert_eq!((wait("-1"), wait("-5000")), (Some(-1000), Some(-5000)));
    }
}
