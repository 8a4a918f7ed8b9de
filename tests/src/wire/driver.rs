//! The drivers: which program speaks through each, what it needs, and over which way it goes.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    need::{self, Feature},
    place,
    postgres::Way,
};

/// A driver's program.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The driver's name.
    pub name: &'static str,
    /// Role and database of its own.
    pub user: &'static str,
    /// What it runs on.
    pub runs: Runs,
    /// The way to the server.
    pub way: Way,
    /// What its own count is multiplied with, so that the server counts ten thousand.
    pub calls: u32,
}

/// What a program runs on, and where it lies below `tests/apps`, or its name among the built ones.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// The Python of the test applications.
    Python(&'static str),
    /// node
    Node(&'static str),
    /// java, from its source.
    Java(&'static str),
    /// Go, built by set-up.
    Go(&'static str),
    /// Rust, built with the tests.
    Rust(&'static str),
    /// ruby
    Ruby(&'static str),
    /// php
    Php(&'static str),
    /// A C program, built by set-up.
    C(&'static str),
    /// A shell script.
    Shell(&'static str),
}

impl Driver {
    /// What the machine must have.
    pub const fn feature(&self) -> Feature {
        match self.runs {
            Runs::Python(_) => Feature::PythonPool,
            Runs::Node(_) => Feature::Node,
            Runs::Java(_) => Feature::Jdbc,
            Runs::Go(_) => Feature::GoDrivers,
            Runs::Ruby(_) => Feature::RubyPg,
            Runs::Php(_) => Feature::PhpPgsql,
            Runs::C(_) => Feature::Libpq,
            Runs::Rust(_) | Runs::Shell(_) => Feature::Postgres,
        }
    }

    /// How it is started. Nothing of it runs before a line comes in, so that the agent can be told of it.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new("sh");
        command.args(["-c", "read -r go && exec \"$@\"", "sh"]);
        let apps = place::apps();
        match self.runs {
            Runs::Python(script) => command.arg(need::python()?).arg(apps.join("python").join(script)),
            Runs::Node(script) => command.arg("node").arg(apps.join("node").join(script)),
            Runs::Java(script) => {
                // Little is compiled twice in a run of seconds.
                command.args(["java", "-XX:TieredStopAtLevel=1", "-cp"]);
                command.arg(place::target()?.join("java").join("*")).arg(apps.join("java").join(script))
            }
            Runs::Go(name) => command.arg(place::target()?.join("go").join(name)),
            Runs::C(name) => command.arg(place::target()?.join("c").join(name)),
            Runs::Rust(name) => command.arg(place::built(name)?),
            Runs::Ruby(script) => command.arg("ruby").arg(apps.join("ruby").join(script)),
            Runs::Php(script) => command.arg("php").arg(apps.join("php").join(script)),
            Runs::Shell(script) => command.arg("sh").arg(apps.join("libpq").join(script)),
        };
        Ok(command)
    }

    /// The place of PostgreSQL's tools, for a script.
    pub fn tools() -> Option<PathBuf> {
        need::postgres().ok()
    }
}
