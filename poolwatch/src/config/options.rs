//! Every option, once: the same list is read from flags, from `POOLWATCH_…` and from the file.
//!
//! A field holds what was given and nothing where nothing was given; defaults come later, when the
//! three sources have been laid over one another. Comments on the fields are the text of `--help`.

#![allow(clippy::doc_markdown, reason = "comments on arguments are the text of --help")]

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use serde::Deserialize;

use super::{
    cri::Cri,
    value::{ConstantLabel, Count, Listen, Pattern, PoolMax, Port, RingSize, ServerAddress, Share, Span},
};

/// When probes for waiting are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// While a pool is saturated
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Off,
}

/// How encrypted connections are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By probes on the TLS library, else by turns
    #[default]
    Auto,
    /// By who speaks when, alone
    Turns,
    /// Not at all
    Off,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Which tier of kernel probes is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Probes {
    /// The best that this kernel has
    #[default]
    Auto,
    /// `sock_send_length` and `sock_recv_length`
    Sock,
    /// System calls
    Syscall,
}

/// What was given. Lists that are empty and options that are `None` were not.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Watch only this process and what it forks; may be given several times
    #[arg(long, value_name = "PID", env = "POOLWATCH_PID", value_delimiter = ',')]
    pub pid: Vec<Count>,
    /// With --pid: not what it forks
    #[arg(long, env = "POOLWATCH_NO_FOLLOW_CHILDREN", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_follow_children: Option<bool>,
    /// With --pid: stop when the last of these processes has ended
    #[arg(long, env = "POOLWATCH_EXIT_WITH_PID", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub exit_with_pid: Option<bool>,
    /// Where metrics, health and JSON are served [default: 127.0.0.1:9762]
    #[arg(long, value_name = "ADDRESS:PORT", env = "POOLWATCH_LISTEN")]
    pub listen: Option<Listen>,
    /// A TOML file with these options; flags and environment win over it
    #[arg(long, value_name = "FILE", env = "POOLWATCH_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Watch only services that fit; may be given several times [default: all]
    #[arg(long, value_name = "GLOB", env = "POOLWATCH_SERVICE")]
    pub service: Vec<Pattern>,
    /// Leave out services that fit; may be given several times
    #[arg(long, value_name = "GLOB", env = "POOLWATCH_EXCLUDE")]
    pub exclude: Vec<Pattern>,
    /// Ports of PostgreSQL, where no byte says it: of failed connects and older encrypted connections [default: 5432,6432]
    #[arg(long, value_name = "PORT", env = "POOLWATCH_PORT", value_delimiter = ',')]
    pub port: Vec<Port>,
    /// A request that takes longer is slow [default: 100ms]
    #[arg(long, value_name = "DURATION", env = "POOLWATCH_SLOW_THRESHOLD")]
    pub slow_threshold: Option<Span>,
    /// Utilization from which a pool's status is warning [default: 0.80]
    #[arg(long, value_name = "RATIO", env = "POOLWATCH_WARN_UTILIZATION")]
    pub warn_utilization: Option<Share>,
    /// Utilization from which a pool's status is critical [default: 0.95]
    #[arg(long, value_name = "RATIO", env = "POOLWATCH_CRITICAL_UTILIZATION")]
    pub critical_utilization: Option<Share>,
    /// Size limit of the pools of one service, or of all others [default: learned]
    #[arg(long, value_name = "[SERVICE=]N", env = "POOLWATCH_POOL_MAX", value_delimiter = ',')]
    pub pool_max: Vec<PoolMax>,
    /// When to attach probes for waiting [default: auto]
    #[arg(long, value_name = "WHEN", env = "POOLWATCH_EVIDENCE")]
    pub evidence: Option<Evidence>,
    /// How to read encrypted connections [default: auto]
    #[arg(long, value_name = "HOW", env = "POOLWATCH_TLS")]
    pub tls: Option<Tls>,
    /// Socket of the container runtime that names containers and pods: auto, off, or its path [default: auto]
    #[arg(long, value_name = "SOCKET", env = "POOLWATCH_CRI")]
    pub cri: Option<Cri>,
    /// Take no SQL at all, not even summaries without literals
    #[arg(long, env = "POOLWATCH_NO_SQL", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_sql: Option<bool>,
    /// Label series with the database user, as db_user
    #[arg(long, env = "POOLWATCH_LABEL_USER", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub label_user: Option<bool>,
    /// A label for every series, such as region=eu; may be given several times
    #[arg(long, value_name = "NAME=VALUE", env = "POOLWATCH_LABEL", value_delimiter = ',')]
    pub label: Vec<ConstantLabel>,
    /// Ask clients for the bearer token in this file, but on /healthz and /readyz
    #[arg(long, value_name = "FILE", env = "POOLWATCH_AUTH_TOKEN_FILE")]
    pub auth_token_file: Option<PathBuf>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", env = "POOLWATCH_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", env = "POOLWATCH_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// How to write the log [default: text]
    #[arg(long, value_name = "FORMAT", env = "POOLWATCH_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Log more; -vv still more
    #[arg(short, long, action = ArgAction::Count, env = "POOLWATCH_VERBOSE")]
    pub verbose: u8,
    /// Log warnings and errors only
    #[arg(short, long, env = "POOLWATCH_QUIET", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub quiet: Option<bool>,
    /// Which tier of kernel probes to use [default: auto]
    #[arg(long, value_name = "TIER", env = "POOLWATCH_PROBES", hide_short_help = true)]
    pub probes: Option<Probes>,
    /// Room for what the kernel side tells between two looks, in bytes [default: 4194304]
    #[arg(long, value_name = "BYTES", env = "POOLWATCH_RING_BYTES", hide_short_help = true)]
    pub ring_bytes: Option<RingSize>,
    /// Servers; only in the file.
    #[arg(skip)]
    pub server: Vec<ServerOptions>,
}

