//! Runs one fuzz target for a while, from its kept corpus, and makes the corpus small again.
//!
//! The targets are a workspace of their own in `fuzz/`. They are built by whatever compiler is there: with
//! the address sanitizer where the compiler brings its runtime, else without, which is said.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{command, place};

/// Longest input by default: conversations and records of that many decisions are long enough.
const LONGEST: u32 = 4096;
/// Memory above which a run counts as failed, in MiB.
const MEMORY: u32 = 2048;

/// What to run, and for how long.
#[derive(clap::Args)]
pub struct Options {
    /// A file of `fuzz/fuzz_targets`.
    target: String,
    /// How long, in seconds.
    #[arg(default_value_t = 60)]
    seconds: u32,
}

/// Fuzzes; an error when something was found, or something is missing.
pub fn fuzz(options: &Options) -> Result<()> {
    let targets = targets()?;
    let target = &options.target;
    ensure!(targets.contains(target), "there is no target {target}; there are {}", targets.join(", "));
    check_tools()?;
    let mut run = cargo_fuzz("run", target)?;
    run.args(["--", &format!("-max_total_time={}", options.seconds)]);
    run.args([format!("-max_len={LONGEST}"), format!("-rss_limit_mb={MEMORY}")]);
    let words = place::root().join(format!("fuzz/{target}.dict"));
    if words.exists() {
        run.arg(format!("-dict={}", words.display()));
    }
    command::run(&mut run)?;
    command::run(&mut cargo_fuzz("cmin", target)?)
}

/// Names of the targets, in order.
fn targets() -> Result<Vec<String>> {
    let directory = place::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "rs")) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn check_tools() -> Result<()> {
    if command::answer(command::cargo("fuzz").arg("--version")).is_none() {
        bail!("cargo has no `fuzz`: cargo install cargo-fuzz --locked");
    }
    if command::answer(Command::new("c++").arg("--version")).is_none() {
        bail!("no C++ compiler, which the fuzzer itself is built with: apt-get install g++");
    }
    Ok(())
}

/// `cargo fuzz <what> <target>`, as this compiler can do it.
fn cargo_fuzz(what: &str, target: &str) -> Result<Command> {
    let mut cargo = command::cargo("fuzz");
    cargo.arg(what).arg("--target-dir").arg(place::target().join("fuzz"));
    // Both are flags that are stable in nobody's compiler yet.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    if !sanitizes()? {
        println!("  without a sanitizer: this compiler brings no runtime of one");
        cargo.args(["--sanitizer", "none"]);
    }
    // Parts of the C library that reads SQL bring constants of one name; none of them is ever written.
    cargo.env("ASAN_OPTIONS", "detect_odr_violation=0");
    // The probes alone build much faster than with the agent.
    if !["framer", "noise"].contains(&target) {
        cargo.args(["--features", "agent"]);
    }
    cargo.arg(target);
    Ok(cargo)
}

/// The compiler brings the address sanitizer's runtime.
fn sanitizes() -> Result<bool> {
    let libraries = command::answer(Command::new("rustc").args(["--print", "target-libdir"]));
    let directory = PathBuf::from(libraries.context("rustc tells no directory of its libraries")?.trim());
    let names = fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
    Ok(names.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("_rt.asan.a")))
}
