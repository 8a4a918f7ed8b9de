//! A recording replayed is the live run: the same page, byte for byte, as often as one likes, for everybody.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::{self, Agent},
    app::{App, Kind, Load, Pool},
    need,
    need::Feature,
    page::Page,
    place,
    postgres::{Bench, Server, Way},
    process::{self, Answer},
};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_mins(1);
/// The version stands behind the eight bytes of the magic, little-endian.
const VERSION: std::ops::Range<usize> = 8..12;

/// A live run, over: its recording and its last page.
struct Recorded {
    directory: TempDir,
    file: PathBuf,
    page: String,
}

/// Records two loads; the last page is read while connections are still open.
fn record() -> Result<Recorded> {
    let directory = place::scratch()?;
    let file = directory.path().join("load.rec");
    let server = Server::start()?;
    server.role("bench")?;
    server.psql("postgres", "create database bench owner bench")?;
    server.bench_tables("bench", "bench")?;
    let agent = Agent::start([Path::new("record"), Path::new("-o"), &file])?;
    let bench = Bench {
        way: Way::Tcp4,
        user: "bench",
        database: "bench",
        mode: "extended",
        clients: 3,
        transactions: 300,
    };
    server.bench(&bench)?;
    server.bench(&Bench { way: Way::Unix, mode: "simple", ..bench })?;
    let page = if need::lack(Feature::PythonPool).is_none() {
        let pool = Pool { way: Way::Tcp4, user: "bench", database: "bench", size: 4 };
        let app = App::start(Kind::Python, "shop", &server, &pool)?;
        let load = Load { rate: 60.0, mean_milliseconds: 20.0, seconds: 3.0, seed: 2 };
        let background = load.start(&app)?;
        // Once in the middle, since each look is part of what is recorded.
        agent.metrics()?;
        load.finish(background)?;
        agent.metrics()?
    } else {
        agent.metrics()?
    };
    let counted = page.sum("db_client_operation_duration_seconds_count", &[]);
    ensure!(counted >= 1800.0, "only {counted} requests on the last page");
    let (code, errors) = agent.terminate()?;
    ensure!(code == 0, "the recording agent ended with {code}:\n{errors}");
    place::open_to_all(&file)?;
    println!("recorded {} bytes, {counted} requests", fs::metadata(&file)?.len());
    Ok(Recorded { directory, file, page: page.text })
}

fn replay(file: &Path, what: &str) -> Result<Answer> {
    process::run("poolwatch replay", agent::command()?.arg("replay").arg(file).arg(what), WAIT)
}

/// As somebody who may do nothing, from a copy that he can read.
fn replay_as_nobody(recorded: &Recorded) -> Result<Answer> {
    let binary = place::copy_for_all(&place::agent()?, recorded.directory.path())?;
    let mut command = agent::command_of(&binary);
    command.arg("replay").arg(&recorded.file).arg("--metrics").uid(65_534).gid(65_534).current_dir("/");
    process::run("poolwatch replay", &mut command, WAIT)
}

/// The page without what is the running process's own.
fn comparable(page: &str) -> String {
    let own = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        !name.starts_with("process_") && !name.starts_with("poolwatch_build_info")
    };
    page.lines().filter(own).flat_map(|line| [line, "\n"]).collect()
}

/// The first lines that differ, since the whole pages are long.
fn same(one: &str, other: &str, what: &str) -> Result<()> {
    let differing: Vec<_> = one.lines().zip(other.lines()).filter(|(a, b)| a != b).take(10).collect();
    ensure!(
        one == other,
        "{what}: {} and {} lines, first differences: {differing:#?}",
        one.lines().count(),
        other.lines().count()
    );
    Ok(())
}

#[test]
fn a_replay_is_the_live_page_and_the_same_twice_and_for_nobody() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::OtherUsers);
    let recorded = record()?;
    let first = replay(&recorded.file, "--metrics")?.success("replay")?;
    let second = replay(&recorded.file, "--metrics")?.success("replay")?;
    let nobody = replay_as_nobody(&recorded)?.success("replay as nobody")?;
    Page::parse(&first).context("the replayed page")?;
    same(&comparable(&first), &comparable(&recorded.page), "replayed and live page")?;
    same(&first, &second, "first and second replay")?;
    same(&first, &nobody, "root's replay and nobody's")?;
    println!(
        "{} lines, {} of them compared with the live page",
        first.lines().count(),
        comparable(&first).lines().count()
    );
    for what in ["--json", "--summary"] {
        let (one, two) = (replay(&recorded.file, what)?, replay(&recorded.file, what)?);
        let one = one.success(what)?;
        ensure!(!one.trim().is_empty(), "{what} says nothing");
        same(&one, &two.success(what)?, what)?;
    }
    Ok(())
}

