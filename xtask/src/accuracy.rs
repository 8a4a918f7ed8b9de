//! `docs/accuracy.md`: what poolwatch says of pools against what the pools say of themselves.
//!
//! Sets up and builds everything, then starts the matrix of `tests/truth/accuracy.rs`, which leaves a row for each
//! run in `target/accuracy`, keeps its recording in `target/kept`, and writes the table between the page's marks. Rows of
//! former runs stay until their run is repeated, so that one rig can be measured again.

use anyhow::Result;

use crate::{
    build, command, place,
    setup::{self, Need},
};

/// The page.
const PAGE: &str = "docs/accuracy.md";

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Only this rig, such as node-pg, hikari or pgbouncer.
    #[arg(long)]
    rig: Option<String>,
    /// One run of four loads each, instead of three of all.
    #[arg(long)]
    quick: bool,
    /// The pools' connections are encrypted, and only their turns are looked at.
    #[arg(long)]
    turns: bool,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
}

/// Measures, and writes the table.
pub fn accuracy(options: &Options) -> Result<()> {
    setup::set_up(Need::Test, options.yes)?;
    let agent = build::build(&build::Options { release: true, debug_probes: false })?;
    // The rigs in Rust are as fast, and inlined as far, as services are.
    command::run(command::cargo("build").args(["--release", "-p", "poolwatch-tests", "--bins"]))?;
    let mut matrix = command::as_root("env");
    matrix.arg(format!("POOLWATCH_BIN={}", agent.display()));
    matrix.arg(format!("POOLWATCH_PYTHON={}", place::python().display()));
    matrix.arg(format!("PATH={}", place::path_with(&place::tools().join("bin")).display()));
    matrix.arg(place::target().join("release/poolwatch-accuracy"));
    matrix.arg("--table").arg(place::root().join(PAGE));
    matrix.arg("--keep").arg(place::target().join("kept"));
    if let Some(rig) = &options.rig {
        matrix.args(["--rig", rig]);
    }
    for (flag, wanted) in [("--quick", options.quick), ("--turns", options.turns)] {
        if wanted {
            matrix.arg(flag);
        }
    }
    command::run(&mut matrix)
}
