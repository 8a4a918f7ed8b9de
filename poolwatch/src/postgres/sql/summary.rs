//! The summary of a query while it is being made: operations and their targets in, one short line out.
//!
//! What two texts of one fingerprint may differ in is left out here: digits in the names of relations,
//! and the order of lists in which the fingerprint sees none. No literal ever comes in.

/// Longest summary, bytes: <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.
const LONGEST: usize = 255;
/// Words of one summary; further ones could not be shown anyway.
const WORDS: usize = 128;

/// A word of a summary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// `SELECT`, `CREATE TABLE`.
    Operation(String),
    /// A relation or a procedure.
    Target(String),
}

/// The words in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Summary(Vec<Word>);

impl Summary {
    /// An operation begins.
    pub fn operation(&mut self, name: &str) {
        self.push(Word::Operation(name.to_owned()));
    }

    /// A relation that it works on.
    pub fn relation(&mut self, name: &str) {
        let name = family(name);
        if !name.is_empty() {
            self.push(Word::Target(name));
        }
    }

    /// Further words behind these.
    pub fn append(&mut self, other: Self) {
        for word in other.0 {
            self.push(word);
        }
    }

    /// Whether nothing was said.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, word: Word) {
        if self.0.last() != Some(&word) && self.0.len() < WORDS {
            self.0.push(word);
        }
    }

    /// One line; what does not fit is left out, word by word.
    pub fn render(&self) -> String {
        let mut line = String::new();
        for Word::Operation(word) | Word::Target(word) in &self.0 {
            if line.len() + 1 + word.len() > LONGEST {
                break;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        line
    }
}

/// The name that a relation shares with its like: without runs of two or more digits, as partitions have
/// them. The fingerprint is blind to these.
fn family(name: &str) -> String {
    let bytes = name.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let in_run = |at: usize| digit(at) && (digit(at + 1) || at.checked_sub(1).is_some_and(digit));
    let plain = |c: char| if c.is_control() { '?' } else { c };
    let mut short: String =
        name.char_indices().filter(|(at, _)| !in_run(*at)).map(|(_, c)| plain(c)).collect();
    if short.len() == name.len() {
        return short;
    }
    while short.contains("__") {
        short = short.replace("__", "_");
    }
    short.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_one_family() {
        for (name, expected) in [
            ("orders", "orders"),
            ("orders_2024_01", "orders"),
            ("s3_objects", "s3_objects"),
            ("__kept__", "__kept__"),
            ("log20240101", "log"),
            ("a_12_b", "a_b"),
            ("2024", ""),
            ("größe_10", "größe"),
            ("two\nlines", "two?lines"),
        ] {
            assert_eq!(family(name), expected, "{name}");
        }
    }

    #[test]
    fn a_summary_has_a_longest_length() {
        let mut summary = Summary::default();
        summary.operation("SELECT");
        for i in 0..200_u8 {
            summary.relation(&format!("t{}{}", "x".repeat(50), char::from(b'a' + (i % 26))));
        }
        let line = summary.render();
        assert!(line.len() <= LONGEST && line.len() > LONGEST - 60, "{line}");
        assert!(line.starts_with("SELECT t") && !line.ends_with(' '));
    }

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        let mut summary = Summary::default();
        summary.operation("SELECT");
        summary.operation("SELECT");
        summary.relation("a");
        summary.relation("a");
        assert_eq!(summary.render(), "SELECT a");
    }
}
