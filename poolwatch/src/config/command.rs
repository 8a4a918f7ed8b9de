//! The command line as clap sees it.

#![allow(clippy::doc_markdown, reason = "comments on arguments are the text of --help")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::options::Options;

/// Shows every PostgreSQL connection pool on this machine from the outside.
///
/// Without a command: watches every process that speaks PostgreSQL and serves metrics, health and
/// JSON over HTTP. Each option can also be given as POOLWATCH_… in the environment (lists with commas)
/// or in a TOML file; flags win over the environment, the environment over the file.
#[derive(Debug, Parser)]
#[command(name = "poolwatch", version, args_conflicts_with_subcommands = true)]
pub struct Line {
    /// What to watch, and how.
    #[command(flatten)]
    pub options: Options,
    /// Another thing to do than watching.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What else poolwatch does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Save the event stream (without SQL literals) for later
    Record {
        /// Where to
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// What to watch, and how.
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Run the same inference on a recording, offline and without privileges
    Replay {
        /// The recording
        file: PathBuf,
        /// What to show.
        #[command(flatten)]
        show: Show,
    },
    /// Say what this kernel and these privileges allow
    Check,
    /// Look at a config file
    Config {
        /// What to do with it.
        #[command(subcommand)]
        task: ConfigTask,
    },
}

/// What a replay shows: at most one.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct Show {
    /// The page /metrics at the end of the recording
    #[arg(long)]
    pub metrics: bool,
    /// The JSON of /health/pool at the end of the recording
    #[arg(long)]
    pub json: bool,
    /// A few lines for people (default)
    #[arg(long)]
    pub summary: bool,
}

/// What is done with a config file.
#[derive(Debug, Subcommand)]
pub enum ConfigTask {
    /// Say whether the agent would start with it
    Check {
        /// The file [default: the one that POOLWATCH_CONFIG names]
        file: Option<PathBuf>,
    },
}
