//! The queries on which the most time is spent, per service and database, in bounded memory.
//!
//! Statements come in, series and JSON go out. It is Space-Saving
//! (<https://doi.org/10.1007/978-3-540-30570-5_27>) by time: a query enters with its first statement, and when there
//! is no room the lightest one that is not on the page makes some. Time of long ago counts less: every hour
//! halves it. So, for any query and the time `t` spent on its statements, halved in that way:
//!
//! - what is counted of a kept query is exact from its entering on, and `own <= t <= own + error`, where `error` is
//!   what it may have had before: the floor as it was then;
//! - `t` of a query that is not kept is at most the *floor*, the most that one which was given up may have had.
//!   While none has left the page the floor is at most the time of all queries divided by those kept beside it.
//!
//! The page's entries are chosen by `own`: while there is room each query enters with its first statement,
//! then one that has a quarter more than the page's lightest takes its place. An entry that left must so
//! outgrow another by a quarter to come back: at the border nothing flaps. It then begins at 0.

mod json;
mod kept;
mod ranking;
mod tally;

use std::sync::Arc;

pub use self::{
    json::queries as answer,
    kept::{Extent, Kept},
};
use self::{ranking::Ranking, tally::Tally};
use super::{summary::Summary, table::run_out};
use crate::{
    event::{HashMap, Query, QueryId, SECOND, Time},
    infer::{
        fact::{Fact, Labels},
        limits,
    },
};

const _: () = assert!(limits::SHOWN_QUERIES < limits::TOP_QUERIES);

/// Time counts half as much after this.
const HALF_LIFE: Time = 3600 * SECOND;

/// A query of one row of the databases' table, which gives no id twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    row: u64,
    query: QueryId,
}

#[derive(Clone, Debug)]
struct Entry {
    query: Arc<Query>,
    labels: Arc<Labels>,
    tally: Tally,
    /// What the page shows: counted since it came onto the page.
    shown: Option<Summary>,
    own: Time,
    error: Time,
    used: Time,
}

impl Entry {
    /// At most so much time was spent on it.
    const fn weight(&self) -> u64 {
        self.own.saturating_add(self.error)
    }
}

/// Queries of all services.
#[derive(Debug)]
pub struct Queries {
    capacity: usize,
    on_page: usize,
    entries: HashMap<Key, Entry>,
    /// Those on the page, by `own`.
    page: Ranking<Key>,
    /// The others, by weight.
    rest: Ranking<Key>,
    /// Statements of unknown text, without room, and of queries that made room.
    other: Tally,
    floor: Time,
    evicted: u64,
    /// Half-lives that have been taken into account.
    halvings: u64,
}

impl Queries {
    /// Knows no query; keeps at most `capacity`, of which at most `on_page`, which must be fewer, are
    /// on the page.
    pub fn new(capacity: usize, on_page: usize) -> Self {
        Self {
            capacity,
            on_page,
            entries: HashMap::with_capacity_and_hasher(capacity, foldhash::fast::RandomState::default()),
            page: Ranking::new(on_page),
            rest: Ranking::new(capacity),
            other: Tally::default(),
            floor: 0,
            evicted: 0,
            halvings: 0,
        }
    }

    /// Counts a statement of a database's row. Whether the page shows it under its query: else it belongs to
    /// the page's `other`.
    pub fn observe(&mut self, row: u64, fact: &Fact, now: Time) -> bool {
        let Fact::Statement { labels, query: Some(query), took, .. } = fact else {
            self.outside(fact);
            return false;
        };
        let key = Key { row, query: query.id };
        if !self.lives(key, now) && !self.enter(key, labels, query) {
            self.outside(fact);
            return false;
        }
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        entry.tally.observe(fact);
        entry.own = entry.own.saturating_add(took.unwrap_or(0));
        entry.used = entry.used.max(now);
        if entry.shown.is_none() {
            let own = entry.own;
            self.show(key, own);
        }
        let shown = self.entries.get_mut(&key).and_then(|entry| entry.shown.as_mut());
        let is_shown = shown.is_some();
        if let Some((shown, took)) = shown.zip(*took) {
            shown.observe(took);
        }
        is_shown
    }

