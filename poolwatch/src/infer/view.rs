//! The core as a [`Snapshot`]: everything that gauges and pages show, in an order that does not change.

use std::sync::Arc;

use super::{
    Core,
    findings::{Servers, findings},
    pool::Pool,
    snapshot::{Blind, PoolSnapshot, Snapshot},
    status,
};
use crate::event::Time;

impl Core {
    /// How things stand at `now`.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let servers = Servers::new(self.pools.iter());
        // All have as many digits: the numbers' order is that of the names.
        let mut sorted: Vec<(u64, &Pool)> = self.pools.iter().map(|pool| (pool.id, pool)).collect();
        sorted.sort_by_key(|(id, _)| *id);
        Snapshot {
            at: now,
            ready: self.ready,
            pools: sorted.iter().map(|(_, pool)| self.pool_snapshot(pool, &servers, now)).collect(),
            blind: sorted.iter().flat_map(|(_, pool)| blind(pool)).collect(),
            probes: self.probes.clone(),
            books: self.books.snapshot(),
            server_max: servers.allowed(),
        }
    }

    fn pool_snapshot(&self, pool: &Pool, servers: &Servers<'_>, now: Time) -> PoolSnapshot {
        let utilization = pool.utilization();
        let oldest_lease = pool.oldest_lease().map_or(0, |begun| now.saturating_sub(begun));
        PoolSnapshot {
            id: format!("{:016x}", pool.id),
            labels: Arc::clone(&pool.labels),
            process: Arc::clone(&pool.process),
            connections: pool.standing(),
            max: pool.max,
            utilization,
            utilization_status: utilization.map(|value| status::of_utilization(&self.settings, value)),
            status: pool.judge(&self.settings, now).0,
            pending: pool.waiting.pending,
            waits: pool.waiting.waits,
            oldest_lease,
            requests: pool.requests(now),
            findings: findings(pool, oldest_lease, servers, now),
        }
    }
}

fn blind(pool: &Pool) -> impl Iterator<Item = Blind> {
    pool.hidden.iter().map(|(reason, connections)| Blind {
        labels: Arc::clone(&pool.labels),
        process: Arc::clone(&pool.process),
        reason: reason.to_owned(),
        connections,
    })
}
