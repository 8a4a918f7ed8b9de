//! Everything that is counted per service: facts come in, samples go out to the page.
//!
//! A fact finds its two rows (database, pool) through a route that is made once per [`Labels`]; facts of one pool share
//! theirs, so that most are known by their address.
//! What finds no room is counted: `services`, `series` and `queries` are places of `poolwatch_events_lost_total`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    answer::Question,
    labels,
    page::Page,
    queries::{self, Queries},
    series::{DatabaseSeries, PoolSeries, SqlStates},
    table::{Rows, Service, Table, alive},
};
use crate::{
    event::{HashMap, SECOND, Time},
    infer::{
        fact::{Fact, Labels},
        limits,
    },
};

/// Expired rows are cleared this often; they are invisible before.
const SWEEP: Time = 60 * SECOND;

/// After no room was found nobody looks for some again before this has passed.
const PATIENCE: Time = SECOND;

#[derive(Clone, Copy, Debug)]
struct Route {
    database: u64,
    pool: u64,
}

/// What the tables had to give up since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Services evicted, and facts of services for which there was no room.
    pub services: u64,
    /// Label sets evicted, and facts of label sets for which there was no room.
    pub series: u64,
    /// Queries that made room for others: what was counted of them is in `other`.
    pub queries: u64,
}

impl Losses {
    /// By the place's name.
    pub const fn by_place(self) -> [(&'static str, u64); 3] {
        [("services", self.services), ("series", self.series), ("queries", self.queries)]
    }
}

/// What was counted until a moment, as far as an answer needs it. It stays as it is while the tables go on.
#[derive(Debug, Default)]
pub struct Counted {
    databases: Rows<DatabaseSeries>,
    pools: Rows<PoolSeries>,
    /// Queries.
    pub queries: queries::Kept,
    /// What was given up.
    pub losses: Losses,
}

impl Counted {
    /// Gives the samples to the page.
    pub fn render(&self, label_user: bool, page: &mut Page) {
        for (labels, series) in &self.databases {
            series.render(labels, page);
        }
        for (labels, series) in &self.pools {
            series.render(labels, page);
        }
        self.queries.render(label_user, page);
    }
}

/// Counters and histograms of all services.
#[derive(Debug)]
pub struct Tables {
    label_user: bool,
    routes: HashMap<Arc<Labels>, Route>,
    /// The same by the labels' address, which is theirs while they are held here: comparing labels is dear.
    near: HashMap<usize, (Arc<Labels>, Route)>,
    services: BTreeSet<Service>,
    databases: Table<DatabaseSeries>,
    pools: Table<PoolSeries>,
    queries: Queries,
    states: SqlStates,
    losses: Losses,
    next_sweep: Time,
    full_until: Time,
}

impl Tables {
    /// Empty tables; `label_user` keeps the users of one database apart.
    pub fn new(label_user: bool) -> Self {
        Self {
            label_user,
            routes: HashMap::default(),
            near: HashMap::default(),
            services: BTreeSet::new(),
            databases: Table::new(limits::SERIES),
            pools: Table::new(limits::SERIES),
            queries: Queries::new(limits::TOP_QUERIES, limits::SHOWN_QUERIES),
            states: SqlStates::default(),
            losses: Losses::default(),
            next_sweep: 0,
            full_until: 0,
        }
    }

    /// Counts what facts say.
    pub fn observe(&mut self, facts: &[Fact], now: Time) {
        let of_one = |one: &Fact, other: &Fact| {
            labels_of(one).zip(labels_of(other)).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
        };
        for facts in facts.chunk_by(of_one) {
            self.observe_of_one(facts, now);
        }
    }

    /// All of the same labels.
    fn observe_of_one(&mut self, facts: &[Fact], now: Time) {
        let Some(labels) = facts.first().and_then(labels_of) else { return };
        let Some(route) = self.route(labels, now, facts.len() as u64) else {
            for fact in facts {
                self.queries.outside(fact);
            }
            return;
        };
        if let Some(series) = self.databases.get(route.database, now) {
            for fact in facts {
                series.observe(fact, &mut self.states);
                if let Fact::Statement { took, .. } = fact
                    && !self.queries.observe(route.database, fact, now)
                {
                    series.outside(*took);
                }
            }
        }
        if let Some(series) = self.pools.get(route.pool, now) {
            for fact in facts {
                series.observe(fact);
            }
        }
    }

    /// Keeps the counters of a pool that exists, begun at 0 if they are new.
    pub fn keep(&mut self, labels: &Arc<Labels>, now: Time) {
        self.observe(&[Fact::Seen(Arc::clone(labels))], now);
    }

    /// What was given up.
    pub const fn losses(&self) -> Losses {
        Losses { queries: self.queries.evicted(), ..self.losses }
    }