    /// Counts a statement that belongs to no query here.
    pub fn outside(&mut self, fact: &Fact) {
        self.other.observe(fact);
    }

    /// Forgets the queries that nobody has used for long, and lets time of long ago weigh less.
    pub fn sweep(&mut self, now: Time) {
        self.entries.retain(|_, entry| !run_out(entry.used, now));
        let halvings = now / HALF_LIFE;
        let more = u32::try_from(halvings.saturating_sub(self.halvings)).unwrap_or(u32::MAX);
        self.halvings = halvings;
        let halved = |time: Time| time.checked_shr(more).unwrap_or(0);
        self.floor = halved(self.floor);
        for entry in self.entries.values_mut() {
            (entry.own, entry.error) = (halved(entry.own), halved(entry.error));
        }
        self.renew();
    }

    /// Forgets the queries of rows that are no more.
    pub fn keep(&mut self, has: impl Fn(u64) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|key, _| has(key.row));
        if self.entries.len() < before {
            self.renew();
        }
    }

    /// Queries that made room for others.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn live(&self, now: Time) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| !run_out(entry.used, now))
    }

    /// Whether the query is kept and has not run out.
    fn lives(&mut self, key: Key, now: Time) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        let lives = !run_out(entry.used, now);
        if !lives {
            self.sweep(now);
        }
        lives
    }

    fn enter(&mut self, key: Key, labels: &Arc<Labels>, query: &Arc<Query>) -> bool {
        if self.entries.len() >= self.capacity && !self.make_room() {
            return false;
        }
        let entry = Entry {
            query: Arc::clone(query),
            labels: Arc::clone(labels),
            tally: Tally::default(),
            shown: None,
            own: 0,
            error: self.floor,
            used: 0,
        };
        self.rest.enter(key, entry.weight());
        self.entries.insert(key, entry);
        true
    }

    /// Gives up the lightest query that is not on the page; `false` when there is none.
    fn make_room(&mut self) -> bool {
        let entries = &self.entries;
        let lightest = self.rest.take_lightest(|key| entries.get(key).map_or(0, Entry::weight));
        let Some((key, weight)) = lightest else { return false };
        if let Some(entry) = self.entries.remove(&key) {
            self.other.add(&entry.tally);
        }
        self.floor = self.floor.max(weight);
        self.evicted += 1;
        true
    }

    /// Takes a query onto the page, if there is room or another has to yield to it.
    fn show(&mut self, key: Key, own: Time) {
        if self.page.len() >= self.on_page && !self.clear_for(own) {
            return;
        }
        self.rest.leave(key);
        self.page.enter(key, own);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.shown = Some(Summary::default());
        }
    }

    /// Takes the lightest query off the page if `own` is clearly more than it has.
    fn clear_for(&mut self, own: Time) -> bool {
        if self.page.at_least().is_none_or(|least| !outweighs(own, least)) {
            return false;
        }
        let entries = &self.entries;
        let lightest = self.page.lightest(|key| entries.get(key).map_or(0, |entry| entry.own));
        let Some((key, _)) = lightest.filter(|(_, least)| outweighs(own, *least)) else { return false };
        self.page.leave(key);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.shown = None;
            self.rest.enter(key, entry.weight());
        }
        true
    }

    fn renew(&mut self) {
        let entries = &self.entries;
        self.page.renew(|key| entries.get(key).map(|entry| entry.own));
        self.rest.renew(|key| entries.get(key).map(Entry::weight));
    }
}

/// By a quarter.
const fn outweighs(own: Time, least: Time) -> bool {
    own > least.saturating_add(least / 4)
}

#[cfg(test)]
mod tests;
