//! Finds what the build, the demonstration and the tests need, and installs what is missing.
//!
//! Each need is a row of a table: found where, or by which command it will be had. Commands are printed
//! before they run. System packages are asked for on a terminal; without a terminal it goes on, so that
//! a build server needs one command. Everything else goes below `target/` and `tests/apps`.

mod apps;
mod containers;
mod drivers;
mod kubernetes;
pub mod packages;
mod stack;
pub mod system;
pub mod toolchain;

use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Build and run the agent.
    Run,
    /// And a server and the applications.
    Demo,
    /// And Prometheus and Alertmanager.
    Stack,
    /// And what only tests use.
    Test,
    /// And what poolwatch is measured beside.
    Peers,
}

/// How a need stands.
pub enum State {
    /// There, and where.
    Found(String),
    /// To be had as Debian packages.
    Packages(Vec<String>),
    /// To be had by these commands, without rights.
    Steps(Vec<Command>),
    /// Cannot be had from here, and why or how else.
    Absent(String),
}

/// One row.
pub struct Item {
    name: &'static str,
    state: State,
    /// What wants it is skipped where it is absent.
    optional: bool,
}

/// What is installed can show that something else is missing, as a compiler its LLVM: look again, so often.
const ROUNDS: u32 = 2;

/// Looks, installs, and looks again.
pub fn set_up(need: Need, yes: bool) -> Result<()> {
    show(&rows(need));
    for _ in 0..ROUNDS {
        install_packages(&rows(need), yes)?;
        for Item { name, state, optional } in rows(need) {
            if let State::Steps(steps) = state {
                run_steps(name, steps, optional)?;
            }
        }
        if rows(need).iter().all(Item::settled) {
            return Ok(());
        }
    }
    let missing: Vec<&str> = rows(need).iter().filter(|row| !row.settled()).map(|row| row.name).collect();
    bail!("still missing after the set-up: {}", missing.join(", "))
}

impl Item {
    fn settled(&self) -> bool {
        self.optional || matches!(self.state, State::Found(_))
    }
}

fn rows(need: Need) -> Vec<Item> {
    let mut rows = toolchain::items();
    rows.push(system::libclang_item());
    rows.extend(toolchain::llvm_item());
    if need >= Need::Demo {
        rows.push(system::server_item());
        rows.extend(apps::items());
    }
    if need >= Need::Stack {
        rows.extend(stack::items());
    }
    if need >= Need::Test {
        rows.extend(system::test_items());
        rows.extend(containers::items());
        rows.push(kubernetes::item());
        rows.push(stack::grafana_item());
        rows.push(apps::prisma_item());
        rows.extend(drivers::items());
    }
    if need >= Need::Peers {
        rows.extend(stack::peer_items());
    }
    rows
}

fn run_steps(name: &str, steps: Vec<Command>, optional: bool) -> Result<()> {
    for mut step in steps {
        match command::run(&mut step) {
            Ok(()) => {}
            Err(error) if optional => {
                println!("  {name}: {error}; what wants it is skipped");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn show(rows: &[Item]) {
    println!("What is needed, and where it is:");
    for Item { name, state, .. } in rows {
        let text = match state {
            State::Found(place) => place.clone(),
            State::Packages(names) => format!("missing: Debian packages {}", names.join(" ")),
            State::Steps(steps) => {
                let lines: Vec<String> = steps.iter().map(command::shown).collect();
                format!("missing: {}", lines.join(" && "))
            }
            State::Absent(why) => format!("absent: {why}"),
        };
        println!("  {name:<30} {text}");
    }
}

fn install_packages(rows: &[Item], yes: bool) -> Result<()> {
    let mut wanted: Vec<String> = Vec::new();
    for row in rows {
        if let State::Packages(names) = &row.state {
            wanted.extend(names.iter().filter(|name| !wanted.contains(name)).cloned().collect::<Vec<_>>());
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    println!("To install them:");
    for step in packages::plan(&wanted) {
        println!("  {}", command::shown(&step));
    }
    if !packages::agreed(yes)? {
        bail!("not installed: {}", wanted.join(" "));
    }
    packages::install(&wanted)
}
