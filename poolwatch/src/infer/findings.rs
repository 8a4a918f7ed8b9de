//! Findings: what is worth a look in a pool's size and leases, as stable words (contract §4).

use std::collections::BTreeMap;

use super::{labels::Place, pool::Pool};
use crate::event::{Declared, SECOND, Time};

const OLD_LEASE: Time = 300 * SECOND;
const MUCH: i64 = 100;
const MUCH_KEPT: i64 = 50;
/// Milliseconds.
const SHORT: i64 = 1000;

/// What the pools of each server may take together, and what the server allows.
#[derive(Debug, Default)]
pub struct Servers<'a> {
    by_place: BTreeMap<&'a Place, Share>,
}

#[derive(Debug, Default)]
struct Share {
    sum_of_max: u64,
    allowed: Option<u32>,
}

impl<'a> Servers<'a> {
    /// Sums over all pools.
    pub fn new(pools: impl Iterator<Item = &'a Pool>) -> Self {
        let mut servers = Self::default();
        for pool in pools {
            let share = servers.by_place.entry(&pool.key.server).or_default();
            share.sum_of_max += pool.max.map_or(0, |(size, _)| u64::from(size));
            share.allowed = pool.allowed;
        }
        servers
    }

    /// Address or alias, port, `max_connections` of the servers where that is configured.
    pub fn allowed(&self) -> Vec<(String, u16, u32)> {
        let named = |(place, share): (&&Place, &Share)| {
            share.allowed.map(|allowed| (place.address.clone(), place.port, allowed))
        };
        self.by_place.iter().filter_map(named).collect()
    }

    fn is_overcommitted(&self, pool: &Pool) -> bool {
        let share = self.by_place.get(&pool.key.server);
        share.is_some_and(|share| share.allowed.is_some_and(|allowed| share.sum_of_max > u64::from(allowed)))
    }
}

/// Findings of one pool.
pub fn findings(pool: &Pool, oldest_lease: Time, servers: &Servers<'_>, now: Time) -> Vec<&'static str> {
    let declared = &pool.process.declared;
    let max = pool.max.map(|(size, _)| i64::from(size)).max(declared.max);
    let found = [
        ("declared_min_above_max", declared.min.zip(declared.max).is_some_and(|(min, max)| min > max)),
        ("declared_not_positive", is_not_positive(declared)),
        ("min_above_50", declared.min.is_some_and(|min| min > MUCH_KEPT)),
        ("max_above_100", max.is_some_and(|max| max > MUCH)),
        ("timeout_below_1s", times(declared).any(|time| 0 < time && time < SHORT)),
        ("used_above_declared", pool.size.is_above_declared()),
        ("sum_of_max_above_server", pool.max.is_some() && servers.is_overcommitted(pool)),
        ("lease_older_than_5m", oldest_lease > OLD_LEASE),
        ("connection_per_query", pool.churn.is_per_query(now)),
    ];
    found.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect()
}

/// A number that cannot be meant, or means a wait without end. That none are kept, or that none are closed
/// for being idle, is a sensible wish.
fn is_not_positive(declared: &Declared) -> bool {
    let below = |number: Option<i64>, least: i64| number.is_some_and(|number| number < least);
    below(declared.max, 1)
        || below(declared.min, 0)
        || below(declared.idle_timeout, 0)
        || below(declared.connection_timeout, 1)
}

fn times(declared: &Declared) -> impl Iterator<Item = i64> {
    declared.idle_timeout.into_iter().chain(declared.connection_timeout)
}
