//! What much of everything costs poolwatch itself: connections, processes, pools, statements. `cargo xtask bench scale`
//! starts this.
//!
//! Crowds are made up, recorded, and replayed in a process of their own (`collector.rs`), whose memory, processor time,
//! page and pauses are measured; `probed/` is about the agent with its probes. Arguments: `--short` (small and quick,
//! without probes, judges nothing), `--rounds N`, `--seconds N` (of each), `--only WORD` (what has it in its name),
//! `--page FILE` (whose tables are written).

mod collector;
mod crowd;
mod point;
mod probed;
mod table;

use std::{path::PathBuf, slice};

use anyhow::{Context as _, Result, bail, ensure};

pub use self::point::COLLECTOR;
use self::{crowd::Numbers, point::Point};
use poolwatch_tests::marks;

use crate::verdict::MISSED;

/// What makes the tables.
const COMMAND: &str = "cargo xtask bench scale";

struct Options {
    short: bool,
    rounds: usize,
    seconds: f64,
    only: String,
    page: Option<PathBuf>,
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options { short: false, rounds: 7, seconds: 3.0, only: String::new(), page: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--short" {
            options = Options { short: true, rounds: 1, seconds: 1.0, ..options };
            continue;
        }
        let value = rest.next().with_context(|| format!("{argument} wants a value"))?;
        match argument.as_str() {
            "--rounds" => options.rounds = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--only" => options.only.clone_from(value),
            "--page" => options.page = Some(value.into()),
            other => bail!("unknown: {other}; known are --short, --rounds, --seconds, --only and --page"),
        }
    }
    Ok(options)
}

/// The crowds, with the memory that each may take.
const CROWDS: [(&str, [u32; 5], Option<f64>); 6] = [
    ("1,000 connections", [1000, 10, 1, 2, 1000], Some(64.0)),
    ("10,000 connections", [10_000, 100, 1, 10, 1000], None),
    ("100,000 connections", [100_000, 1000, 1, 50, 1000], Some(256.0)),
    ("2,000 pools", [20_000, 1000, 2, 50, 1000], None),
    ("2,000 pools in Kubernetes", [20_000, 1000, 2, 50, 1000], None),
    ("100,000 statements", [1000, 10, 1, 2, 100_000], None),
];
const SHORT: [(&str, [u32; 5], Option<f64>); 2] = [
    ("1,000 connections", [1000, 10, 1, 2, 1000], None),
    ("200 pools, 10,000 statements", [2000, 100, 2, 5, 10_000], None),
];
/// Visits in a recording: each is two to six events.
const VISITS: u64 = 500_000;
const SHORT_VISITS: u64 = 100_000;

fn points(options: &Options) -> Vec<Point> {
    let (crowds, visits) = if options.short { (&SHORT[..], SHORT_VISITS) } else { (&CROWDS[..], VISITS) };
    let point = |(name, numbers, memory): &(&'static str, [u32; 5], Option<f64>)| {
        let [connections, processes, pools_each, services, queries] = *numbers;
        let kubernetes = name.contains("Kubernetes");
        let numbers = Numbers { connections, processes, pools_each, services, queries, kubernetes };
        Point { name, numbers, memory: *memory, visits, rounds: options.rounds, seconds: options.seconds }
    };
    crowds.iter().map(point).filter(|point| point.name.contains(&options.only)).collect()
}

/// The part that needs probes, and the seconds of its flood.
const PROBES: &str = "with probes";
const FLOOD: f64 = 30.0;

/// Measures all of it.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = options(arguments)?;
    let mut all = Vec::new();
    for point in points(&options) {
        let measured = point.measure().context(point.name)?;
        println!("{}", table::text(slice::from_ref(&measured), !options.short)?);
        all.push(measured);
    }
    let mut text = table::text(&all, !options.short)?;
    let mut missed = table::missed(&all)?;
    if !options.short && PROBES.contains(&options.only) {
        let (others, words) = with_probes()?;
        missed.extend(others);
        text = format!("{text}\n{words}");
    }
    if let Some(page) = &options.page {
        marks::write(page, COMMAND, &text)?;
    }
    ensure!(options.short || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// What was missed with probes, and all about it.
fn with_probes() -> Result<(Vec<String>, String)> {
    if let Some(reason) = probed::lack() {
        println!("SKIP {PROBES}: {reason}");
        return Ok((Vec::new(), format!("Nothing was measured with probes: {reason}.\n")));
    }
    let probed = probed::measure(FLOOD).context(PROBES)?;
    let words = probed::table::text(&probed)?;
    println!("{words}");
    let missed = probed::table::verdicts(&probed).into_iter().filter(|(_, verdict)| *verdict == MISSED);
    Ok((missed.map(|(what, _)| format!("{PROBES}: {what}")).collect(), words))
}

/// One crowd's process; arguments: the recording, the crowd's numbers, visits in it.
pub fn collect(arguments: &[String]) -> Result<()> {
    let [file, numbers, visits] = arguments else { bail!("a recording, numbers and visits are wanted") };
    collector::run(file.as_ref(), serde_json::from_str(numbers)?, visits.parse()?)
}
