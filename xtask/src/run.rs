//! The first of the README's two commands: set up, build, watch this machine.

use std::{os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result};

use crate::{
    build, command, place,
    setup::{self, Need},
};

/// Becomes the agent, so that signals reach it and its exit code is ours.
pub fn run(yes: bool, arguments: &[String]) -> Result<()> {
    setup::set_up(Need::Run, yes)?;
    let agent = build::build(&build::Options { release: true, debug_probes: false })?;
    let mut command = privileged(&agent.display().to_string());
    command.args(arguments);
    println!("+ {}", command::shown(&command));
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", agent.display()))
}

/// Without `sudo` the agent is started as we are: capabilities may be enough, and it says what is missing.
fn privileged(agent: &str) -> Command {
    if place::executable("sudo").is_some() { command::as_root(agent) } else { Command::new(agent) }
}
