//! The full matrix of docs/accuracy.md: every rig, mix and load, three times. Each run leaves a row in
//! `target/accuracy`; `cargo xtask accuracy` starts this and makes the table.
//!
//! Arguments: `--rig NAME` (one rig only), `--quick` (one run of each, four loads, a quarter of a minute),
//! `--table FILE` (the page whose table is made from all rows that are there), `--keep DIRECTORY` (recordings and
//! truth), `--turns` (the pools' connections are encrypted, and only their turns are looked at), `--only WORD` (runs whose
//! name contains it), `--resume` (not those that left a row already), `--again DIRECTORY` (nothing is run: what was kept
//! there is replayed, and leaves its rows anew).

use std::{env, path::PathBuf};

use anyhow::{Result, bail};
use poolwatch_tests::{
    need::{self, Feature},
    truth::{
        compare::row,
        kept,
        mix::Mix,
        rig::Rig,
        row::Row,
        run::{Level, Outcome, Plan},
        table,
    },
};

const KNOWN: &str = "--rig, --quick, --turns, --table, --keep, --again, --only and --resume";

#[derive(Default)]
struct Options {
    rig: Option<Rig>,
    quick: bool,
    turns: bool,
    table: Option<PathBuf>,
    keep: Option<PathBuf>,
    again: Option<PathBuf>,
    only: String,
    resume: bool,
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rig" => options.rig = Some(Rig::named(&arguments.next().unwrap_or_default())?),
            "--quick" => options.quick = true,
            "--turns" => options.turns = true,
            "--table" => options.table = arguments.next().map(PathBuf::from),
            "--keep" => options.keep = arguments.next().map(PathBuf::from),
            "--again" => options.again = arguments.next().map(PathBuf::from),
            "--only" => options.only = arguments.next().unwrap_or_default(),
            "--resume" => options.resume = true,
            other => bail!("unknown: {other}; known are {KNOWN}"),
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

const FULL: [Cell; 19] = [
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
    // Time before the pool that varies, which looks like waiting: nothing of this is to be trusted.
    (Mix::V, Level::Closed, 30.0, 7),
    // Reported, beyond what is asked.
    (Mix::A, Level::Rho(0.9), 30.0, 50),
    (Mix::A, Level::Rate(2000.0), 1.0, 10),
];

const SEEDS: u64 = 3;

fn run(plan: &Plan) -> Result<()> {
    let outcome = plan.run()?;
    outcome.answers.all_good()?;
    tell(&outcome)
}

fn tell(outcome: &Outcome) -> Result<()> {
    let row = row(outcome);
    println!("{}", row.line());
    for missed in &row.missed {
        println!("    {missed}");
    }
    row.leave(&outcome.plan.name())
}

/// The gem `connection_pool` wakes everybody who waits for each connection that comes back: in the long queue of a large pool threads
/// that find none take the interpreter's lock from those that have one, and the server answers nobody any more.
fn is_served(plan: &Plan) -> bool {
    let loaded = matches!(plan.level, Level::Rho(0.9..) | Level::Rate(_));
    plan.rig != Rig::Ruby || plan.pool < 10 || !loaded
}

impl Options {
    /// The runs that are wanted: one of each first, so that a table stands early.
    fn plans(&self) -> impl Iterator<Item = Plan> {
        let (cells, seeds, seconds) =
            if self.quick { (&QUICK[..], 1, 15.0) } else { (&FULL[..], SEEDS, 20.0) };
        let rigs: Vec<Rig> = Rig::ALL.into_iter().filter(|rig| self.wants(*rig)).collect();
        let encrypted = self.turns;
        let plan = move |(seed, (mix, level, ms, pool), rig): (u64, Cell, Rig)| {
            let keep = self.keep.clone();
            Plan { ms, pool, seconds, seed, encrypted, keep, ..Plan::new(rig, mix, level) }
        };
        let cells = (1..=seeds).flat_map(move |seed| cells.iter().map(move |cell| (seed, *cell)));
        cells
            .flat_map(move |(seed, cell)| rigs.clone().into_iter().map(move |rig| (seed, cell, rig)))
            .map(plan)
            .filter(is_served)
            .filter(|plan| plan.name().contains(&self.only))
            .filter(|plan| !(self.resume && Row::is_left(&plan.name())))
    }

    fn wants(&self, rig: Rig) -> bool {
        if self.rig.is_some_and(|only| only != rig) {
            return false;
        }
        let wanted = [Feature::Probes, Feature::Postgres, rig.feature()];
        let lacks = wanted.into_iter().find_map(need::lack);
        if let Some(reason) = &lacks {
            println!("SKIP {}: {reason}", rig.name());
        }
        lacks.is_none()
    }
}

fn main() -> Result<()> {
    let options = options()?;
    let mut failed = 0;
    // The others are still worth their time.
    let mut count = |name: &str, result: Result<()>| {
        if let Err(error) = result {
            println!("FAILED {name}: {error:#}");
            failed += 1;
        }
    };
    if let Some(directory) = &options.again {
        for outcome in kept::again(directory)? {
            count("a replay", outcome.and_then(|outcome| tell(&outcome)));
        }
    } else {
        for plan in options.plans() {
            count(&plan.name(), run(&plan));
        }
    }
    if let Some(page) = &options.table {
        table::write(page, options.turns)?;
    }
    if failed > 0 {
        bail!("{failed} runs failed");
    }
    Ok(())
}
