//! A scene made by hand: two users of one database, a second service, a pool whose startup nobody
//! saw, and two addresses that share one alias.

use std::sync::Arc;

use crate::{
    clock::Clock,
    event::{Declared, Outcome, ProbeState, Process, ProcessId, Query, QueryId, SECOND, SqlState, Time},
    export::{ExportSettings, Exporter},
    infer::{
        fact::{ConnectionError, Fact, Labels, Status},
        snapshot::{Blind, Books, Connections, Inferred, MaxSource, PoolSnapshot, Requests, Snapshot, Waits},
    },
};

pub const MILLISECOND: Time = SECOND / 1000;

/// A clock whose monotonic zero is 2023-11-14T22:13:20Z.
pub fn clock() -> Clock {
    serde_json::from_str(r#"{"offset": 1700000000000000000}"#).expect("a clock is an offset")
}

pub fn settings() -> ExportSettings {
    ExportSettings { labels: Vec::new(), label_user: false, own_process: false, clock: clock() }
}

pub fn labels(service: &str, address: &str, database: &str, user: &str) -> Arc<Labels> {
    Arc::new(Labels {
        service: service.into(),
        namespace: None,
        server_address: address.into(),
        server_port: 5432,
        database: database.into(),
        user: user.into(),
        pool: format!("{user}@{address}:5432/{database}"),
    })
}

pub fn process(pid: u32, service: &str) -> Arc<Process> {
    Arc::new(Process {
        id: ProcessId { pid, started: 1000 },
        name: "node".into(),
        service: service.into(),
        container: None,
        pod: None,
        namespace: None,
        declared: Declared::default(),
    })
}

/// A pool with nothing in it.
pub fn pool(id: &str, labels: &Arc<Labels>, pid: u32) -> PoolSnapshot {
    PoolSnapshot {
        id: id.into(),
        labels: Arc::clone(labels),
        process: process(pid, &labels.service),
        connections: Connections::default(),
        max: None,
        utilization: None,
        utilization_status: None,
        status: Status::Normal,
        pending: None,
        waits: None,
        oldest_lease: 0,
        requests: Requests::default(),
        findings: Vec::new(),
    }
}

fn connections(used: u32, idle: u32) -> Connections {
    Connections { used, idle, total: used + idle, ..Connections::default() }
}

fn shop_app() -> PoolSnapshot {
    PoolSnapshot {
        connections: Connections {
            used: 3,
            idle: 5,
            opening: 1,
            unknown: 1,
            idle_in_transaction: 1,
            total: 10,
        },
        max: Some((20, MaxSource::Configured)),
        utilization: Some(0.15),
        utilization_status: Some(Status::Normal),
        pending: Some(Inferred { value: 0.0, evidence: "demand", confidence: 0.6 }),
        waits: Some(Waits { mean: 0.001, p95: 0.004, max: 0.01, evidence: "causal", confidence: 0.9 }),
        oldest_lease: 1500 * MILLISECOND,
        requests: Requests { total: 12_345, per_second: 99.5, mean_seconds: 0.0061, ..Requests::default() },
        ..pool("0000000000000001", &labels("api", "10.0.0.5", "shop", "app"), 42)
    }
}

fn aliased(id: &str, used: u32, max: u32) -> PoolSnapshot {
    PoolSnapshot {
        connections: connections(used, 1),
        max: Some((max, MaxSource::Configured)),
        utilization: Some(f64::from(used) / f64::from(max)),
        utilization_status: Some(Status::Normal),
        ..pool(id, &labels("api", "replicas", "shop", "app"), 42)
    }
}

fn in_kubernetes() -> PoolSnapshot {
    let labels =
        Labels { namespace: Some("prod".into()), ..(*labels("worker", "10.0.0.5", "shop", "jobs")).clone() };
    let labels = Arc::new(labels);
    let process = Process {
        container: Some("main".into()),
        pod: Some("worker-7c9f".into()),
        namespace: Some("prod".into()),
        declared: Declared { min: Some(2), ..Declared::default() },
        ..(*process(77, "worker")).clone()
    };
    PoolSnapshot {
        connections: connections(1, 0),
        process: Arc::new(process),
        ..pool("0000000000000005", &labels, 77)
    }
}

/// How things stand in the scene.
pub fn snapshot() -> Snapshot {
    let report = labels("api", "10.0.0.5", "shop", "report");
    let unidentified =
        Arc::new(Labels { pool: "@10.0.0.9:5432/".into(), ..(*labels("api", "10.0.0.9", "", "")).clone() });
    let unknown = Connections { unknown: 4, total: 4, ..Connections::default() };
    Snapshot {
        at: 100 * SECOND,
        ready: true,
        pools: vec![
            shop_app(),
            PoolSnapshot { connections: connections(0, 2), ..pool("0000000000000002", &report, 42) },
            aliased("0000000000000003", 3, 10),
            aliased("0000000000000004", 5, 10),
            in_kubernetes(),
            PoolSnapshot { connections: unknown, ..pool("0000000000000006", &unidentified, 42) },
        ],
        blind: vec![Blind {
            labels: unidentified,
            process: process(42, "api"),
            reason: "tls".into(),
            connections: 4,
        }],
        probes: vec![
            probe("sock_send_length", true, "ok", ""),
            probe("sys_enter", false, "not_applicable", ""),
        ],
        books: Books {
            events: 5000,
            lost: vec![("ring".into(), 2), ("series".into(), 1)],
            unparsed: vec![("startup_cut".into(), 1)],
        },
        server_max: vec![("10.0.0.5".into(), 5432, 100)],
    }
}

pub fn probe(name: &str, attached: bool, verdict: &str, reason: &str) -> ProbeState {
    ProbeState { probe: name.into(), attached, verdict: verdict.into(), reason: reason.into() }
}

pub fn request(labels: &Arc<Labels>, took: Time, operation: &'static str, error: Option<&[u8; 5]>) -> Fact {
    Fact::Request {
        labels: Arc::clone(labels),
        pid: 42,
        query: None,
        took: Some(took),
        first_byte: Some(took / 2),
        operation,
        rows: Some(1),
        error: error.and_then(|code| SqlState::new(*code)),
        slow: took > 100 * MILLISECOND,
    }
}

pub fn query(id: u64, summary: &str) -> Arc<Query> {
    let operation = summary.split(' ').next().unwrap_or_default().to_owned();
    Arc::new(Query { id: QueryId(id), summary: summary.into(), operation })
}

/// A statement that ended well with one row.
pub fn statement(labels: &Arc<Labels>, query: Option<Arc<Query>>, took: Time) -> Fact {
    Fact::Statement {
        labels: Arc::clone(labels),
        query,
        took: Some(took),
        rows: 1,
        outcome: Outcome::Completed,
        resumed: 0,
        slow: took > 100 * MILLISECOND,
        sqlstate: None,
    }
}

/// A statement that an error ended.
pub fn failed(labels: &Arc<Labels>, query: Arc<Query>) -> Fact {
    Fact::Statement {
        labels: Arc::clone(labels),
        query: Some(query),
        took: Some(MILLISECOND),
        rows: 0,
        outcome: Outcome::Failed,
        resumed: 0,
        slow: false,
        sqlstate: SqlState::new(*b"42P01"),
    }
}

/// What ended in the scene before the snapshot.
pub fn facts() -> Vec<Fact> {
    let app = labels("api", "10.0.0.5", "shop", "app");
    let report = labels("api", "10.0.0.5", "shop", "report");
    vec![
        Fact::Seen(Arc::clone(&app)),
        Fact::Opened { labels: Arc::clone(&app) },
        Fact::Created { labels: Arc::clone(&app), took: 7 * MILLISECOND },
        statement(&app, Some(query(7, "SELECT users")), 3 * MILLISECOND),
        request(&app, 3 * MILLISECOND, "SELECT", None),
        statement(&report, Some(query(7, "SELECT users")), 200 * MILLISECOND),
        statement(&report, None, 2 * MILLISECOND),
        request(&report, 202 * MILLISECOND, "SELECT", None),
        failed(&report, query(u64::MAX, "INSERT \"or\nders\"")),
        request(&report, MILLISECOND, "", Some(b"42P01")),
        Fact::Lease { labels: Arc::clone(&app), took: 4 * MILLISECOND },
        Fact::Waited { labels: Arc::clone(&app), pid: 42, took: 0 },
        Fact::Lease { labels: Arc::clone(&report), took: 203 * MILLISECOND },
        Fact::TimedOut { labels: Arc::clone(&app) },
        Fact::ConnectionError { labels: Arc::clone(&app), error: ConnectionError::Refused },
        Fact::Elapsed {
            labels: app,
            lifetime: 90 * SECOND,
            used: 120 * SECOND,
            pending: SECOND / 4,
            saturated: 3 * SECOND,
        },
        Fact::Closed { labels: report },
    ]
}

/// An exporter that has seen the scene's facts.
pub fn exporter(settings: ExportSettings) -> Exporter {
    let mut exporter = Exporter::new(settings);
    exporter.observe(&facts(), 90 * SECOND);
    exporter
}