/// One `[[server]]` of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// IP address, or directory of the UNIX socket.
    pub address: ServerAddress,
    /// Port; every one where it is left out.
    pub port: Option<Port>,
    /// Name that stands for the address in labels.
    pub alias: Option<String>,
    /// The server's `max_connections`.
    pub max_connections: Option<Count>,
}

impl Options {
    /// What is given here, and from `below` what is not.
    pub fn over(self, below: Self) -> Self {
        Self {
            pid: either(self.pid, below.pid),
            no_follow_children: self.no_follow_children.or(below.no_follow_children),
            exit_with_pid: self.exit_with_pid.or(below.exit_with_pid),
            listen: self.listen.or(below.listen),
            config: self.config.or(below.config),
            service: either(self.service, below.service),
            exclude: either(self.exclude, below.exclude),
            port: either(self.port, below.port),
            slow_threshold: self.slow_threshold.or(below.slow_threshold),
            warn_utilization: self.warn_utilization.or(below.warn_utilization),
            critical_utilization: self.critical_utilization.or(below.critical_utilization),
            pool_max: either(self.pool_max, below.pool_max),
            evidence: self.evidence.or(below.evidence),
            tls: self.tls.or(below.tls),
            cri: self.cri.or(below.cri),
            no_sql: self.no_sql.or(below.no_sql),
            label_user: self.label_user.or(below.label_user),
            label: either(self.label, below.label),
            auth_token_file: self.auth_token_file.or(below.auth_token_file),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            log_format: self.log_format.or(below.log_format),
            verbose: if self.verbose > 0 { self.verbose } else { below.verbose },
            quiet: self.quiet.or(below.quiet),
            probes: self.probes.or(below.probes),
            ring_bytes: self.ring_bytes.or(below.ring_bytes),
            server: either(self.server, below.server),
        }
    }
}

fn either<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
}
