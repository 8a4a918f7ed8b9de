//! The whole way of an alert on this machine, for a look: a pool, poolwatch, Prometheus, Alertmanager.
//!
//! Everything is private and real: a PostgreSQL, a small application with a pool of ten, the rules and examples as they are
//! shipped. The load exhausts the pool for a while, lets it recover, and begins again, until Ctrl-C. With `--measure` the test of
//! the same way runs so many times and prints how long it takes to wake somebody.

mod cast;

use std::{path::Path, time::Duration};

use anyhow::Result;
use nix::unistd::geteuid;

use self::cast::{Alertmanager, Prometheus};
use crate::{
    build, command,
    demo::{
        self, App,
        cast::{Agent, Application, POOL},
        guard::Directory,
        server::Server,
        stop::{Stop, Stopped},
    },
    place,
    setup::{self, Need},
};

/// What to start.
#[derive(clap::Args)]
pub struct Options {
    /// The application: node-pg, or SQLAlchemy.
    #[arg(long, value_enum, default_value_t = App::Node)]
    app: App,
    /// Do not look: exhaust a pool so many times, and print how long it took to wake somebody.
    #[arg(long, value_name = "RUNS")]
    measure: Option<u32>,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
    /// Everything is set up and built already.
    #[arg(long, hide = true)]
    prepared: bool,
}

/// Shares of the pool's capacity and how long each is asked for, in seconds: use, too much, recovery.
const PHASES: [(f64, f64); 3] = [(0.6, 45.0), (1.1, 45.0), (0.2, 60.0)];

/// Sets up, builds, and starts it.
pub fn stack(options: &Options) -> Result<()> {
    if !options.prepared {
        let need = if options.measure.is_some() { Need::Test } else { Need::Stack };
        setup::set_up(need, options.yes)?;
        build::build(&build::Options { release: true, debug_probes: false })?;
    }
    if let Some(runs) = options.measure {
        return measure(runs);
    }
    if !geteuid().is_root() && place::executable("sudo").is_some() {
        return demo::again_as_root();
    }
    let stop = Stop::on_signals()?;
    let logs = Directory::create(place::target().join("stack").join(format!("logs-{}", std::process::id())))?;
    match look(options.app, logs.path(), &stop) {
        // That is how it ends.
        Err(error) if error.is::<Stopped>() => Ok(()),
        other => other,
    }
}

fn measure(runs: u32) -> Result<()> {
    let mut test = command::cargo("test");
    test.args(["-p", "poolwatch-tests", "--test", "woken", "--", "--nocapture"]);
    test.env("POOLWATCH_WOKEN_RUNS", runs.to_string()).env("POOLWATCH_BIN", place::agent(true));
    test.env("PATH", place::path_with(&place::tools().join("bin")));
    command::run(&mut test)
}

fn look(app: App, logs: &Path, stop: &Stop) -> Result<()> {
    let server = Server::start(logs, stop)?;
    let app = Application::start(app, server.port, logs, stop)?;
    let agent = Agent::start(app.running.pid(), logs, stop)?;
    let alertmanager = Alertmanager::start(logs, stop)?;
    let prometheus = Prometheus::start(&agent.url(""), &alertmanager, logs, stop)?;
    announce(&agent, &prometheus, &alertmanager);
    for (share, seconds) in PHASES.into_iter().cycle() {
        println!("  asked for {:.0} % of what the pool can do, for {seconds:.0} s", share * 100.0);
        let load = app.load(share, seconds, logs)?;
        let late = Duration::from_secs_f64(seconds + 60.0);
        stop.until("the load ends", late, || {
            for running in [&app.running, &agent.running, &prometheus.running, &alertmanager.running] {
                running.alive()?;
            }
            Ok(load.ended().then_some(()))
        })?;
    }
    Ok(())
}

fn announce(agent: &Agent, prometheus: &Prometheus, alertmanager: &Alertmanager) {
    println!("\nA pool of {POOL}. Look at it while it runs; Ctrl-C ends everything:");
    println!("  pools          curl -s {}", agent.url("health/pool"));
    println!("  metrics        {}", agent.url("metrics"));
    println!("  Prometheus     {}", prometheus.url("graph?g0.expr=poolwatch_pool_utilization_ratio"));
    println!("  alerts         {}", prometheus.url("alerts"));
    println!("  Alertmanager   {}", alertmanager.look());
    println!("\nAlertmanager has nobody to tell: its receivers are those of the example.");
}
