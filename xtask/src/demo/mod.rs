//! Shows poolwatch on a real application, with the application's own numbers beside it.
//!
//! A private PostgreSQL, a small application with a pool of ten, poolwatch on that process, and a load
//! that uses 30, 70 and 95 percent of the pool, then none. Everything that is started ends with us,
//! however we end but by SIGKILL.

pub mod cast;
mod compare;
pub mod guard;
pub mod server;
pub mod stop;

use std::{env, os::unix::process::CommandExt, path::Path, time::Duration};

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use self::{
    cast::{Agent, Application, POOL, get, json},
    compare::{Counts, Notes, Reading},
    guard::Directory,
    server::Server,
    stop::Stop,
};
use crate::{
    build, command, place,
    setup::{self, Need},
    stopwatch::{Stopwatch, monotonic},
};

/// How to show it.
#[derive(clap::Args)]
pub struct Options {
    /// The application: node-pg, or SQLAlchemy.
    #[arg(long, value_enum, default_value_t = App::Node)]
    app: App,
    /// How long to load it.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
    /// Everything is set up and built already.
    #[arg(long, hide = true)]
    prepared: bool,
}

/// The applications.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum App {
    /// node-pg.
    Node,
    /// SQLAlchemy.
    Python,
}

/// Shares of the pool's capacity, one after the other; the last is rest.
const SHARES: [f64; 4] = [0.30, 0.70, 0.95, 0.0];
/// Rest at the end.
const REST: f64 = 5.0;
/// Between two readings.
const STEP: Duration = Duration::from_millis(50);
/// A line is printed for every so many readings.
const READINGS_A_LINE: usize = 20;

/// Sets up, builds, and plays.
pub fn demo(options: &Options) -> Result<()> {
    if !options.prepared {
        setup::set_up(Need::Demo, options.yes)?;
        build::build(&build::Options { release: true, debug_probes: false })?;
    }
    if !geteuid().is_root() && place::executable("sudo").is_some() {
        return again_as_root();
    }
    let stop = Stop::on_signals()?;
    let logs = Directory::create(place::target().join("demo").join(format!("logs-{}", std::process::id())))?;
    play(options, logs.path(), &stop)
}

/// Probes need privileges, and processes can only be ended by who started them: all of it then.
pub fn again_as_root() -> Result<()> {
    let mut same = command::as_root("env");
    for name in ["PATH", "CARGO_TARGET_DIR"] {
        if let Some(value) = env::var_os(name) {
            same.arg(format!("{name}={}", value.to_string_lossy()));
        }
    }
    same.arg(env::current_exe()?).args(env::args_os().skip(1)).arg("--prepared");
    Err(same.exec()).context("cannot start sudo")
}

fn play(options: &Options, logs: &Path, stop: &Stop) -> Result<()> {
    let server = Server::start(logs, stop)?;
    let app = Application::start(options.app, server.port, logs, stop)?;
    let agent = Agent::start(app.running.pid(), logs, stop)?;
    announce(&agent);

    let mut summary = Vec::new();
    let mut second = 0;
    for share in SHARES {
        let seconds = if share > 0.0 { f64::from(options.seconds) / 3.0 } else { REST };
        let load = if share > 0.0 { Some(app.load(share, seconds, logs)?) } else { None };
        let readings = watch(&app, &agent, share, seconds, &mut second, stop)?;
        // Its last queries are answered before the next share, or the rest, begins.
        if let Some(load) = load {
            stop.until("the load ends", Duration::from_secs(20), || Ok(load.ended().then_some(())))?;
            println!("  the load says: {}", load.output().trim());
        }
        summary.push((share, readings));
    }
    conclude(&app, &summary)
}

fn announce(agent: &Agent) {
    println!("\nLook at it while it runs:");
    println!("  curl -s {}", agent.url("health/pool"));
    println!("  curl -s {} | grep db_client_connection", agent.url("metrics"));
    println!("  curl -s {}", agent.url("api/v1/pools"));
    println!(
        "\nA pool of {POOL}. Each line: the application's own numbers, then what poolwatch sees from outside."
    );
    println!("  {:>6} {:>6}   {:^18}   {:^18}", "second", "load", "application", "poolwatch");
    println!("  {:>6} {:>6}   {}   {}", "", "", HEAD, HEAD);
}

const HEAD: &str = " used  idle total ";

/// Reads poolwatch many times a second, and prints both sides once a second.
fn watch(
    app: &Application,
    agent: &Agent,
    share: f64,
    seconds: f64,
    second: &mut u32,
    stop: &Stop,
) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let watched = Stopwatch::start();
    let mut turn = 0_usize;
    while watched.elapsed().as_secs_f64() < seconds {
        stop.pause(STEP)?;
        app.running.alive()?;
        agent.running.alive()?;
        let reading = read(agent, app.running.pid())?;
        readings.extend(reading);
        turn += 1;
        if turn.is_multiple_of(READINGS_A_LINE) {
            *second += 1;
            let own = Counts::read(&json(&app.url("pool"))?);
            println!(
                "  {second:>6} {:>5.0}%   {}   {}",
                share * 100.0,
                shown(own),
                shown(reading.map(|r| r.counts))
            );
        }
    }
    Ok(readings)
}

fn read(agent: &Agent, pid: u32) -> Result<Option<Reading>> {
    let asked = monotonic();
    let (_, text) = get(&agent.url("health/pool"))?;
    let answered = monotonic();
    let health = serde_json::from_str(&text).with_context(|| format!("/health/pool is no JSON: {text}"))?;
    Ok(Counts::of_process(&health, pid).map(|counts| Reading { asked, answered, counts }))
}

fn shown(counts: Option<Counts>) -> String {
    match counts {
        Some(Counts { used, idle, total }) => format!("{used:>5} {idle:>5} {total:>5} "),
        None => format!("{:>5} {:>5} {:>5} ", "-", "-", "-"),
    }
}

fn conclude(app: &Application, summary: &[(f64, Vec<Reading>)]) -> Result<()> {
    let notes: Notes = serde_json::from_value(json(&app.url("truth"))?)?;
    println!("\nEach reading against the application's notes of its pool at that moment:");
    for (share, readings) in summary {
        let name = if *share > 0.0 { format!("load {:.0} %", share * 100.0) } else { "at rest".to_owned() };
        match compare::compare(&notes, readings) {
            Some(d) => println!(
                "  {name:<10} {:>4} readings, {:>5.1} % equal, mean difference: used {:.3}, total {:.3}",
                d.readings,
                100.0 * d.equal as f64 / d.readings as f64,
                d.used,
                d.total
            ),
            None => println!("  {name:<10} poolwatch showed no pool of this process"),
        }
    }
    Ok(())
}
