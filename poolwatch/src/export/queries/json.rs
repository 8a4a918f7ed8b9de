//! `/api/v1/queries`: what is kept of queries, the weightiest first.
//!
//! It shows the table as it stood and computes nothing but the order; equal queries are in the order of their
//! labels, so that the same table always gives the same text. What is unknown is `null`.

use std::cmp::Reverse;

use serde::Serialize;

use super::{Entry, Kept, Tally};
use crate::{
    export::{
        answer::{Answer, Order},
        health,
    },
    infer::fact::Labels,
};

#[derive(Serialize)]
struct QueriesJson<'a> {
    timestamp: String,
    order: &'static str,
    capacity: usize,
    evicted: u64,
    queries: Vec<QueryJson<'a>>,
    other: TallyJson,
}

#[derive(Serialize)]
struct QueryJson<'a> {
    fingerprint: String,
    summary: &'a str,
    operation: &'a str,
    service: &'a str,
    server: ServerJson<'a>,
    #[serde(flatten)]
    tally: TallyJson,
}

#[derive(Serialize)]
struct ServerJson<'a> {
    address: &'a str,
    port: u16,
    database: Option<&'a str>,
    /// Only where users are kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
struct TallyJson {
    statements: StatementsJson,
    seconds: SecondsJson,
}

#[derive(Serialize)]
struct StatementsJson {
    completed: u64,
    failed: u64,
    resumed: u64,
    rows: u64,
    slow: u64,
}

#[derive(Serialize)]
struct SecondsJson {
    total: f64,
    mean: Option<f64>,
    max: Option<f64>,
}

/// The answer; `nanoseconds` is the time of day at that moment, since the UNIX epoch.
pub fn queries(
    kept: &Kept,
    (order, limit): (Order, Option<usize>),
    label_user: bool,
    nanoseconds: u64,
) -> Answer {
    let mut entries: Vec<_> = kept.entries.iter().collect();
    entries.sort_unstable_by(|one, two| rank(one, order).cmp(&rank(two, order)));
    let entries = entries.into_iter().take(limit.unwrap_or(usize::MAX));
    let document = QueriesJson {
        timestamp: health::timestamp(nanoseconds),
        order: order.as_str(),
        capacity: kept.extent.capacity,
        evicted: kept.extent.evicted,
        queries: entries.map(|entry| query(entry, label_user)).collect(),
        other: tally(&kept.other),
    };
    Answer::json(200, &document)
}

/// The greatest first; two entries never have the same.
fn rank(entry: &Entry, order: Order) -> impl Ord + '_ {
    let Tally { slow, durations, max, .. } = entry.tally;
    let total = durations.sum();
    let first = match order {
        Order::Total => total,
        Order::Slow => u128::from(slow),
        Order::Max => u128::from(max),
    };
    (Reverse((first, total)), &entry.labels, entry.query.id)
}

fn query(entry: &Entry, label_user: bool) -> QueryJson<'_> {
    QueryJson {
        fingerprint: entry.query.id.to_string(),
        summary: &entry.query.summary,
        operation: &entry.query.operation,
        service: &entry.labels.service,
        server: server(&entry.labels, label_user),
        tally: tally(&entry.tally),
    }
}

fn server(labels: &Labels, label_user: bool) -> ServerJson<'_> {
    let known = |name: &str| !name.is_empty();
    ServerJson {
        address: &labels.server_address,
        port: labels.server_port,
        database: Some(labels.database.as_str()).filter(|name| known(name)),
        user: Some(labels.user.as_str()).filter(|name| label_user && known(name)),
    }
}

fn tally(tally: &Tally) -> TallyJson {
    let Tally { completed, failed, resumed, rows, slow, durations, max } = *tally;
    let timed = durations.count() > 0;
    TallyJson {
        statements: StatementsJson { completed, failed, resumed, rows, slow },
        seconds: SecondsJson {
            total: durations.seconds(),
            mean: durations.mean(),
            max: timed.then(|| max as f64 / 1e9),
        },
    }
}