#[test]
fn a_recording_holds_no_literal() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let directory = place::scratch()?;
    let file = directory.path().join("secret.rec");
    let server = Server::start()?;
    let agent = Agent::start([Path::new("record"), Path::new("-o"), &file])?;
    let mut client = poolwatch_tests::client::Client::start(Some("secretive"))?;
    client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
    client.query("a", "select 'hunter2-literal'")?;
    client.execute("a", "select 'hunter2-literal'::text")?;
    client.query("a", "select 1/0 as \"hunter2-literal\"").expect_err("a division by zero");
    agent.metrics_when("three requests", |page| {
        page.sum("db_client_operation_duration_seconds_count", &[("service_name", "secretive")]) >= 3.0
    })?;
    let page = agent.metrics()?.text;
    let (code, errors) = agent.terminate()?;
    ensure!(code == 0, "{code}: {errors}");
    let json = replay(&file, "--json")?.success("replay")?;
    for (place, text) in [("page", page), ("log", errors), ("replay", json)] {
        ensure!(!text.contains("hunter2"), "a literal is in the {place}");
    }
    // The data are compressed in blocks with literal runs: a text seen for the first time stays as it is.
    let bytes = fs::read(&file)?;
    ensure!(!bytes.windows(7).any(|window| window == b"hunter2"), "a literal is in the recording");
    println!("{} bytes without the literal", bytes.len());
    Ok(())
}

/// What a replay of these bytes says.
fn replay_of(directory: &Path, bytes: &[u8]) -> Result<Answer> {
    let file = directory.join("bad.rec");
    fs::write(&file, bytes)?;
    replay(&file, "--metrics")
}

fn refused(answer: &Answer, what: &str, words: &[&str]) -> Result<()> {
    let said = answer.errors.to_lowercase();
    println!("{what}: {} {}", answer.code, answer.errors.trim_end());
    ensure!(answer.code == 1, "{what}: code {}, not 1", answer.code);
    ensure!(words.iter().any(|word| said.contains(word)), "{what}: none of {words:?} in the message");
    ensure!(said.contains("bad.rec"), "{what}: the message does not name the file");
    ensure!(!said.contains("panicked") && !said.contains("backtrace"), "{what}: {said}");
    // What came before the damage is shown: as a whole page.
    Page::parse(&answer.output).with_context(|| format!("{what}: the page of what came before"))?;
    Ok(())
}

#[test]
fn a_corrupt_recording_is_refused_with_a_clear_message() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let recorded = record()?;
    let bytes = fs::read(&recorded.file)?;
    let directory = recorded.directory.path();
    let length = bytes.len();
    for end in [0, 3, 10, 12, 20, length / 3, length / 2, length - 1] {
        let part = bytes.get(..end).context("a part")?;
        let words = ["cut", "not a recording", "incomplete"];
        refused(&replay_of(directory, part)?, &format!("cut to {end} of {length} bytes"), &words)?;
    }
    // A flip in each region: lengths, checksums, the header's data, the events' data, the end.
    for at in (VERSION.end..length).step_by((length / 40).max(1)).chain([length - 1]) {
        let mut flipped = bytes.clone();
        *flipped.get_mut(at).context("inside")? ^= 0x10;
        refused(&replay_of(directory, &flipped)?, &format!("byte {at} flipped"), &["damaged", "cut"])?;
    }
    let mut future = bytes.clone();
    future.get_mut(VERSION).context("a version")?.copy_from_slice(&999_u32.to_le_bytes());
    refused(&replay_of(directory, &future)?, "format 999", &["newer"])?;
    let mut appended = bytes.clone();
    appended.extend_from_slice(b"more");
    refused(&replay_of(directory, &appended)?, "four bytes more", &["follows the end"])?;
    Ok(())
}

#[test]
fn a_missing_recording_or_a_file_of_another_kind_is_refused() -> Result<()> {
    let directory = place::scratch()?;
    let missing = replay(&directory.path().join("bad.rec"), "--metrics")?;
    refused(&missing, "no such file", &["no such file"])?;
    let other = replay_of(directory.path(), b"#!/bin/sh\necho this is something else entirely\n")?;
    refused(&other, "a script", &["not a recording"])?;
    let folder = directory.path().join("folder");
    fs::create_dir(&folder)?;
    let answer = replay(&folder, "--metrics")?;
    println!("a directory: {} {}", answer.code, answer.errors.trim_end());
    ensure!(answer.code == 1, "a directory: code {}", answer.code);
    Ok(())
}

#[test]
fn an_existing_file_is_not_overwritten() -> Result<()> {
    need!(Feature::Probes);
    let directory = place::scratch()?;
    let file = directory.path().join("precious");
    fs::write(&file, "precious")?;
    let mut command: Command = agent::command()?;
    command.arg("record").arg("-o").arg(&file).args(["--listen", "127.0.0.1:0"]);
    let answer = process::run("poolwatch record", &mut command, WAIT)?;
    println!("{} {}", answer.code, answer.errors.trim_end());
    ensure!(answer.code != 0 && answer.errors.contains("precious"), "it says which file");
    ensure!(fs::read_to_string(&file)? == "precious", "the file is as it was");
    Ok(())
}
