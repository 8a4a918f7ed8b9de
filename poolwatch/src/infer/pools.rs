//! The table of pools, in the order of their keys, so that whatever walks it gives the same result again.
//!
//! It knows which pools a process has at one server; it never decides who is a member of them.

use std::collections::BTreeMap;

use super::{key::PoolKey, labels::Place, limits, pool::Pool};
use crate::event::{HashMap, ProcessId};

/// A pool in the table; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolRef(u64);

#[cfg(test)]
impl PoolRef {
    /// For tests of what only compares them.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// All pools.
#[derive(Debug, Default)]
pub struct Pools {
    table: HashMap<PoolRef, Pool>,
    by_key: BTreeMap<PoolKey, PoolRef>,
    next: u64,
}

impl Pools {
    /// A pool.
    pub fn get(&self, pool: PoolRef) -> Option<&Pool> {
        self.table.get(&pool)
    }

    /// A pool, to be changed.
    pub fn get_mut(&mut self, pool: PoolRef) -> Option<&mut Pool> {
        self.table.get_mut(&pool)
    }

    /// The pool with this key.
    pub fn find(&self, key: &PoolKey) -> Option<PoolRef> {
        self.by_key.get(key).copied()
    }

    /// Takes a pool in; `None` when there is no room.
    pub fn add(&mut self, pool: Pool) -> Option<PoolRef> {
        if self.table.len() >= limits::POOLS {
            return None;
        }
        let new = PoolRef(self.next);
        self.next += 1;
        self.by_key.insert(pool.key.clone(), new);
        self.table.insert(new, pool);
        Some(new)
    }

    /// Gives a pool away.
    pub fn remove(&mut self, pool: PoolRef) -> Option<Pool> {
        let pool = self.table.remove(&pool)?;
        self.by_key.remove(&pool.key);
        Some(pool)
    }

    /// The only identified pool of a process at a server; `None` when there are none or several.
    pub fn only_identified(&self, process: ProcessId, server: &Place) -> Option<PoolRef> {
        let first = PoolKey::unidentified(process, server.clone());
        let mut identified = self
            .by_key
            .range(first..)
            .take_while(|(key, _)| key.process == process && key.server == *server)
            .filter(|(key, _)| key.is_identified());
        let only = identified.next().map(|(_, pool)| *pool);
        only.filter(|_| identified.next().is_none())
    }

    /// A pool that is in no table.
    #[cfg(test)]
    pub const fn nowhere() -> PoolRef {
        PoolRef(u64::MAX)
    }

    /// A process's pools.
    pub fn of_process(&self, process: ProcessId) -> Vec<PoolRef> {
        let least = Place { address: String::new(), port: 0 };
        self.by_key
            .range(PoolKey::unidentified(process, least)..)
            .take_while(|(key, _)| key.process == process)
            .map(|(_, pool)| *pool)
            .collect()
    }

    /// All pools in the order of their keys.
    pub fn all(&self) -> Vec<PoolRef> {
        self.by_key.values().copied().collect()
    }

    /// All pools in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.by_key.values().filter_map(|pool| self.table.get(pool))
    }
}
