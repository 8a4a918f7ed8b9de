//! Boots one image and reads what it says on its serial line.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{kernel::Kernel, page::Row, programs::TESTS, tests::Tests};
use crate::{command, stopwatch::Stopwatch};

/// Memory of the machine in MiB: its file system is in there, too.
const MEMORY: &str = "3072";
/// Seconds after which qemu is ended.
const LONGEST: &str = "5400";

/// Runs it to its end.
pub fn boot(home: &Path, kernel: &Kernel, image: &Path) -> Result<Row> {
    let mut qemu = Command::new("timeout");
    // In software: hardware's help is not to be had inside a virtual machine, and is not needed.
    qemu.args([
        LONGEST,
        "nice",
        "-n",
        "19",
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
    ]);
    qemu.args(["-m", MEMORY, "-smp", "2", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"]);
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(image);
    qemu.args(["-append", "console=ttyS0 panic=-1 quiet"]);
    println!("+ {}", command::shown(&qemu));
    let started = Stopwatch::start();
    let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("qemu")?;
    let mut log = File::create(home.join(format!("{}.log", kernel.name)))?;
    let mut said = Said::default();
    let mut reader = BufReader::new(child.stdout.take().context("no output")?);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        writeln!(log, "{line}")?;
        println!("{}: {line}", kernel.name);
        said.read(&line);
        bytes.clear();
    }
    child.wait()?;
    Ok(said.row(&kernel.name, &kernel.package, started.elapsed().as_secs()))
}

/// The row once more, from what the machine said when it was booted last.
pub fn again(home: &Path, row: &Row) -> Result<Row> {
    let file = home.join(format!("{}.log", row.name));
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut said = Said::default();
    text.lines().for_each(|line| said.read(line));
    Ok(said.row(&row.name, &row.package, row.seconds))
}

/// What the machine has said so far.
#[derive(Default)]
struct Said {
    /// The word behind the last "@".
    part: String,
    release: String,
    probes: Vec<(String, String)>,
    /// The agent's own code and words.
    code: String,
    words: Vec<String>,
    tests: Tests,
    /// Programs of tests that were to run.
    wanted: Vec<String>,
}

impl Said {
    fn read(&mut self, line: &str) {
        // The firmware leaves its own signs on the first line.
        let line = line
            .split_once("@kernel ")
            .map_or_else(|| line.to_owned(), |(_, rest)| format!("@kernel {rest}"));
        let line = line.as_str();
        if let Some(rest) = line.strip_prefix('@') {
            let (word, value) = rest.split_once(' ').unwrap_or((rest, ""));
            self.marked(word, value);
        } else if self.part == "check" {
            self.probes.extend(probe(line));
        } else if self.part == "agent" {
            self.words.push(line.to_owned());
        } else if self.part == "test" {
            self.tests.read(line);
        }
    }

    fn marked(&mut self, word: &str, value: &str) {
        match word {
            "kernel" => value.clone_into(&mut self.release),
            "agent" => value.clone_into(&mut self.code),
            "test" => self.tests.begin(value),
            "tests" => self.wanted = value.split(' ').map(str::to_owned).collect(),
            "end" if self.part == "test" => self.tests.end(value),
            _ => {}
        }
        word.clone_into(&mut self.part);
    }

    fn row(mut self, name: &str, package: &str, seconds: u64) -> Row {
        if self.wanted.is_empty() {
            self.wanted = TESTS.map(str::to_owned).to_vec();
        }
        let unfinished = self.tests.close(&self.wanted);
        let tier =
            self.words.iter().find_map(|line| line.split_once("tier=").map(|(_, tier)| tier.to_owned()));
        let error = self.words.iter().find_map(|line| line.strip_prefix("error: ")).unwrap_or_default();
        let unattached = self.probes.into_iter().filter(|(verdict, _)| verdict != "ok");
        Row {
            name: name.to_owned(),
            package: package.to_owned(),
            release: self.release,
            tier,
            refusal: if self.code == "0" {
                String::new()
            } else {
                format!("exit code {}: {error}", self.code)
            },
            unattached: unattached.map(|(verdict, text)| format!("{verdict}: {text}")).collect(),
            passed: self.tests.passed(),
            failures: self.tests.failures(),
            skips: self.tests.skips(),
            unfinished,
            seconds,
            left_out: String::new(),
        }
    }
}

/// Verdict and rest of a line of `poolwatch check` that is about a probe.
fn probe(line: &str) -> Option<(String, String)> {
    let (verdict, rest) = line.split_once(' ')?;
    let text = rest.trim_start().strip_prefix("probe ")?;
    Some((verdict.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_says_becomes_its_row() {
        let mut said = Said::default();
        for line in [
            "@kernel 6.1.0-9-amd64",
            "@check",
            "ok             probe tcp_state",
            "unsupported    probe sock_send: this kernel has no tracepoint",
            "@end 0",
            "@agent 0",
            "INFO probes attached tier=syscall",
            "@end",
            "@tests counts pools layout",
            "@test counts",
            "test over_tcp ... ok",
            "test over_unix ... ok",
            "---- over_unix stdout ----",
            "SKIP counts::counts_are_exact: no such tier",
            "@end 0",
            "@test pools",
            "@end 143",
        ] {
            said.read(line);
        }
        let row = said.row("6.1", "p", 9);
        assert_eq!((row.release.as_str(), row.tier.as_deref()), ("6.1.0-9-amd64", Some("syscall")));
        assert_eq!((row.passed, row.refusal.as_str()), (1, ""));
        assert_eq!(row.skips, ["counts::over_unix: no such tier"]);
        assert_eq!(row.unattached, ["unsupported: sock_send: this kernel has no tracepoint"]);
        assert_eq!(
            (row.failures, row.unfinished),
            (vec!["pools: ended with 143".to_owned()], vec!["layout".to_owned()])
        );
    }
}
