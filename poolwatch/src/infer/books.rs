//! What was lost or could not be understood, by name: the core's own counts beside those it is told.
//!
//! Names of the core's own are fixed words, so that the table is bounded. Requests that the kernel side
//! could not hand over are in its own books; the core's count of them stands only while those are unknown.

use std::collections::BTreeMap;

use super::snapshot;

/// Told names under which lost requests are counted already.
const REQUESTS_TOLD_AS: [&str; 2] = ["ring_requests", "request"];
const REQUEST: &str = "request";

/// Told names of records that a full ring could not take; texts that it left out are of no weight for waits.
const RING: [&str; 2] = ["ring", "ring_requests"];
/// Records after which older ones weigh half.
const HALVED: f64 = 20_000.0;

/// All counts.
#[derive(Clone, Debug, Default)]
pub struct Books {
    told: snapshot::Books,
    /// Records that arrived lately, and those that did not.
    arrived: f64,
    dropped: f64,
    lost: BTreeMap<&'static str, u64>,
    unparsed: BTreeMap<&'static str, u64>,
}

impl Books {
    /// Replaces what was told before: these are totals.
    pub fn tell(&mut self, events: u64, lost: &[(String, u64)], unparsed: &[(String, u64)]) {
        let ring = |lost: &[(String, u64)]| -> u64 {
            lost.iter().filter(|(name, _)| RING.contains(&name.as_str())).map(|(_, count)| *count).sum()
        };
        self.arrived += events.saturating_sub(self.told.events) as f64;
        self.dropped += ring(lost).saturating_sub(ring(&self.told.lost)) as f64;
        while self.arrived + self.dropped > HALVED {
            self.arrived /= 2.0;
            self.dropped /= 2.0;
        }
        self.told = snapshot::Books { events, lost: lost.to_vec(), unparsed: unparsed.to_vec() };
    }

    /// Share of the newest records that a full ring could not take.
    pub fn lately_lost(&self) -> f64 {
        if self.dropped > 0.0 { self.dropped / (self.arrived + self.dropped) } else { 0.0 }
    }

    /// Something did not fit, or did not arrive.
    pub fn lose(&mut self, place: &'static str, count: u64) {
        add(&mut self.lost, place, count);
    }

    /// Requests of a connection did not arrive.
    pub fn lose_requests(&mut self, count: u32) {
        self.lose(REQUEST, u64::from(count));
    }

    /// Something arrived that cannot be understood.
    pub fn misread(&mut self, reason: &'static str) {
        add(&mut self.unparsed, reason, 1);
    }

    /// All counts, by name.
    pub fn snapshot(&self) -> snapshot::Books {
        let mut lost = self.lost.clone();
        if self.told.lost.iter().any(|(name, _)| REQUESTS_TOLD_AS.contains(&name.as_str())) {
            lost.remove(REQUEST);
        }
        snapshot::Books {
            events: self.told.events,
            lost: merge(&self.told.lost, &lost),
            unparsed: merge(&self.told.unparsed, &self.unparsed),
        }
    }
}

fn add(table: &mut BTreeMap<&'static str, u64>, name: &'static str, count: u64) {
    if count > 0 {
        let total = table.entry(name).or_default();
        *total = total.saturating_add(count);
    }
}

fn merge(told: &[(String, u64)], own: &BTreeMap<&'static str, u64>) -> Vec<(String, u64)> {
    let mut all = BTreeMap::<&str, u64>::new();
    let told = told.iter().map(|(name, count)| (name.as_str(), *count));
    for (name, count) in told.chain(own.iter().map(|(name, count)| (*name, *count))) {
        let total = all.entry(name).or_default();
        *total = total.saturating_add(count);
    }
    all.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, count: u64) -> (String, u64) {
        (name.to_owned(), count)
    }

    #[test]
    fn own_counts_stand_beside_those_told() {
        let mut books = Books::default();
        books.lose("pools", 2);
        books.lose("pools", 0);
        books.misread("unknown_connection");
        books.tell(7, &[named("pools", 1), named("decode", 4)], &[]);
        let all = books.snapshot();
        assert_eq!(all.events, 7);
        assert_eq!(all.lost, [named("decode", 4), named("pools", 3)]);
        assert_eq!(all.unparsed, [named("unknown_connection", 1)]);
    }

    #[test]
    fn losses_fade_with_the_records_that_arrive_since() {
        let mut books = Books::default();
        books.tell(
            950,
            &[named("ring_requests", 30), named("ring", 20), named("ring_texts", 7), named("scan", 99)],
            &[],
        );
        assert!((books.lately_lost() - 0.05).abs() < 1e-9);
        for tell in 1..=20 {
            books.tell(950 + tell * 15_000, &[named("ring_requests", 30), named("ring", 20)], &[]);
        }
        assert!(books.lately_lost() < 1e-5);
    }

    #[test]
    fn a_lost_request_is_counted_once() {
        let mut books = Books::default();
        books.lose_requests(3);
        assert_eq!(books.snapshot().lost, [named("request", 3)]);
        books.tell(7, &[named("ring_requests", 3)], &[]);
        assert_eq!(books.snapshot().lost, [named("ring_requests", 3)]);
    }
}