    /// What was counted until now, as far as the question asks for it.
    pub fn counted(&self, question: &Question, now: Time) -> Counted {
        let all = *question == Question::Metrics;
        Counted {
            databases: if all { self.databases.live(now) } else { Rows::new() },
            pools: if all { self.pools.live(now) } else { Rows::new() },
            queries: self.queries.kept(question, now),
            losses: self.losses(),
        }
    }

    /// Where these labels are counted; without room so many facts are lost.
    fn route(&mut self, labels: &Arc<Labels>, now: Time, facts: u64) -> Option<Route> {
        if now >= self.next_sweep {
            self.sweep(now);
        }
        let address = Arc::as_ptr(labels).addr();
        if let Some((_, route)) = self.near.get(&address) {
            return Some(*route);
        }
        if let Some(route) = self.routes.get(labels).copied() {
            if self.near.len() >= limits::POOLS {
                self.near.clear();
            }
            self.near.insert(address, (Arc::clone(labels), route));
            return Some(route);
        }
        let service = (labels.service.clone(), labels.namespace.clone());
        if !self.room_for_service(&service, now) {
            self.losses.services += facts;
            return None;
        }
        let route = self.new_route(&service, labels, now);
        match route {
            Some(route) => drop(self.routes.insert(Arc::clone(labels), route)),
            None => self.losses.series += facts,
        }
        route
    }

    fn new_route(&mut self, service: &Service, labels: &Labels, now: Time) -> Option<Route> {
        let database = labels::database(labels, self.label_user);
        let pool = labels::pool(labels, self.label_user);
        if !(self.databases.fits(&database) && self.pools.fits(&pool)) {
            self.make_room(now);
        }
        let database = self.databases.id(service, database, now)?;
        let pool = self.pools.id(service, pool, now)?;
        self.services.insert(service.clone());
        Some(Route { database, pool })
    }

    /// Whether the service is there or may come; evicts the longest unused one when there are too many.
    fn room_for_service(&mut self, service: &Service, now: Time) -> bool {
        if self.services.contains(service) || self.services.len() < limits::SERVICES {
            return true;
        }
        if now < self.full_until {
            return false;
        }
        let Some(oldest) = self.longest_unused_service(now) else {
            self.full_until = now.saturating_add(PATIENCE);
            return false;
        };
        self.databases.forget(&oldest);
        self.pools.forget(&oldest);
        self.losses.services += 1;
        self.forget_what_left();
        true
    }

    fn longest_unused_service(&self, now: Time) -> Option<Service> {
        let mut last: BTreeMap<&Service, Time> = BTreeMap::new();
        for (service, used) in self.databases.uses().chain(self.pools.uses()) {
            let latest = last.entry(service).or_default();
            *latest = used.max(*latest);
        }
        let (service, used) = last.into_iter().min_by_key(|(_, used)| *used)?;
        (!alive(used, now)).then(|| service.clone())
    }

    /// Evicts the longest unused label sets of the tables that are full.
    fn make_room(&mut self, now: Time) {
        if now < self.full_until {
            return;
        }
        let evicted = self.databases.make_room(now) + self.pools.make_room(now);
        self.losses.series += evicted;
        if evicted == 0 {
            self.full_until = now.saturating_add(PATIENCE);
        }
        self.forget_what_left();
    }

    fn sweep(&mut self, now: Time) {
        self.next_sweep = now.saturating_add(SWEEP);
        self.databases.sweep(now);
        self.pools.sweep(now);
        self.queries.sweep(now);
        self.forget_what_left();
    }

    fn forget_what_left(&mut self) {
        self.near.clear();
        let (databases, pools) = (&self.databases, &self.pools);
        self.routes.retain(|_, route| databases.has(route.database) && pools.has(route.pool));
        let services = databases.uses().chain(pools.uses()).map(|(service, _)| service.clone());
        self.services = services.collect();
        self.queries.keep(|row| databases.has(row));
    }
}

fn labels_of(fact: &Fact) -> Option<&Arc<Labels>> {
    match fact {
        Fact::Seen(labels)
        | Fact::Opened { labels }
        | Fact::Created { labels, .. }
        | Fact::Closed { labels }
        | Fact::ConnectionError { labels, .. }
        | Fact::Statement { labels, .. }
        | Fact::Request { labels, .. }
        | Fact::Lease { labels, .. }
        | Fact::Waited { labels, .. }
        | Fact::TimedOut { labels }
        | Fact::Elapsed { labels, .. } => Some(labels),
        Fact::StatusChanged { .. } | Fact::ProcessEnded { .. } => None,
    }
}

#[cfg(test)]
mod tests;
