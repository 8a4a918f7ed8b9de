//! An hour of mixed load with churn, and what poolwatch holds meanwhile: docs/soak.md. `cargo xtask soak` starts this, as root.
//!
//! Arguments: `--minutes N` (60), `--own` (watch the load alone, where others use PostgreSQL on this machine too), `--page
//! FILE` (whose table is written). The exit code is 1 when what is asked of it was not met.

mod load;
mod sample;
mod table;
mod verdict;

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use poolwatch_tests::{agent::Agent, clock, held, postgres::Server};

use self::{
    load::Load,
    sample::{Sample, Watched},
    verdict::Story,
};

struct Options {
    minutes: f64,
    own: bool,
    page: Option<PathBuf>,
}

fn options() -> Result<Options> {
    let mut options = Options { minutes: 60.0, own: false, page: None };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--minutes" => options.minutes = value()?.parse()?,
            "--own" => options.own = true,
            "--page" => options.page = Some(value()?.into()),
            other => bail!("unknown: {other}; known are --minutes, --own and --page"),
        }
    }
    Ok(options)
}

/// Samples for each minute: as often as a Prometheus would ask.
const PER_MINUTE: f64 = 6.0;
/// What the contract allows a pool's gauges to outlive it, and a little.
const LEFT: Duration = Duration::from_secs(35);

fn main() -> Result<ExitCode> {
    let options = options()?;
    let story = soak(&options)?;
    let verdicts = story.verdicts();
    for verdict in &verdicts {
        println!("{}", verdict.line());
    }
    if let Some(page) = &options.page {
        table::write(page, &story)?;
    }
    Ok(if verdicts.iter().all(|verdict| verdict.met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn soak(options: &Options) -> Result<Story> {
    let server = Server::start()?;
    let mut load = Load::new(&server)?;
    let own = std::process::id().to_string();
    let arguments: &[&str] = if options.own { &["--pid", &own] } else { &[] };
    let mut watched = Watched::new(Agent::start(arguments)?);
    let before = held::tables(watched.pid())?;
    let began = table::moment()?;
    let seconds = options.minutes * 60.0;
    let start = clock::monotonic();
    let mut samples: Vec<Sample> = Vec::new();
    while clock::seconds_since(start) < seconds {
        load.go_on(seconds - clock::seconds_since(start))?;
        let due = samples.len() as f64 * 60.0 / PER_MINUTE;
        if clock::seconds_since(start) >= due {
            let sample = watched.sample(clock::seconds_since(start))?;
            println!("{}", sample.line());
            samples.push(sample);
        }
        clock::pause(Duration::from_millis(100));
    }
    load.finish()?;
    let counts = load.counts()?;
    let page = watched.page_when(counts.statements)?;
    let lasted = clock::seconds_since(start);
    clock::pause(LEFT);
    let after = watched.sample(lasted)?;
    println!("{}", after.line());
    Ok(Story { began, own: options.own, lasted, before, samples, after, counts, page })
}
