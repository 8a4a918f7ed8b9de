//! Probes come and go in a library that is in use: nobody notices, and nothing is left.

use std::{env, fs, os::unix::fs::FileExt as _, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    postgres::tool,
    process::{KILL, Process, TERMINATE},
};

use crate::stand::{Stand, wait_until_attached};

/// Rounds, unless `POOLWATCH_TESTS_STARTS` says how many.
const ROUNDS: u32 = 20;
/// Every so often the agent has no time to detach.
const KILLED: u32 = 5;
/// Seconds of one load; another follows while there are rounds left.
const LOAD: u32 = 20;

/// `pgbench` with connections that are older than any agent.
fn load(stand: &Stand) -> Result<Process> {
    let mut command = tool("pgbench")?;
    stand.address(&mut command, "app");
    command.args(["-S", "-n", "-M", "extended", "-c", "4", "-T", &LOAD.to_string()]);
    Process::start("pgbench", &mut command)
}

fn check(load: &mut Process) -> Result<()> {
    let code = load.wait(Duration::from_secs(u64::from(2 * LOAD)))?;
    let said = load.output();
    ensure!(code == 0, "pgbench ended with {code}:\n{said}{}", load.errors());
    ensure!(said.contains("number of failed transactions: 0 "), "{said}");
    ensure!(!load.errors().contains("aborted"), "{}", load.errors());
    Ok(())
}

/// Bytes of the mapped libraries' code that are not those of their files.
fn changed(pid: u32) -> Result<usize> {
    let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut changed = 0;
    for line in maps.lines().filter(|line| line.contains(" r-xp ") && line.contains("libssl")) {
        let mut parts = line.split_whitespace();
        let (from, to) = parts.next().and_then(|range| range.split_once('-')).context("a range")?;
        let offset = u64::from_str_radix(parts.nth(1).context("an offset")?, 16)?;
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        let file = fs::File::open(parts.nth(2).context("a file")?)?;
        let mut there = vec![0; usize::try_from(to - from)?];
        memory.read_exact_at(&mut there, from)?;
        let mut own = vec![0; there.len()];
        let read = file.read_at(&mut own, offset)?;
        changed += own.iter().zip(&there).take(read).filter(|(own, there)| own != there).count();
    }
    Ok(changed)
}

#[test]
fn time_and_again_under_load() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let wanted = env::var("POOLWATCH_TESTS_STARTS").ok().and_then(|starts| starts.parse().ok());
    let rounds = wanted.unwrap_or(ROUNDS);
    let stand = Stand::start()?;
    stand.server.bench_tables("postgres", "app")?;
    stand.server.psql("app", "grant select on all tables in schema public to app")?;
    let port = stand.server.port().to_string();
    let mut pgbench = load(&stand)?;
    let (mut whole, mut sites) = (0, 0);
    for nth in 1..=rounds {
        if pgbench.ended()?.is_some() {
            check(&mut pgbench)?;
            pgbench = load(&stand)?;
        }
        match round(pgbench.pid(), &port, nth % KILLED == 0) {
            Ok(changed) => (whole, sites) = (whole + 1, changed),
            // The load may come to its end at any time; what it then says is looked at above.
            Err(error) => clock::until(Duration::from_secs(1), "the load's end", || pgbench.ended())
                .map(drop)
                .with_context(|| format!("round {nth}: {error:#}"))?,
        }
    }
    check(&mut pgbench)?;
    println!("{whole} of {rounds} rounds within a load, {sites} bytes of code changed in the last of them");
    ensure!(whole * 2 > rounds, "too few rounds say anything");
    Ok(())
}

/// An agent attaches its probes in this process, and goes; gives the bytes of code that it changed meanwhile.
fn round(pid: u32, port: &str, killed: bool) -> Result<usize> {
    let mut agent = Agent::start(["--pid", &pid.to_string(), "--port", port])?;
    wait_until_attached(&agent, true)?;
    let sites = changed(pid)?;
    ensure!(sites > 0, "no probe was seen in the library's code: its absence says nothing");
    let code = agent.stop(if killed { KILL } else { TERMINATE })?;
    ensure!(killed || code == 0, "the agent ended with {code}:\n{}", agent.errors());
    clock::until(Duration::from_secs(5), "the library as it was", || Ok((changed(pid)? == 0).then_some(())))?;
    Ok(sites)
}

/// A process's last encrypted connection ends, and with it, after a while, the probes.
#[test]
fn nothing_stays_with_a_process_that_has_no_connection() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::PythonPool);
    let stand = Stand::start()?;
    let mut command = Command::new(need::python()?);
    command
        .arg(poolwatch_tests::place::apps().join("python/tls.py"))
        .arg("psycopg")
        .env("PSYCOPG_IMPL", "python");
    stand.address(&mut command, "app");
    let mut speaker = crate::stand::Speaker::start("psycopg", &mut command)?;
    let agent = Agent::start(["--pid", &speaker.pid().to_string()])?;
    speaker.step("open")?;
    wait_until_attached(&agent, true)?;
    ensure!(changed(speaker.pid())? > 0, "no probe in the library");
    speaker.step("end")?;
    clock::until(Duration::from_secs(45), "the library as it was", || {
        Ok((changed(speaker.pid())? == 0).then_some(()))
    })
}
