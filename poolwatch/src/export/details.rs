//! `/health/details`: the agent itself, its probes and their verdicts, losses, pools in short.
//!
//! All of it from the snapshot and the exporter's own losses; the same snapshot gives the same text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    answer::Answer,
    health,
    queries::Extent,
    tables::{Counted, Losses},
};
use crate::infer::{
    fact::Status,
    snapshot::{Blind, PoolSnapshot, Snapshot},
};

#[derive(Serialize)]
struct Details<'a> {
    agent: Agent,
    timestamp: String,
    ready: bool,
    probes: Vec<Probe<'a>>,
    events: Events<'a>,
    blind: Vec<BlindJson<'a>>,
    queries: Queries,
    pools: Vec<Pool<'a>>,
}

#[derive(Serialize)]
struct Agent {
    version: &'static str,
    architecture: &'static str,
}

#[derive(Serialize)]
struct Probe<'a> {
    name: &'a str,
    attached: bool,
    verdict: &'a str,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Events<'a> {
    total: u64,
    lost: BTreeMap<&'a str, u64>,
    unparsed: BTreeMap<&'a str, u64>,
}

#[derive(Serialize)]
struct BlindJson<'a> {
    service: &'a str,
    pid: u32,
    pool: &'a str,
    reason: &'a str,
    connections: u32,
}

/// How much is known of queries; `/api/v1/queries` has them.
#[derive(Serialize)]
struct Queries {
    kept: usize,
    capacity: usize,
    on_page: usize,
    evicted: u64,
    /// A query that is not kept took no more than this, time of an hour ago counted half.
    missing_at_most_seconds: f64,
}

#[derive(Serialize)]
struct Pool<'a> {
    id: &'a str,
    name: &'a str,
    service: &'a str,
    pid: u32,
    status: &'static str,
    used: u32,
    total: u32,
    max: Option<u32>,
}

/// The answer; `nanoseconds` is the snapshot's time of day since the UNIX epoch.
pub fn details(snapshot: &Snapshot, counted: &Counted, nanoseconds: u64) -> Answer {
    let details = Details {
        agent: Agent { version: env!("CARGO_PKG_VERSION"), architecture: std::env::consts::ARCH },
        timestamp: health::timestamp(nanoseconds),
        ready: snapshot.ready,
        probes: probes(snapshot),
        events: events(snapshot, counted.losses),
        blind: snapshot.blind.iter().map(blind).collect(),
        queries: queries(counted.queries.extent),
        pools: snapshot.pools.iter().map(pool).collect(),
    };
    Answer::json(200, &details)
}

fn probes(snapshot: &Snapshot) -> Vec<Probe<'_>> {
    let probes = snapshot.probes.iter().map(|probe| Probe {
        name: &probe.probe,
        attached: probe.attached,
        verdict: &probe.verdict,
        reason: Some(probe.reason.as_str()).filter(|reason| !reason.is_empty()),
    });
    probes.collect()
}

fn events(snapshot: &Snapshot, losses: Losses) -> Events<'_> {
    let own = losses.by_place();
    let books = &snapshot.books;
    let lost = books.lost.iter().map(|(place, count)| (place.as_str(), *count)).chain(own);
    let unparsed = books.unparsed.iter().map(|(reason, count)| (reason.as_str(), *count));
    Events { total: books.events, lost: summed(lost), unparsed: summed(unparsed) }
}

fn summed<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> BTreeMap<&'a str, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts {
        *sums.entry(name).or_insert(0) += count;
    }
    sums
}

fn blind(blind: &Blind) -> BlindJson<'_> {
    BlindJson {
        service: &blind.labels.service,
        pid: blind.process.id.pid,
        pool: &blind.labels.pool,
        reason: &blind.reason,
        connections: blind.connections,
    }
}

fn queries(extent: Extent) -> Queries {
    let Extent { kept, capacity, shown, evicted, floor } = extent;
    Queries { kept, capacity, on_page: shown, evicted, missing_at_most_seconds: floor as f64 / 1e9 }
}

fn pool(pool: &PoolSnapshot) -> Pool<'_> {
    Pool {
        id: &pool.id,
        name: &pool.labels.pool,
        service: &pool.labels.service,
        pid: pool.process.id.pid,
        status: status_word(pool.status),
        used: pool.connections.used,
        total: pool.connections.total,
        max: pool.max.map(|(max, _)| max),
    }
}

/// The word for a pool's status.
pub const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Normal => "normal",
        Status::Warning => "warning",
        Status::Critical => "critical",
    }
}
