//! Watching a whole machine: what does not speak PostgreSQL never reaches user space.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    page::Page,
    place,
    process::{Process, TERMINATE},
};

const PROCESSES: usize = 200;
const WATCH: Duration = Duration::from_secs(10);

/// Direct children of a process.
fn children(pid: u32) -> Result<BTreeSet<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).context("children")?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// Process numbers in the labels of the page.
fn pids(page: &Page) -> BTreeSet<u32> {
    page.samples.iter().filter_map(|sample| sample.labels.get("process_pid")?.parse().ok()).collect()
}

fn noise_does_not_appear(tier: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Python);
    let agent = Agent::start(["--probes", tier])?;
    let events = |page: &Page| page.sum("poolwatch_events_total", &[]);
    // What else runs here is none of this test's business, as long as it is quiet.
    let before = events(&agent.metrics()?);
    clock::pause(Duration::from_secs(2));
    let quiet = events(&agent.metrics()?);
    ensure!(quiet == before, "some other PostgreSQL client is busy on this machine");

    let mut command = Command::new("python3");
    command.arg(place::apps().join("noise.py")).args(["--processes", &PROCESSES.to_string()]);
    let mut noise = Process::start("noise.py", &mut command)?;
    noise.line("running", Duration::from_mins(1))?;
    let theirs = children(noise.pid())?;
    ensure!(theirs.len() == PROCESSES, "{} children", theirs.len());
    clock::pause(WATCH);
    let page = agent.metrics()?;
    let pools = agent.pools()?.pools;
    let code = noise.stop(TERMINATE, Duration::from_mins(1))?;
    let rounds: u64 = noise.line("rounds ", Duration::from_secs(5))?.parse()?;
    let after = agent.metrics()?;

    println!(
        "{tier}: {PROCESSES} processes, {rounds} rounds of file, TCP and UNIX I/O in {WATCH:?} (code {code}): \
         events {quiet} -> {} -> {}, {} pools",
        events(&page),
        events(&after),
        pools.len()
    );
    ensure!(rounds > PROCESSES as u64 * 10, "too little noise");
    let shown: Vec<_> = pids(&page).intersection(&theirs).copied().collect();
    ensure!(shown.is_empty(), "{shown:?} are on the page");
    ensure!(pools.iter().all(|pool| !theirs.contains(&pool.process.pid)), "{pools:#?}");
    ensure!(events(&page) == quiet && events(&after) == quiet, "their events reached user space");
    ensure!(page.sum("poolwatch_events_lost_total", &[]) == 0.0, "{}", page.text);
    Ok(())
}

#[test]
fn two_hundred_unrelated_processes_do_not_appear_and_send_no_event() -> Result<()> {
    noise_does_not_appear("sock")
}

#[test]
fn two_hundred_unrelated_processes_do_not_appear_in_the_syscall_tier() -> Result<()> {
    noise_does_not_appear("syscall")
}
