//! The second of the README's two commands: set up everything, then check and test everything.
//!
//! Every step runs even when one before it failed. The last line counts what cargo's test runner and
//! the checks said; a test that skips says so by a line `SKIP <test>: <reason>` and counts as skipped.

mod count;

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result, ensure};

use self::count::Count;
use crate::{
    build, command, coverage, place,
    setup::{self, Need},
    stopwatch::Stopwatch,
};

/// In the names of tests that may run two at once. All others watch the whole machine, and must not watch each other.
const TOGETHER: &str = "together::";

/// What to test.
#[derive(clap::Args)]
pub struct Options {
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
    /// Only what needs no set-up, no probes and no privileges.
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this; leaves out the checks.
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Runs everything; the exit code is not 0 when something failed.
pub fn test(options: &Options) -> ExitCode {
    let mut count = Count::default();
    let agent = if options.quick { None } else { prepare(options, &mut count) };
    if options.filter.is_empty() {
        checks(&mut count);
    }
    tests(options, agent.as_deref(), &mut count);
    conclude(&count)
}

/// The agent with its probes. Without it what needs none is still tested.
fn prepare(options: &Options, count: &mut Count) -> Option<PathBuf> {
    let release = build::Options { release: true, debug_probes: false };
    let built = setup::set_up(Need::Test, options.yes).and_then(|()| build::build(&release));
    built.map_err(|error| count.fail(&format!("set-up and build, and so all tests of them: {error:#}"))).ok()
}

fn checks(count: &mut Count) {
    optional_check("rustfmt", command::cargo("fmt").args(["--all", "--check"]), "fmt", count);
    let mut clippy = command::cargo("clippy");
    clippy.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    optional_check("clippy", &mut clippy, "clippy", count);
    let mut deny = command::cargo("deny");
    deny.args(["check", "bans", "licenses", "sources"]);
    optional_check("deny", &mut deny, "deny", count);
    check("tidy", crate::tidy::tidy(), count);
}

/// A check by a cargo subcommand that not every machine has.
fn optional_check(name: &str, check_command: &mut Command, subcommand: &str, count: &mut Count) {
    if command::answer(command::cargo(subcommand).arg("--version")).is_none() {
        let skip = format!("{name}: cargo has no `{subcommand}` on this machine");
        println!("SKIP {skip}");
        count.skip(&skip);
        return;
    }
    check(name, command::run(check_command), count);
}

fn check(name: &str, result: Result<()>, count: &mut Count) {
    match result {
        Ok(()) => count.pass(),
        Err(error) => count.fail(&format!("{name}: {error}")),
    }
}

fn tests(options: &Options, agent: Option<&Path>, count: &mut Count) {
    let Some(agent) = agent else {
        let mut core = command::cargo("test");
        core.args(["--workspace", "--exclude", "poolwatch-tests", "--no-fail-fast"]);
        counted(harness(&mut core, options, &[]), count);
        return;
    };
    if !options.filter.is_empty() {
        counted(harness(&mut all(agent), options, &["--test-threads=1"]), count);
        return;
    }
    // Rows that tests no longer have must not stay on the page.
    let cleared = coverage::clear();
    counted(harness(&mut all(agent), options, &["--test-threads=2", TOGETHER]), count);
    counted(harness(&mut all(agent), options, &["--test-threads=1", "--skip", TOGETHER]), count);
    check("coverage", cleared.and_then(|()| coverage::render()), count);
    for (name, arguments) in BENCHES {
        check(name, bench(agent, arguments), count);
    }
}

/// What is measured in short, and with what arguments; it says what it finds, and no figure fails.
const BENCHES: [(&str, &[&str]); 2] = [
    ("bench scale", &["scale", "--short"]),
    ("bench overhead", &["--pairs", "2", "--seconds", "2", "--only", "select, TCP, 8 clients, 1000/s"]),
];

/// By the program that was built with the tests: not optimised, but the agent that it starts is.
fn bench(agent: &Path, arguments: &[&str]) -> Result<()> {
    let mut cost = Command::new(place::target().join("debug/poolwatch-cost"));
    command::run(with_tools(&mut cost, agent).args(arguments))
}

/// Every test, with the agent. All packages at once: another choice of them would be built anew.
fn all(agent: &Path) -> Command {
    let mut all = command::cargo("test");
    with_tools(all.args(["--workspace", "--no-fail-fast"]), agent);
    all
}

/// The agent, and what set-up has installed beside the machine's own.
fn with_tools<'a>(command: &'a mut Command, agent: &Path) -> &'a mut Command {
    command.env("POOLWATCH_BIN", agent).env("POOLWATCH_PYTHON", place::python());
    command.env("PATH", place::path_with(&place::tools().join("bin")))
}

/// Arguments of the test runner.
fn harness<'a>(cargo: &'a mut Command, options: &Options, arguments: &[&str]) -> &'a mut Command {
    // The test runner swallows what a passing test prints, and with it why a test skipped.
    cargo.args(["--", "--show-output"]).args(arguments).args(&options.filter)
}

fn counted(cargo: &mut Command, count: &mut Count) {
    let line = command::shown(cargo);
    println!("+ {line}");
    let before = count.failed;
    let ended = watched(cargo, count).and_then(|success| {
        // A test program that does not compile, or dies, prints no result.
        ensure!(success || count.failed > before, "failed without a test's result");
        Ok(())
    });
    if let Err(error) = ended {
        count.fail(&format!("`{line}`: {error:#}"));
    }
}

/// Shows both outputs line by line as they come, and counts.
fn watched(cargo: &mut Command, count: &mut Count) -> Result<bool> {
    let started = Stopwatch::start();
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take().context("no output")?, sender.clone());
    forward(child.stderr.take().context("no output")?, sender);
    for line in lines {
        println!("{line}");
        count.read(&line);
    }
    let status = child.wait()?;
    println!("  ({:.0} s)", started.elapsed().as_secs_f64());
    Ok(status.success())
}

fn forward(output: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

fn conclude(count: &Count) -> ExitCode {
    println!();
    for skip in &count.skips {
        println!("skipped: {skip}");
    }
    for said in &count.said {
        println!("+ cargo test --workspace --no-fail-fast -- --show-output --test-threads=1 {}", said.test);
        println!("{} said last:", said.test);
        said.lines.iter().for_each(|line| println!("    {line}"));
    }
    for failure in &count.failures {
        println!("failed: {failure}");
    }
    println!("{} passed, {} failed, {} skipped", count.passed(), count.failed, count.skipped());
    if count.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
