//! What poolwatch costs those that it watches, and everybody else: docs/overhead.md. `cargo xtask bench overhead` starts
//! this, as root, on a machine that does nothing else. As `scale` it measures what much of everything costs poolwatch itself,
//! as `peers` what other tools cost and see.
//!
//! Everything is measured in pairs that follow each other, with and without poolwatch, in turns; what is told is the
//! median over pairs and its interval. Arguments: `--pairs N` (of each, 10), `--seconds N` (of each run, 5), `--only
//! WORD` (what has it in its name; other rows of a page stay), `--table NAME` (one of [`TABLES`] alone), `--page FILE` (whose tables are written).

mod bench;
mod calls;
mod empty;
mod group;
mod pairs;
mod peers;
mod scale;
mod table;
mod verdict;
mod watched;
mod web;

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use poolwatch_tests::{
    need::{self, Feature},
    place,
    postgres::{Server, Way},
};

use self::{
    bench::{Run, Work, tls_options},
    empty::Empty,
    group::Group,
    pairs::Median,
    watched::{Counting, Mode, Probe, Used, beside},
};

struct Options {
    pairs: u32,
    seconds: u32,
    only: String,
    table: Option<String>,
    page: Option<PathBuf>,
}

/// The tables of docs/overhead.md; each can be made alone, and together they take more than an hour.
const TABLES: [&str; 4] = ["pgbench", "tls", "web", "calls"];

fn options(arguments: Vec<String>) -> Result<Options> {
    let mut options = Options { pairs: 10, seconds: 5, only: String::new(), table: None, page: None };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} wants a value"))?;
        match argument.as_str() {
            "--pairs" => options.pairs = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--only" => options.only = value,
            "--table" if TABLES.contains(&value.as_str()) => options.table = Some(value),
            "--table" => bail!("--table {value}: there are {}", TABLES.join(", ")),
            "--page" => options.page = Some(value.into()),
            other => bail!("unknown: {other}; known are --pairs, --seconds, --only, --table and --page"),
        }
    }
    Ok(options)
}

/// All that pgbench does.
fn works(seconds: u32) -> Vec<Work> {
    let mut works = Vec::new();
    for way in [Way::Tcp4, Way::Unix] {
        for selects in [true, false] {
            for clients in [1, 8, 32] {
                works.push(Work { way, selects, clients, rate: None, tls: None, seconds });
            }
        }
        for rate in [1000, 10_000] {
            works.push(Work { way, selects: true, clients: 8, rate: Some(rate), tls: None, seconds });
        }
    }
    works.extend(TLS.map(|how| tls_work(how, seconds)));
    works
}

/// What poolwatch may do with connections over TLS.
pub const TLS: [&str; 3] = ["off", "turns", "auto"];

/// pgbench over TLS; its library is probed with `auto`.
const fn tls_work(how: &'static str, seconds: u32) -> Work {
    Work { way: Way::Tcp4, selects: true, clients: 8, rate: None, tls: Some(how), seconds }
}

/// A run, and what poolwatch used beside it.
type Watched = (Run, Used);

/// Runs it once in each mode; every other time in the other order.
fn turn(work: &Work, server: &Server, group: &Group, backwards: bool) -> Result<[Watched; 3]> {
    let mut order = [(0, Mode::Off), (1, Mode::On), (2, Mode::Other)];
    if backwards {
        order.reverse();
    }
    let mut runs = [const { None }; 3];
    for (place, mode) in order {
        if let Some(run) = runs.get_mut(place) {
            *run = Some(beside(mode, &tls_options(work.tls), || work.run(server, group))?);
        }
    }
    let [Some(off), Some(on), Some(other)] = runs else { bail!("three runs") };
    Ok([off, on, other])
}

fn measure(work: &Work, server: &Server, group: &Group, pairs: u32) -> Result<table::Cost> {
    let turns: Vec<[Watched; 3]> =
        (0..pairs).map(|n| turn(work, server, group, n % 2 == 1)).collect::<Result<_>>()?;
    let over =
        |of: &dyn Fn(&[Watched; 3]) -> f64| Median::of(turns.iter().map(of).collect()).context("no pair");
    let each = |(run, used): &Watched| (run.used + used.time) / run.count;
    Ok(table::Cost {
        name: work.name(),
        per_second: over(&|[off, ..]| off.0.per_second)?,
        ratio: over(&|[off, on, _]| on.0.per_second / off.0.per_second)?,
        ratio_of_other: over(&|[off, _, other]| other.0.per_second / off.0.per_second)?,
        p50: over(&|[off, on, _]| on.0.p50 - off.0.p50)?,
        p99: over(&|[off, on, _]| on.0.p99 - off.0.p99)?,
        each: over(&|[off, on, _]| each(on) - each(off))?,
        each_of_other: over(&|[off, _, other]| each(other) - each(off))?,
        agent: over(&|[_, on, _]| on.1.time / f64::from(work.seconds))?,
        memory: over(&|[_, on, _]| on.1.memory)?,
    })
}

