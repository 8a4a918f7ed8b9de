//! Counts what cargo's test runner prints.
//!
//! In come its lines, out come three numbers. A test that prints `SKIP <test>: <reason>` passes as far
//! as the runner knows: it is taken from the passed ones and counted as skipped, once per test.

use std::collections::{BTreeSet, VecDeque};

/// The books of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    ok: u64,
    ignored: u64,
    /// Tests and checks that failed.
    pub failed: u64,
    /// Their names, or what else failed.
    pub failures: Vec<String>,
    /// `<test>: <reason>`, each once.
    pub skips: BTreeSet<String>,
    /// Skips of checks, which the runner has not counted as passed.
    outside: u64,
    /// What failed tests said last.
    pub said: Vec<Said>,
    listening: bool,
}

/// The last lines of a failed test.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub test: String,
    /// At most [`LAST`].
    pub lines: VecDeque<String>,
}

/// Lines of a failed test that are told again at the end.
const LAST: usize = 6;

impl Count {
    /// A check is fine.
    pub fn pass(&mut self) {
        self.ok += 1;
    }

    /// A check failed.
    pub fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    /// A check was left out.
    pub fn skip(&mut self, what: &str) {
        self.outside += 1;
        self.skips.insert(what.to_owned());
    }

    /// One line of the test runner.
    pub fn read(&mut self, line: &str) {
        self.listen(line);
        if let Some(result) = line.trim_start().strip_prefix("test result: ") {
            self.ok += number_before(result, " passed");
            self.failed += number_before(result, " failed");
            self.ignored += number_before(result, " ignored");
        } else if let Some(test) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(test.to_owned());
        } else if let Some(skip) = skip(line) {
            self.skips.insert(skip.to_owned());
        }
    }

    /// Between `failures:` and the list of their names is what failed tests printed.
    fn listen(&mut self, line: &str) {
        if line == "failures:" || line == "successes:" || line.starts_with("test result: ") {
            self.listening = line == "failures:";
        } else if self.listening {
            let test = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
            if let Some(test) = test {
                self.said.push(Said { test: test.to_owned(), lines: VecDeque::new() });
            } else if let Some(said) = self
                .said
                .last_mut()
                .filter(|_| !line.starts_with("    ") && !line.is_empty() && !is_trace(line))
            {
                said.lines.push_back(line.to_owned());
                if said.lines.len() > LAST {
                    said.lines.pop_front();
                }
            }
        }
    }

    /// Passed, without those that only said that they skip.
    pub fn passed(&self) -> u64 {
        self.ok.saturating_sub(self.skips.len() as u64 - self.outside)
    }

    /// Skipped and ignored.
    pub fn skipped(&self) -> u64 {
        self.skips.len() as u64 + self.ignored
    }
}

/// A line of a backtrace: these say where, and there are many.
fn is_trace(line: &str) -> bool {
    let line = line.trim_start();
    let frame = line.split_once(": ").is_some_and(|(number, _)| number.parse::<u16>().is_ok());
    frame || line.starts_with("at ") || line.eq_ignore_ascii_case("stack backtrace:")
}

/// `<test>: <reason>` after the word SKIP, also where the runner has begun the line.
fn skip(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("SKIP ").or_else(|| line.split_once(" ... SKIP ").map(|(_, rest)| rest))?;
    let (test, reason) = rest.split_once(": ")?;
    (!test.contains(' ') && !reason.is_empty()).then_some(rest)
}

fn number_before(text: &str, word: &str) -> u64 {
    let number = text.split(word).next().filter(|before| before.len() < text.len());
    number.and_then(|before| before.split([' ', ';']).next_back()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> Count {
        let mut count = Count::default();
        for line in lines {
            count.read(line);
        }
        count
    }

    #[test]
    fn results_are_added_up() {
        let result =
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        let count = count(&[result, "test a::b ... FAILED", bad]);
        assert_eq!((count.passed(), count.failed, count.skipped()), (13, 2, 1));
        assert_eq!(count.failures, ["a::b"]);
    }

    #[test]
    fn what_a_failed_test_said_last_is_kept() {
        let first = ["successes:", "---- fine stdout ----", "fine", "failures:", "---- bad stdout ----"];
        let last = [
            "1",
            "2",
            "3",
            "4",
            "5",
            "6",
            "Error: 7",
            "",
            "Stack backtrace:",
            "  11: main",
            "failures:",
            "    bad",
            "test result: FAILED.",
        ];
        let count = count(&[&first[..], &last[..]].concat());
        let lines = ["2", "3", "4", "5", "6", "Error: 7"].map(str::to_owned);
        assert_eq!(count.said, [Said { test: "bad".to_owned(), lines: lines.into() }]);
    }

    #[test]
    fn a_skip_is_no_pass_and_counts_once() {
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored";
        let again = "test hikari ... SKIP hikari: no java on PATH";
        let count = count(&["SKIP hikari: no java on PATH", again, result]);
        assert_eq!((count.passed(), count.failed, count.skipped()), (1, 0, 1));
    }

    #[test]
    fn other_lines_count_nothing() {
        let lines = ["SKIP", "SKIP x", "we may SKIP this: no", "test result:", "test a ... ok", "9 passed"];
        assert_eq!(count(&lines), Count::default());
    }

    #[test]
    fn a_check_left_out_takes_no_pass_away() {
        let mut count = Count::default();
        count.pass();
        count.skip("deny");
        assert_eq!((count.passed(), count.skipped()), (1, 1));
    }
}
