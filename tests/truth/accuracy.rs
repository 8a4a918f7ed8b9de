//! The full matrix of docs/accuracy.md: every rig, mix and load, three times. Each run leaves a row in
//! `target/accuracy`; `cargo xtask accuracy` starts this and makes the table.
//!
//! Arguments: `--rig NAME` (one rig only), `--quick` (one run of each, four loads, a quarter of a minute),
//! `--table FILE` (the page whose table is made from all rows that are there), `--keep DIRECTORY` (recordings and
//! truth, for `captured`), `--only WORD` (runs whose name contains it).

use std::{env, path::PathBuf};

use anyhow::{Result, bail};
use poolwatch_tests::{
    need::{self, Feature},
    truth::{
        compare::row,
        mix::Mix,
        rig::Rig,
        run::{Level, Plan},
        table,
    },
};

#[derive(Default)]
struct Options {
    rig: Option<Rig>,
    quick: bool,
    table: Option<PathBuf>,
    keep: Option<PathBuf>,
    only: String,
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rig" => options.rig = Some(Rig::named(&arguments.next().unwrap_or_default())?),
            "--quick" => options.quick = true,
            "--table" => options.table = arguments.next().map(PathBuf::from),
            "--keep" => options.keep = arguments.next().map(PathBuf::from),
            "--only" => options.only = arguments.next().unwrap_or_default(),
            other => bail!("unknown: {other}; known are --rig, --quick, --table, --keep and --only"),
        }
    }
    Ok(options)
}

/// Mix, load, mean length of a query in milliseconds, size of the pool.
type Cell = (Mix, Level, f64, u32);

const QUICK: [Cell; 4] = [
    (Mix::A, Level::Rho(0.7), 30.0, 5),
    (Mix::A, Level::Rho(0.95), 30.0, 5),
    (Mix::B, Level::Rho(0.7), 30.0, 5),
    (Mix::B, Level::Rho(0.95), 30.0, 5),
];

const FULL: [Cell; 18] = [
    (Mix::A, Level::Rho(0.3), 30.0, 5),
    (Mix::A, Level::Rho(0.7), 30.0, 5),
    (Mix::A, Level::Rho(0.95), 30.0, 5),
    (Mix::A, Level::Batches, 30.0, 5),
    (Mix::A, Level::Closed, 30.0, 5),
    (Mix::B, Level::Rho(0.3), 30.0, 5),
    (Mix::B, Level::Rho(0.7), 30.0, 5),
    (Mix::B, Level::Rho(0.95), 30.0, 5),
    (Mix::B, Level::Batches, 30.0, 5),
    (Mix::B, Level::Closed, 30.0, 5),
    (Mix::A, Level::Rho(0.7), 30.0, 20),
    (Mix::A, Level::Rho(0.95), 30.0, 20),
    (Mix::B, Level::Rho(0.7), 30.0, 20),
    (Mix::B, Level::Rho(0.95), 30.0, 20),
    // Short queries: one processor of a small machine cannot fill a large pool with them.
    (Mix::A, Level::Rho(0.7), 1.0, 5),
    (Mix::B, Level::Rho(0.7), 1.0, 5),
    // Reported, beyond what is asked.
    (Mix::A, Level::Rho(0.9), 30.0, 50),
    (Mix::A, Level::Rate(2000.0), 1.0, 10),
];

const SEEDS: u64 = 3;

fn run(plan: &Plan) -> Result<()> {
    let outcome = plan.run()?;
    outcome.answers.all_good()?;
    let row = row(&outcome);
    println!("{}", row.line());
    for missed in &row.missed {
        println!("    {missed}");
    }
    row.leave(&plan.name())
}

fn main() -> Result<()> {
    let options = options()?;
    let (cells, seeds, seconds) =
        if options.quick { (&QUICK[..], 1, 15.0) } else { (&FULL[..], SEEDS, 20.0) };
    let mut failed = 0;
    for rig in Rig::ALL.into_iter().filter(|rig| options.rig.is_none_or(|only| only == *rig)) {
        let wanted = [Feature::Probes, Feature::Postgres, rig.feature()];
        if let Some(reason) = wanted.into_iter().find_map(need::lack) {
            println!("SKIP {}: {reason}", rig.name());
            continue;
        }
        for ((mix, level, ms, pool), seed) in
            cells.iter().flat_map(|cell| (1..=seeds).map(move |s| (*cell, s)))
        {
            let keep = options.keep.clone();
            let plan = Plan { ms, pool, seconds, seed, keep, ..Plan::new(rig, mix, level) };
            if !plan.name().contains(&options.only) {
                continue;
            }
            // The others are still worth their time.
            if let Err(error) = run(&plan) {
                println!("FAILED {}: {error:#}", plan.name());
                failed += 1;
            }
        }
    }
    if let Some(page) = &options.table {
        table::write(page)?;
    }
    if failed > 0 {
        bail!("{failed} runs failed");
    }
    Ok(())
}
