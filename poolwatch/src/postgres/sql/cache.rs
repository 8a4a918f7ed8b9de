//! A bounded table of what was read before, in two generations.
//!
//! New entries go to the young generation, and so does an old one that is asked for. When the young one is
//! full, in entries or in bytes, the old one is forgotten and the young one becomes old: what was asked for
//! during one whole generation always stays. Forgotten entries are counted.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, mem};

/// At most twice these: two generations.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Entries of a generation.
    pub entries: usize,
    /// Bytes of a generation, as the entries' owner weighs them.
    pub bytes: usize,
}

/// The table.
pub struct Cache<K, V> {
    young: HashMap<K, (V, usize), foldhash::fast::RandomState>,
    old: HashMap<K, (V, usize), foldhash::fast::RandomState>,
    /// Weight of the young.
    bytes: usize,
    bound: Bound,
    evicted: u64,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Empty.
    pub fn new(bound: Bound) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), bytes: 0, bound, evicted: 0 }
    }

    /// What is known of the key.
    pub fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.old.remove_entry(key)?;
        self.put(key, value.clone(), weight);
        Some(value)
    }

    /// Remembers it; `weight` in bytes. What is heavier than a generation is not taken.
    pub fn put(&mut self, key: K, value: V, weight: usize) {
        if weight > self.bound.bytes {
            self.evicted += 1;
            return;
        }
        if self.young.len() >= self.bound.entries || self.bytes + weight > self.bound.bytes {
            // Capacities are kept: a table of this size is needed again.
            mem::swap(&mut self.young, &mut self.old);
            self.evicted += self.young.len() as u64;
            self.young.clear();
            self.bytes = 0;
        }
        self.bytes += weight;
        if let Some((_, replaced)) = self.young.insert(key, (value, weight)) {
            self.bytes = self.bytes.saturating_sub(replaced);
        }
    }

    /// Entries that were forgotten, or never taken.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(cache: &Cache<u32, u32>) -> usize {
        cache.young.len() + cache.old.len()
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let mut cache = Cache::new(Bound { entries: 10, bytes: 1000 });
        for key in 0..1000 {
            cache.put(key, key, 1);
            assert!(held(&cache) <= 20);
        }
        assert_eq!(cache.evicted() + held(&cache) as u64, 1000);
        let mut cache = Cache::new(Bound { entries: 10, bytes: 100 });
        for key in 0..100 {
            cache.put(key, key, 40);
            assert!(held(&cache) <= 4 && cache.bytes <= 100);
        }
        cache.put(1, 1, 101);
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn what_is_asked_for_stays() {
        let mut cache = Cache::new(Bound { entries: 10, bytes: 1000 });
        cache.put(0, 7, 1);
        for key in 1..1000 {
            assert_eq!(cache.get(&0), Some(7), "{key}");
            cache.put(key, key, 1);
        }
    }
}
