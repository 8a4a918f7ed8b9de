//! A pool as JSON (contract §4), and the answers of `/api/v1/pools` and `/api/v1/pools/{id}`.
//!
//! What is unknown is `null`. The names of the fields are the contract's; nothing is computed here.

use serde::Serialize;

use super::answer::Answer;
use crate::{
    event::Declared,
    infer::{
        fact::Status,
        snapshot::{PoolSnapshot, Snapshot},
    },
};

/// `/api/v1/pools`
pub fn all(snapshot: &Snapshot) -> Answer {
    #[derive(Serialize)]
    struct Pools<'a> {
        pools: Vec<PoolJson<'a>>,
    }
    Answer::json(200, &Pools { pools: snapshot.pools.iter().map(PoolJson::from).collect() })
}

/// `/api/v1/pools/{id}`
pub fn one(snapshot: &Snapshot, id: &str) -> Answer {
    match snapshot.pools.iter().find(|pool| pool.id == id) {
        Some(pool) => Answer::json(200, &PoolJson::from(pool)),
        None => {
            Answer::error(404, "no pool with this id: it may have ended; /api/v1/pools lists those that live")
        }
    }
}

/// The word for a utilization's status; `None` = unknown.
pub const fn utilization_word(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Normal) => "normal",
        Some(Status::Warning) => "warning",
        Some(Status::Critical) => "critical",
        None => "unknown",
    }
}

/// One pool.
#[derive(Serialize)]
pub struct PoolJson<'a> {
    id: &'a str,
    name: &'a str,
    service: &'a str,
    process: ProcessJson<'a>,
    server: ServerJson<'a>,
    connections: ConnectionsJson,
    max: Option<MaxJson>,
    utilization: UtilizationJson,
    pending: Option<PendingJson>,
    wait_seconds: Option<WaitsJson>,
    requests: RequestsJson,
    declared: Option<DeclaredJson>,
    findings: &'a [&'static str],
}

#[derive(Serialize)]
struct ProcessJson<'a> {
    pid: u32,
    name: &'a str,
    container: Option<&'a str>,
    pod: Option<&'a str>,
}

#[derive(Serialize)]
struct ServerJson<'a> {
    address: &'a str,
    port: u16,
    database: Option<&'a str>,
    user: Option<&'a str>,
}

#[derive(Serialize)]
struct ConnectionsJson {
    used: u32,
    idle: u32,
    opening: u32,
    unknown: u32,
    idle_in_transaction: u32,
    total: u32,
}

#[derive(Serialize)]
struct MaxJson {
    value: u32,
    source: &'static str,
}

#[derive(Serialize)]
struct UtilizationJson {
    ratio: Option<f64>,
    status: &'static str,
}

#[derive(Serialize)]
struct PendingJson {
    value: f64,
    evidence: &'static str,
    confidence: f64,
    trust: &'static str,
}

#[derive(Serialize)]
struct WaitsJson {
    mean: f64,
    p95: f64,
    max: f64,
    evidence: &'static str,
    confidence: f64,
    trust: &'static str,
}

#[derive(Serialize)]
struct DeclaredJson {
    min: Option<i64>,
    max: Option<i64>,
    idle_timeout_seconds: Option<f64>,
    connection_timeout_seconds: Option<f64>,
}

#[derive(Serialize)]
struct RequestsJson {
    total: u64,
    per_second: f64,
    mean_seconds: f64,
    slow: u64,
    errors: u64,
    error_ratio: f64,
}

impl<'a> From<&'a PoolSnapshot> for PoolJson<'a> {
    fn from(pool: &'a PoolSnapshot) -> Self {
        Self {
            id: &pool.id,
            name: &pool.labels.pool,
            service: &pool.labels.service,
            process: process(pool),
            server: server(pool),
            connections: connections(pool),
            max: pool.max.map(|(value, source)| MaxJson { value, source: source.as_str() }),
            utilization: UtilizationJson {
                ratio: pool.utilization,
                status: utilization_word(pool.utilization_status),
            },
            pending: pending(pool),
            wait_seconds: waits(pool),
            requests: requests(pool),
            declared: declared(&pool.process.declared),
            findings: &pool.findings,
        }
    }
}

fn process(pool: &PoolSnapshot) -> ProcessJson<'_> {
    let process = &pool.process;
    ProcessJson {
        pid: process.id.pid,
        name: &process.name,
        container: process.container.as_deref(),
        pod: process.pod.as_deref(),
    }
}

fn server(pool: &PoolSnapshot) -> ServerJson<'_> {
    let labels = &pool.labels;
    ServerJson {
        address: &labels.server_address,
        port: labels.server_port,
        database: Some(labels.database.as_str()).filter(|name| !name.is_empty()),
        user: Some(labels.user.as_str()).filter(|name| !name.is_empty()),
    }
}

fn connections(pool: &PoolSnapshot) -> ConnectionsJson {
    let connections = pool.connections;
    ConnectionsJson {
        used: connections.used,
        idle: connections.idle,
        opening: connections.opening,
        unknown: connections.unknown,
        idle_in_transaction: connections.idle_in_transaction,
        total: connections.total,
    }
}

fn pending(pool: &PoolSnapshot) -> Option<PendingJson> {
    pool.pending.map(|pending| PendingJson {
        value: pending.value,
        evidence: pending.evidence,
        confidence: pending.confidence,
        trust: trust(pending.confidence),
    })
}

fn waits(pool: &PoolSnapshot) -> Option<WaitsJson> {
    pool.waits.map(|waits| WaitsJson {
        mean: waits.mean,
        p95: waits.p95,
        max: waits.max,
        evidence: waits.evidence,
        confidence: waits.confidence,
        trust: trust(waits.confidence),
    })
}

fn requests(pool: &PoolSnapshot) -> RequestsJson {
    let requests = pool.requests;
    RequestsJson {
        total: requests.total,
        per_second: requests.per_second,
        mean_seconds: requests.mean_seconds,
        slow: requests.slow,
        errors: requests.errors,
        error_ratio: requests.error_ratio,
    }
}

fn declared(declared: &Declared) -> Option<DeclaredJson> {
    let seconds = |milliseconds: Option<i64>| milliseconds.map(|milliseconds| milliseconds as f64 / 1000.0);
    (!declared.is_empty()).then(|| DeclaredJson {
        min: declared.min,
        max: declared.max,
        idle_timeout_seconds: seconds(declared.idle_timeout),
        connection_timeout_seconds: seconds(declared.connection_timeout),
    })
}

/// How the contract names a confidence.
fn trust(confidence: f64) -> &'static str {
    if confidence >= 0.8 {
        "high"
    } else if confidence >= 0.5 {
        "medium"
    } else {
        "low"
    }
}
