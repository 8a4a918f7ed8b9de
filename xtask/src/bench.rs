//! Measures what poolwatch costs: `cargo xtask bench <what>`. Figures go to the terminal; docs/overhead.md keeps some.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    build, command, place,
    setup::{self, Need},
};

/// The page of what is measured.
const PAGE: &str = "docs/overhead.md";

/// What to measure.
#[derive(clap::Subcommand)]
pub enum What {
    /// The core alone: events per second of one thread, bytes per connection.
    Core {
        /// What to hand to the benchmark.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// What many connections, processes, pools and statements cost poolwatch itself.
    Scale {
        /// Install system packages without asking.
        #[arg(long)]
        yes: bool,
        /// What to hand to the measurement, such as `--short`, which takes seconds and judges nothing.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// What other tools cost and see on the same work; needs a machine that does nothing else.
    Peers {
        /// Install system packages without asking.
        #[arg(long)]
        yes: bool,
        /// What to hand to the measurement, such as `--pairs 3 --seconds 2`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// What poolwatch costs those that it watches, and everybody else; needs a machine that does nothing else.
    Overhead {
        /// Install system packages without asking.
        #[arg(long)]
        yes: bool,
        /// What to hand to the measurement: `--table tls` makes that table alone (`pgbench`, `tls`, `web`, `calls`), `--pairs 3
        /// --seconds 2` a shorter run and no table.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

/// Measures.
pub fn bench(what: &What) -> Result<()> {
    match what {
        What::Core { arguments } => {
            let mut cargo = command::cargo("bench");
            cargo.args(["-p", "poolwatch", "--bench", "core", "--"]).args(arguments);
            command::run(&mut cargo)
        }
        What::Scale { yes, arguments } => scale(*yes, arguments),
        What::Peers { yes, arguments } => measured(measuring(Need::Peers, *yes)?.arg("peers"), arguments),
        What::Overhead { yes, arguments } => measured(&mut measuring(Need::Test, *yes)?, arguments),
    }
}

fn scale(yes: bool, arguments: &[String]) -> Result<()> {
    // The short form is told apart here: it needs neither privileges nor probes.
    let mut scale = if arguments.iter().any(|argument| argument == "--short") {
        Command::new(program()?)
    } else {
        measuring(Need::Test, yes)?
    };
    measured(scale.arg("scale"), arguments)
}

/// Measures; a part of a table makes none.
fn measured(measuring: &mut Command, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() || matches!(arguments, [table, _] if table == "--table") {
        measuring.arg("--page").arg(place::root().join(PAGE));
    }
    command::run(measuring.args(arguments))
}

/// What measures, as root, with the agent that it measures.
fn measuring(need: Need, yes: bool) -> Result<Command> {
    setup::set_up(need, yes)?;
    let agent = build::build(&build::Options { release: true, debug_probes: false })?;
    let program = program()?;
    let mut cost = command::as_root("env");
    cost.arg(format!("POOLWATCH_BIN={}", agent.display()));
    cost.arg(format!("PATH={}", place::path_with(&place::tools().join("bin")).display()));
    cost.arg(program);
    Ok(cost)
}

/// Builds what measures.
fn program() -> Result<PathBuf> {
    command::run(command::cargo("build").args([
        "--release",
        "-p",
        "poolwatch-tests",
        "--bin",
        "poolwatch-cost",
    ]))?;
    Ok(place::target().join("release/poolwatch-cost"))
}
