//! `/health/pool`, `/readyz` and `/healthz`: is all well, and if not, where.
//!
//! The statuses were decided by the core; here the worst of them becomes the answer's.

use serde::Serialize;

use super::{
    answer::{Answer, Filter},
    pools::{PoolJson, utilization_word},
};
use crate::infer::{
    fact::Status,
    snapshot::{PoolSnapshot, Snapshot},
};

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    timestamp: String,
    labels: serde_json::Map<String, serde_json::Value>,
    utilization: WorstUtilization,
    pools: Vec<PoolJson<'a>>,
}

#[derive(Serialize)]
struct WorstUtilization {
    percent: Option<f64>,
    status: &'static str,
}

/// `/health/pool`: the pools that pass the filter, and the worst of their statuses.
/// `nanoseconds` is the snapshot's time of day since the UNIX epoch.
pub fn pool(snapshot: &Snapshot, filter: &Filter, constant: &[(String, String)], nanoseconds: u64) -> Answer {
    let pools: Vec<_> = snapshot.pools.iter().filter(|pool| passes(filter, pool)).collect();
    let worst = pools.iter().map(|pool| pool.status).max_by_key(|status| rank(*status));
    let health = Health {
        status: word(worst),
        timestamp: timestamp(nanoseconds),
        labels: constant.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
        utilization: worst_utilization(&pools),
        pools: pools.into_iter().map(PoolJson::from).collect(),
    };
    let status = if worst == Some(Status::Critical) { 503 } else { 200 };
    Answer::json(status, &health)
}

/// `/readyz`
pub fn ready(snapshot: &Snapshot) -> Answer {
    if !snapshot.probes.iter().any(|probe| probe.attached) {
        let mut why = vec!["not ready: no probe is attached\n".to_owned()];
        let each = snapshot.probes.iter();
        why.extend(each.map(|probe| format!("{}: {}: {}\n", probe.probe, probe.verdict, probe.reason)));
        return Answer::text(503, why.concat());
    }
    if !snapshot.ready {
        return Answer::text(503, "not ready: the first scan of open connections is not done\n");
    }
    Answer::text(200, "ready\n")
}

/// `/healthz`: whoever gets this answer has seen the agent's own loop run.
pub fn alive() -> Answer {
    Answer::text(200, "ok\n")
}

/// RFC 3339 in UTC with nanoseconds.
pub fn timestamp(nanoseconds: u64) -> String {
    let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(9));
    match jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)) {
        Ok(timestamp) => printer.timestamp_to_string(&timestamp),
        Err(_) => printer.timestamp_to_string(&jiff::Timestamp::MAX),
    }
}

fn passes(filter: &Filter, pool: &PoolSnapshot) -> bool {
    filter.service.as_ref().is_none_or(|service| *service == pool.labels.service)
        && filter.pid.is_none_or(|pid| pid == pool.process.id.pid)
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::Normal => 0,
        Status::Warning => 1,
        Status::Critical => 2,
    }
}

/// Without pools nothing is wrong.
const fn word(worst: Option<Status>) -> &'static str {
    match worst {
        Some(Status::Normal) | None => "healthy",
        Some(Status::Warning) => "degraded",
        Some(Status::Critical) => "unhealthy",
    }
}

fn worst_utilization(pools: &[&PoolSnapshot]) -> WorstUtilization {
    let known = pools.iter().filter_map(|pool| Some((pool.utilization?, pool.utilization_status)));
    match known.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((ratio, status)) => {
            WorstUtilization { percent: Some(percent(ratio)), status: utilization_word(status) }
        }
        None => WorstUtilization { percent: None, status: utilization_word(None) },
    }
}

/// To four places: 0.07 is 7 %, not 7.000000000000001 %.
fn percent(ratio: f64) -> f64 {
    (ratio * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_nine_digits_and_end_in_z() {
        assert_eq!(timestamp(1_700_000_000_000_000_000), "2023-11-14T22:13:20.000000000Z");
        assert_eq!(timestamp(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123456789Z");
    }

    #[test]
    fn percents_do_not_show_how_floats_are_made() {
        for (ratio, expected) in [(0.07, 7.0), (0.15, 15.0), (1.0 / 3.0, 33.3333), (1.2, 120.0)] {
            assert!((percent(ratio) - expected).abs() < f64::EPSILON, "{ratio}");
        }
    }
}
