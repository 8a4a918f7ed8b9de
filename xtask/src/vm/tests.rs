//! What the test runner of each program says, line by line: which tests passed, failed, and skipped for which reason.
//!
//! A test that skips passes as far as the runner knows. It is told by the head under which the runner shows what it printed, since
//! several tests may share the code that skips.

use std::collections::{BTreeMap, BTreeSet};

/// The books of one machine.
#[derive(Debug, Default)]
pub struct Tests {
    program: String,
    /// The test whose output is shown.
    speaker: String,
    all: BTreeMap<String, Outcome>,
    /// Programs that ran to their end.
    ended: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Tests {
    /// A program of tests starts.
    pub fn begin(&mut self, program: &str) {
        program.clone_into(&mut self.program);
        self.speaker.clear();
    }

    /// It ended with this code. 101 is that of tests that failed, which are told one by one.
    pub fn end(&mut self, code: &str) {
        self.ended.insert(self.program.clone());
        if !["0", "101"].contains(&code) {
            self.all.insert(self.program.clone(), Outcome::Failed(format!("ended with {code}")));
        }
    }

    /// Of these programs the results are wanted, and of no others. Those that did not run to their end.
    pub fn close(&mut self, wanted: &[String]) -> Vec<String> {
        let of = |name: &str| name.split("::").next().unwrap_or_default().to_owned();
        // Why a test skipped is told only when its program ends.
        let ended = &self.ended;
        self.all.retain(|name, _| wanted.contains(&of(name)) && ended.contains(&of(name)));
        wanted.iter().filter(|program| !self.ended.contains(*program)).cloned().collect()
    }

    /// One line of its runner.
    pub fn read(&mut self, line: &str) {
        if let Some((test, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            match result {
                "ok" => self.note(test, Outcome::Passed),
                "FAILED" => self.note(test, Outcome::Failed(String::new())),
                _ => {}
            }
        } else if let Some(test) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test.clone_into(&mut self.speaker);
        } else if let Some((_, reason)) = line.strip_prefix("SKIP ").and_then(|rest| rest.split_once(": "))
            && !self.speaker.is_empty()
        {
            let test = self.speaker.clone();
            self.note(&test, Outcome::Skipped(reason.to_owned()));
        }
    }

    fn note(&mut self, test: &str, outcome: Outcome) {
        self.all.insert(format!("{}::{test}", self.program), outcome);
    }

    /// Those that passed.
    pub fn passed(&self) -> u64 {
        self.all.values().filter(|outcome| **outcome == Outcome::Passed).count() as u64
    }

    /// `<test>`, and why where that is known.
    pub fn failures(&self) -> Vec<String> {
        let line = |(test, outcome): (&String, &Outcome)| match outcome {
            Outcome::Failed(why) if why.is_empty() => Some(test.clone()),
            Outcome::Failed(why) => Some(format!("{test}: {why}")),
            _ => None,
        };
        self.all.iter().filter_map(line).collect()
    }

    /// `<test>: <reason>`
    pub fn skips(&self) -> Vec<String> {
        let line = |(test, outcome): (&String, &Outcome)| match outcome {
            Outcome::Skipped(reason) => Some(format!("{test}: {reason}")),
            _ => None,
        };
        self.all.iter().filter_map(line).collect()
    }
}
