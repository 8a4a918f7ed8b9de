//! What the user wants: arguments, environment and file come in, one [`Command`] goes out.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. What
//! goes out is valid: every range is checked, and an error says where the value stands and what is
//! allowed. Nothing here looks at the machine, but for the files that are named.

mod command;
mod cri;
mod error;
mod file;
mod options;
mod origin;
mod resolve;
mod services;
mod value;

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use tracing::level_filters::LevelFilter;

use self::{
    command::{ConfigTask, Line, Show, Task},
    file::File,
    options::Options,
    origin::Origins,
};
pub use self::{
    cri::Cri,
    error::{ConfigError, Stop},
    options::{Evidence, LogFormat, Probes, Tls},
    services::ServiceFilter,
};
use crate::{
    clock::Clock,
    export::{
        ExportSettings,
        access::{Access, AccessFiles},
    },
    infer::settings::Settings,
};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// For people or for programs.
    pub format: LogFormat,
    /// What is loud enough.
    pub level: LevelFilter,
}

/// What is watched.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Watch only these processes; empty = the whole machine.
    pub pids: Vec<u32>,
    /// With `pids`: and what they fork.
    pub follow_children: bool,
    /// With `pids`: stop when the last of them has ended.
    pub exit_with_pid: bool,
    /// Which services are watched.
    pub services: ServiceFilter,
    /// Ports of PostgreSQL, for failed connects and older connections that are encrypted; ascending.
    pub ports: Vec<u16>,
}

/// What to watch and how; valid throughout.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the HTTP door listens.
    pub listen: SocketAddr,
    /// What is watched.
    pub targets: Targets,
    /// What changes the inference.
    pub inference: Settings,
    /// When probes for waiting are attached.
    pub evidence: Evidence,
    /// How encrypted connections are read.
    pub tls: Tls,
    /// Who names containers and pods.
    pub cri: Cri,
    /// Which tier of kernel probes is used.
    pub probes: Probes,
    /// Size of the ring between kernel and agent, in bytes; a power of two.
    pub ring_bytes: u32,
    /// Take summaries of SQL.
    pub sql: bool,
    /// Constant labels of every series.
    pub labels: Vec<(String, String)>,
    /// Label series with the database user.
    pub label_user: bool,
    /// Secrets of the HTTP door.
    pub access: AccessFiles,
    /// The log.
    pub log: LogSettings,
    /// What is allowed and seldom meant, in words.
    pub doubts: Vec<String>,
}

impl Config {
    /// What the exporter of a live agent needs.
    pub fn export(&self, clock: Clock) -> ExportSettings {
        ExportSettings { labels: self.labels.clone(), label_user: self.label_user, own_process: true, clock }
    }
}

/// What a replay shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The page `/metrics`.
    Metrics,
    /// The JSON of `/health/pool`.
    Json,
    /// A few lines for people.
    Summary,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Watch.
    Watch(Box<Config>),
    /// Watch and save the event stream in the file.
    Record(Box<Config>, PathBuf),
    /// Run the inference on a recording.
    Replay {
        /// The recording.
        file: PathBuf,
        /// What to show.
        output: Output,
    },
    /// Say what this kernel and these privileges allow.
    Check,
    /// Call [`check`] with the file.
    ConfigCheck(Option<PathBuf>),
}

/// Reads the command line (with the program's name first), the environment and the file.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let matches = without_empty_variables(Line::command()).try_get_matches_from(args)?;
    let line = Line::from_arg_matches(&matches)?;
    let Some(task) = line.task else {
        return Ok(Command::Watch(Box::new(config(line.options, &matches)?)));
    };
    let under = matches.subcommand().map_or(&matches, |(_, under)| under);
    Ok(match task {
        Task::Record { output, options } => Command::Record(Box::new(config(*options, under)?), output),
        Task::Replay { file, show } => Command::Replay { file, output: show.output() },
        Task::Check => Command::Check,
        Task::Config { task: ConfigTask::Check { file } } => Command::ConfigCheck(file),
    })
}

/// Whether the agent would start with this file and the environment as it is: a line for people, and one for each thing
/// that is seldom meant. The files that hold secrets are read as well.
pub fn check(file: Option<&Path>) -> Result<String, Stop> {
    let flag = file.map(|file| ["--config".into(), file.as_os_str().to_owned()]);
    let args = [OsString::from("poolwatch")].into_iter().chain(flag.into_iter().flatten());
    let Command::Watch(config) = parse(args)? else { return Ok(String::new()) };
    let place = file.map_or("environment and defaults".to_owned(), |file| file.display().to_string());
    match Access::load(&config.access) {
        Ok(_) => Ok([format!("{place}: ok")].into_iter().chain(config.doubts).collect::<Vec<_>>().join("\n")),
        Err(why) => Err(ConfigError { place, key: String::new(), text: format!("{why:#}") }.into()),
    }
}

fn config(options: Options, matches: &ArgMatches) -> Result<Config, ConfigError> {
    let origins = Origins::new(matches);
    let Some(path) = options.config.clone() else { return resolve::resolve(options, &origins) };
    let File { options: below, lines } = file::read(&path)?;
    resolve::resolve(options.over(below), &origins.with_file(path, lines))
}

impl Show {
    const fn output(&self) -> Output {
        if self.metrics {
            Output::Metrics
        } else if self.json {
            Output::Json
        } else {
            Output::Summary
        }
    }
}

/// An empty variable is one that was not given: container descriptions often cannot leave one out.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let ignore = |argument: Arg| {
        let value = argument.get_env().and_then(std::env::var_os);
        let argument = argument.hide_env_values(true);
        if value.is_some_and(|value| is_not_meant(&value)) { argument.env(None::<&str>) } else { argument }
    };
    command.mut_args(ignore).mut_subcommand("record", |record| record.mut_args(ignore))
}

/// Kubernetes gives every container `NAME_PORT=tcp://…` for each service of its namespace: for a
/// service with our name that is our own variable.
fn is_not_meant(value: &OsStr) -> bool {
    value.is_empty() || value.as_encoded_bytes().starts_with(b"tcp://")
}

#[cfg(test)]
mod tests;
