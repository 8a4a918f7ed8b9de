//! Findings: what is worth a look in a pool's size and leases, as stable words (contract §4).

use std::collections::BTreeMap;

use super::{labels::Place, pool::Pool};
use crate::event::{SECOND, Time};

const OLD_LEASE: Time = 300 * SECOND;
const MUCH: u32 = 100;

/// What the pools of each server may take together, and what the server allows.
#[derive(Debug, Default)]
pub struct Servers {
    by_place: BTreeMap<Place, Share>,
}

#[derive(Debug, Default)]
struct Share {
    sum_of_max: u64,
    allowed: Option<u32>,
}

impl Servers {
    /// Sums over all pools.
    pub fn new<'a>(pools: impl Iterator<Item = &'a Pool>) -> Self {
        let mut servers = Self::default();
        for pool in pools {
            let share = servers.by_place.entry(pool.key.server.clone()).or_default();
            share.sum_of_max += pool.max.map_or(0, |(size, _)| u64::from(size));
            share.allowed = pool.allowed;
        }
        servers
    }

    /// Address or alias, port, `max_connections` of the servers where that is configured.
    pub fn allowed(&self) -> Vec<(String, u16, u32)> {
        let named = |(place, share): (&Place, &Share)| {
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
pub fn findings(pool: &Pool, oldest_lease: Time, servers: &Servers) -> Vec<&'static str> {
    let found = [
        ("max_above_100", pool.max.is_some_and(|(size, _)| size > MUCH)),
        ("sum_of_max_above_server", pool.max.is_some() && servers.is_overcommitted(pool)),
        ("lease_older_than_5m", oldest_lease > OLD_LEASE),
    ];
    found.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect()
}