/// What the probes themselves take for a transaction.
fn probes(work: &Work, server: &Server, group: &Group) -> Result<Vec<table::Part>> {
    let _counting = Counting::start()?;
    let (run, used) = beside(Mode::On, &tls_options(work.tls), || work.run(server, group))?;
    let part = |probe: Probe| table::Part {
        work: work.name(),
        probe: probe.name,
        runs: probe.runs / run.count,
        each: probe.time / probe.runs,
    };
    Ok(used.probes.into_iter().map(part).collect())
}

/// In the place of a tier: an empty program at the hooks of the first.
const EMPTY: &str = "empty, for sock";

/// What stands at the hooks of this tier meanwhile, or nothing.
fn beside_hooks(tier: &str, on: bool, work: impl FnOnce() -> Result<f64>) -> Result<f64> {
    if on && tier == EMPTY {
        let _empty = Empty::attach()?;
        return work();
    }
    let mode = if on { Mode::On } else { Mode::Off };
    beside(mode, &["--probes", tier], work).map(|(cost, _)| cost)
}

/// What the calls of others cost more with this tier of probes.
fn taxes(tier: &str, pairs: u32) -> Result<Vec<table::Tax>> {
    let mut calls = calls::calls()?;
    let mut taxes = Vec::new();
    for call in &mut calls {
        let mut without = Vec::new();
        let mut more = Vec::new();
        for n in 0..pairs {
            // The first time warms up: the agent has just begun, too.
            let mut cost = |on| beside_hooks(tier, on, || call.cost().and_then(|_| call.cost()));
            let first = if n % 2 == 1 { Some(cost(true)?) } else { None };
            let off = cost(false)?;
            let on = first.map_or_else(|| cost(true), Ok)?;
            without.push(off);
            more.push(on - off);
        }
        taxes.push(table::Tax {
            tier: tier.to_owned(),
            call: call.name.to_owned(),
            without: Median::of(without).context("no pair")?,
            more: Median::of(more).context("no pair")?,
        });
    }
    Ok(taxes)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "scale" => scale::run(rest),
        Some((first, rest)) if first == scale::COLLECTOR => scale::collect(rest),
        Some((first, rest)) if first == "peers" => peers::run(&options(rest.to_vec())?),
        _ => overhead(arguments),
    }
}

fn overhead(arguments: Vec<String>) -> Result<()> {
    let options = options(arguments)?;
    if let Some(reason) = [Feature::Probes, Feature::Postgres].into_iter().find_map(need::lack) {
        println!("SKIP overhead: {reason}");
        return Ok(());
    }
    let scratch = place::scratch()?;
    let (group, server) = bench::serve(scratch.path())?;
    let wanted = |table: &&str| options.table.as_deref().is_none_or(|only| only == *table);
    for table in TABLES.into_iter().filter(wanted) {
        let found = match table {
            "web" => serving(&options)?,
            "calls" => calling(&options)?,
            _ => transacting(table == "tls", &options, &server, &group)?,
        };
        for verdict in verdict::verdicts(&found) {
            println!("{}", verdict.line());
        }
        if let Some(page) = &options.page {
            found.write(page, table, options.only.is_empty())?;
        }
    }
    Ok(())
}

/// pgbench, in the clear or over TLS; and where the time goes in the probes.
fn transacting(secured: bool, options: &Options, server: &Server, group: &Group) -> Result<table::Found> {
    let mut found = table::Found::default();
    let all = works(options.seconds).into_iter().filter(|work| work.tls.is_some() == secured);
    for work in all.filter(|work| work.name().contains(&options.only)) {
        let cost = measure(&work, server, group, options.pairs)?;
        println!("{}", cost.line());
        found.costs.push(cost);
    }
    if options.only.is_empty() {
        let plain = Work { tls: None, ..tls_work("off", options.seconds) };
        let [_, turns, auto] = TLS.map(|how| tls_work(how, options.seconds));
        for work in if secured { vec![turns, auto] } else { vec![plain] } {
            found.parts.extend(probes(&work, server, group)?);
        }
    }
    Ok(found)
}

/// Web services.
fn serving(options: &Options) -> Result<table::Found> {
    let mut found = table::Found::default();
    let all = web::works().into_iter().chain([web::classic()]);
    for work in all.filter(|work| work.name.contains(&options.only)) {
        // The classic one takes three minutes, each time.
        let pairs = if work.is_long() { options.pairs.div_ceil(3) } else { options.pairs };
        let web = work.measure(pairs, options.seconds)?;
        println!("{}", web.line());
        found.webs.push(web);
    }
    Ok(found)
}

/// The calls of others.
fn calling(options: &Options) -> Result<table::Found> {
    let mut found = table::Found::default();
    for tier in [EMPTY, "sock", "syscall"].into_iter().filter(|tier| tier.contains(&options.only)) {
        for tax in taxes(tier, options.pairs)? {
            println!("{}", tax.line());
            found.taxes.push(tax);
        }
    }
    Ok(found)
}
