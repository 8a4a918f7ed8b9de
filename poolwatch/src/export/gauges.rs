//! Gauges of the pools as they stand: a snapshot comes in, samples go out to the page.
//!
//! Pools of one process whose labels are equal (two addresses with one alias) are shown as one: its
//! connections are summed, and what is unknown of one of them is unknown of the whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    labels::{self, LabelSet, Series},
    metrics::{self, Metric},
    page::Page,
};
use crate::infer::snapshot::{Inferred, MaxSource, PoolSnapshot, Snapshot};

/// Gives the samples of all pools, processes and servers to the page.
pub fn render(snapshot: &Snapshot, label_user: bool, page: &mut Page) {
    for (labels, pools) in by_labels(snapshot, label_user) {
        let labels = Arc::new(labels);
        connections(&labels, &pools, page);
        limit(&labels, &pools, page);
        waiting(&labels, &pools, page);
    }
    for blind in &snapshot.blind {
        let labels = labels::of_process(labels::database(&blind.labels, label_user), &blind.process);
        page.info(&metrics::BLIND, Series::from(labels).with("reason", blind.reason.clone()), true);
    }
    for (address, port, max) in &snapshot.server_max {
        page.number(&metrics::SERVER_MAX, labels::server(address, *port), f64::from(*max));
    }
}

fn by_labels(snapshot: &Snapshot, label_user: bool) -> BTreeMap<LabelSet, Vec<&PoolSnapshot>> {
    let mut groups: BTreeMap<LabelSet, Vec<&PoolSnapshot>> = BTreeMap::new();
    for pool in &snapshot.pools {
        let labels = labels::of_process(labels::pool(&pool.labels, label_user), &pool.process);
        groups.entry(labels).or_default().push(pool);
    }
    groups
}

fn connections(labels: &Arc<LabelSet>, pools: &[&PoolSnapshot], page: &mut Page) {
    let mut state = |metric: &'static Metric, series: Series, of: fn(&PoolSnapshot) -> u32| {
        let sum: u64 = pools.iter().map(|pool| u64::from(of(pool))).sum();
        page.number(metric, series, sum as f64);
    };
    let all = || Series::from(labels);
    let named = |name: &'static str| all().with("db_client_connection_state", name);
    state(&metrics::CONNECTION_COUNT, named("used"), |pool| pool.connections.used);
    state(&metrics::CONNECTION_COUNT, named("idle"), |pool| pool.connections.idle);
    state(&metrics::OPENING, all(), |pool| pool.connections.opening);
    state(&metrics::UNKNOWN, all(), |pool| pool.connections.unknown);
    state(&metrics::IDLE_IN_TRANSACTION, all(), |pool| pool.connections.idle_in_transaction);
    let oldest = pools.iter().map(|pool| pool.oldest_lease).max().unwrap_or(0);
    page.number(&metrics::OLDEST_LEASE, labels, oldest as f64 / 1e9);
}

/// The size's limits and how much is used.
fn limit(labels: &Arc<LabelSet>, pools: &[&PoolSnapshot], page: &mut Page) {
    let maxima: Option<Vec<_>> = pools.iter().map(|pool| pool.max).collect();
    if let Some(maxima) = maxima {
        let sum: u64 = maxima.iter().map(|(max, _)| u64::from(*max)).sum();
        let source = maxima.iter().map(|(_, source)| *source).max_by_key(|source| weakness(*source));
        if let Some(source) = source {
            let series = Series::from(labels).with("poolwatch_source", source.as_str());
            page.number(&metrics::CONNECTION_MAX, series, sum as f64);
        }
    }
    let least = |pool: &&PoolSnapshot| pool.process.declared.min.and_then(|min| u32::try_from(min).ok());
    let minima: Option<Vec<u32>> = pools.iter().map(least).collect();
    if let Some(minima) = minima {
        let sum: u64 = minima.into_iter().map(u64::from).sum();
        page.number(&metrics::CONNECTION_IDLE_MIN, labels, sum as f64);
    }
    if let Some(ratio) = utilization(pools) {
        page.number(&metrics::UTILIZATION, labels, ratio);
    }
}

const fn weakness(source: MaxSource) -> u8 {
    match source {
        MaxSource::Configured => 0,
        MaxSource::Declared => 1,
        MaxSource::Learned => 2,
    }
}

/// The pool's own ratio; of several pools their sizes' weighted mean, which is Σ used / Σ max.
fn utilization(pools: &[&PoolSnapshot]) -> Option<f64> {
    if let [pool] = pools {
        return pool.utilization;
    }
    let sized: Option<Vec<_>> = pools.iter().map(|pool| Some((pool.utilization?, pool.max?.0))).collect();
    let sized = sized?;
    let max: f64 = sized.iter().map(|(_, max)| f64::from(*max)).sum();
    (max > 0.0).then(|| sized.iter().map(|(ratio, max)| ratio * f64::from(*max)).sum::<f64>() / max)
}

fn waiting(labels: &Arc<LabelSet>, pools: &[&PoolSnapshot], page: &mut Page) {
    let pending: Option<Vec<Inferred>> = pools.iter().map(|pool| pool.pending).collect();
    if let Some(pending) = pending {
        page.number(&metrics::PENDING, labels, pending.iter().map(|pending| pending.value).sum());
        let methods = pending.iter().map(|pending| (pending.evidence, pending.confidence));
        evidence("pending", labels, methods, page);
    }
    let waits = pools.iter().map(|pool| Some((pool.waits?.evidence, pool.waits?.confidence)));
    let waits: Option<Vec<_>> = waits.collect();
    evidence("wait_time", labels, waits.into_iter().flatten(), page);
}

/// Shows the least trusted of the methods: the whole is no better founded than its worst part.
fn evidence(
    of: &'static str,
    labels: &Arc<LabelSet>,
    methods: impl Iterator<Item = (&'static str, f64)>,
    page: &mut Page,
) {
    let Some((method, confidence)) = methods.min_by(|one, other| one.1.total_cmp(&other.1)) else { return };
    let series = Series::from(labels).with("of", of);
    page.number(&metrics::CONFIDENCE, series.clone(), confidence);
    page.info(&metrics::EVIDENCE, series.with("evidence", method), true);
}
