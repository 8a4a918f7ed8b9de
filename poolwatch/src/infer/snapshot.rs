//! How things stand: everything that gauges, health and JSON show. Export renders it and computes nothing.

use std::sync::Arc;

use super::fact::{Labels, Status};
use crate::event::{ProbeState, Process, Time};

/// Where a pool's size limit is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxSource {
    /// Flag or config file.
    Configured,
    /// The process's own environment or arguments.
    Declared,
    /// A plateau while requests waited.
    Learned,
}

impl MaxSource {
    /// The value of the label `poolwatch_source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Declared => "declared",
            Self::Learned => "learned",
        }
    }
}

/// Connections of a pool by state; used + idle + opening + unknown = total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// A request is in flight, or a transaction is open.
    pub used: u32,
    /// Established, authenticated, not used.
    pub idle: u32,
    /// Between `connect()` and the first `ReadyForQuery`.
    pub opening: u32,
    /// Known to exist, state not established yet.
    pub unknown: u32,
    /// Part of `used`: in a transaction with no request in flight.
    pub idle_in_transaction: u32,
    /// All.
    pub total: u32,
}

/// A value that was inferred, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inferred {
    /// The value.
    pub value: f64,
    /// The method that speaks (contract §3).
    pub evidence: &'static str,
    /// How far to trust it, 0 to 1.
    pub confidence: f64,
}

/// Waits of the last 60 s, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waits {
    /// Mean.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Longest.
    pub max: f64,
    /// The method that speaks.
    pub evidence: &'static str,
    /// How far to trust it, 0 to 1.
    pub confidence: f64,
}

/// Requests of a pool: `total` since first seen, the rest over the last 60 s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Requests {
    /// Answered requests since the pool was first seen.
    pub total: u64,
    /// Rate.
    pub per_second: f64,
    /// Mean duration; 0 without requests.
    pub mean_seconds: f64,
    /// Longer than the threshold.
    pub slow: u64,
    /// Ended with an error.
    pub errors: u64,
    /// errors / requests; 0 without requests.
    pub error_ratio: f64,
}

/// One pool: all connections of one process to one server, database and user.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSnapshot {
    /// Stable while the pool lives: 16 hexadecimal digits over process, server, database and user.
    pub id: String,
    /// Labels of its service-wide series.
    pub labels: Arc<Labels>,
    /// Its process.
    pub process: Arc<Process>,
    /// By state.
    pub connections: Connections,
    /// Size limit, where known.
    pub max: Option<(u32, MaxSource)>,
    /// used / max, where max is known.
    pub utilization: Option<f64>,
    /// Status of the utilization alone; `None` = unknown.
    pub utilization_status: Option<Status>,
    /// Status of the pool (contract §4).
    pub status: Status,
    /// Requests that wait for a connection, where known.
    pub pending: Option<Inferred>,
    /// Waits, where known.
    pub waits: Option<Waits>,
    /// Age of the oldest lease in nanoseconds; 0 without one.
    pub oldest_lease: Time,
    /// Requests.
    pub requests: Requests,
    /// Stable words (contract §4).
    pub findings: Vec<&'static str>,
}

/// A process of which a part cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Labels of the pool concerned.
    pub labels: Arc<Labels>,
    /// The process.
    pub process: Arc<Process>,
    /// `tls`, `gss`, `io_uring`.
    pub reason: String,
    /// Connections concerned.
    pub connections: u32,
}

/// Totals since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Records taken from the ring.
    pub events: u64,
    /// Losses by place, the core's own included (`limits.rs` names them).
    pub lost: Vec<(String, u64)>,
    /// What could not be read, by reason.
    pub unparsed: Vec<(String, u64)>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The moment.
    pub at: Time,
    /// The first scan is done.
    pub ready: bool,
    /// Pools in the order of their id.
    pub pools: Vec<PoolSnapshot>,
    /// What cannot be seen.
    pub blind: Vec<Blind>,
    /// Probes in the order of the catalogue.
    pub probes: Vec<ProbeState>,
    /// Honesty.
    pub books: Books,
    /// `max_connections` of the configured servers that some pool uses: address or alias, port, value.
    pub server_max: Vec<(String, u16, u32)>,
}
