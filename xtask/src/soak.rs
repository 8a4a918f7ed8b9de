//! `docs/soak.md`: an hour of mixed load with churn, and what poolwatch holds meanwhile. The work is in `tests/soak`.

use anyhow::Result;

use crate::{
    build, command, place,
    setup::{self, Need},
};

/// The page.
const PAGE: &str = "docs/soak.md";
/// What the page tells of.
const HOUR: u32 = 60;

/// How long, and what is watched.
#[derive(clap::Args)]
pub struct Options {
    /// How long the load lasts. Only an hour or more is written to docs/soak.md.
    #[arg(long, default_value_t = HOUR)]
    minutes: u32,
    /// Watch the load alone, where others use PostgreSQL on this machine too.
    #[arg(long)]
    own: bool,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub fn soak(options: &Options) -> Result<()> {
    setup::set_up(Need::Demo, options.yes)?;
    let agent = build::build(&build::Options { release: true, debug_probes: false })?;
    command::run(command::cargo("build").args([
        "--release",
        "-p",
        "poolwatch-tests",
        "--bin",
        "poolwatch-soak",
    ]))?;
    let mut soak = command::as_root("env");
    soak.arg(format!("POOLWATCH_BIN={}", agent.display()));
    soak.arg(place::target().join("release/poolwatch-soak"))
        .args(["--minutes", &options.minutes.to_string()]);
    if options.own {
        soak.arg("--own");
    }
    if options.minutes >= HOUR {
        soak.arg("--page").arg(place::root().join(PAGE));
    }
    command::run(&mut soak)
}
