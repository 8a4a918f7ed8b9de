//! A pool is exhausted under a real load until somebody is woken, and then it recovers.
//!
//! In comes which pool with which queries, out comes how long it took: from the first moment at which the pool's own library
//! counts borrowers that wait and no free connection, to the webhook; and from the last such moment, to the word that it is over.

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    alertmanager::TOKEN,
    receiver::{Message, Receiver},
};
use crate::{
    clock,
    postgres::Server,
    truth::{
        books::{Books, Window},
        load::{self, Arrivals, Load},
        mix::{Mix, Page},
        rig::{Rig, Running},
        run::{Level, Plan},
    },
};

/// The alert.
pub const ALERT: &str = "PoolExhausted";
/// Where the example's webhook leads.
const WEBHOOK: &str = "/poolwatch";
/// How long the load lasts: longer than it may take to wake somebody.
const STRAINED: f64 = 35.0;
/// Mean time between an answer and the next request of the same user, in milliseconds.
const THINK: f64 = 1.0;
/// A group's next message comes a minute after the one before, by the example; and what else is on the way.
const RESOLVED: Duration = Duration::from_secs(100);

/// What exhausts a pool.
#[derive(Clone, Copy, Debug)]
pub struct Strain {
    /// The service's name.
    pub service: &'static str,
    /// Length of its queries in milliseconds.
    pub ms: f64,
    /// Most connections.
    pub pool: u32,
    /// Users that ask as fast as they are answered.
    pub users: u32,
}

/// Queries so short that each look at the pool sees others.
pub const FAST: Strain = Strain { service: "fast", ms: 1.0, pool: 2, users: 24 };
/// Queries that are still there at the next look.
pub const SLOW: Strain = Strain { service: "slow", ms: 400.0, pool: 5, users: 15 };

/// A pool to be exhausted.
pub struct Strained {
    strain: Strain,
    rig: Running,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Woken {
    /// What exhausted it.
    pub strain: Strain,
    /// Requests that were answered.
    pub requests: u64,
    /// Share of the library's looks, from the breach to the recovery, at which all was used and somebody waited.
    pub exhausted: f64,
    /// Seconds from the breach to the webhook.
    pub woken: f64,
    /// Seconds from the recovery to the word that it is over.
    pub resolved: f64,
}

/// From the first to the last look at which the library itself counts an exhausted pool.
#[derive(Clone, Copy, Debug)]
struct Breach {
    from: i128,
    to: i128,
    share: f64,
}

impl Breach {
    fn of(books: &Books, pool: u32) -> Option<Self> {
        let exhausted: Vec<(i128, bool)> = books
            .counters
            .iter()
            .map(|own| {
                (own.at, own.used.is_some_and(|used| used >= pool) && own.waiting.is_some_and(|w| w > 0))
            })
            .collect();
        let first = exhausted.iter().position(|(_, is)| *is)?;
        let last = exhausted.iter().rposition(|(_, is)| *is)?;
        let between = exhausted.get(first..=last)?;
        let share = between.iter().filter(|(_, is)| *is).count() as f64 / between.len() as f64;
        Some(Self { from: between.first()?.0, to: between.last()?.0, share })
    }
}

impl Strained {
    /// Starts a rig with a pool of that size, and fills the pool.
    pub fn start(rig: Rig, strain: Strain, server: &Server) -> Result<Self> {
        let name = ("OTEL_SERVICE_NAME", strain.service.to_owned());
        let plan = Plan {
            pool: strain.pool,
            environment: vec![name],
            ..Plan::new(rig, Mix::A, Level::Users(strain.users))
        };
        let rig = Running::start(&plan, server)?;
        let page = Page { route: "plain", ms: 200.0, ..Page::default() };
        load::at_once(&rig.target, strain.pool, page)?.all_good()?;
        Ok(Self { strain, rig })
    }

    /// Exhausts it, waits until somebody is woken and told that it is over, and tells how long it took.
    pub fn exhaust(&self, receiver: &Receiver, seed: u64) -> Result<Woken> {
        let Strain { service, ms, pool, users } = self.strain;
        let began = clock::monotonic();
        let arrivals = Arrivals::Users(users, THINK);
        let load = Load { arrivals, mix: Mix::A, ms, even: true, seconds: STRAINED, seed };
        let answers = load.run(&self.rig.target)?;
        answers.all_good()?;
        let books = self.rig.books()?.within(Window { from: began, to: i128::MAX });
        let breach = Breach::of(&books, pool).context("the library never counted an exhausted pool")?;
        // Whoever was not woken by now slept through it.
        let fired = receiver.wait(Duration::ZERO, began, WEBHOOK, [ALERT, service, "firing"])?;
        let resolved = receiver.wait(RESOLVED, fired.at, WEBHOOK, [ALERT, service, "resolved"])?;
        self.check(&fired)?;
        let seconds = |from: i128, to: i128| (to - from) as f64 / 1e9;
        Ok(Woken {
            strain: self.strain,
            requests: answers.total(),
            exhausted: breach.share,
            woken: seconds(breach.from, fired.at),
            resolved: seconds(breach.to, resolved.at),
        })
    }

    /// The message says which process it is, and whoever takes it can trust it.
    fn check(&self, fired: &Message) -> Result<()> {
        ensure!(fired.authorization == format!("Bearer {TOKEN}"), "it shows {:?}", fired.authorization);
        let mut alerts = fired.alerts(ALERT, self.strain.service, "firing");
        let labels = alerts.next().context("an alert")?;
        let pid = labels.get("process_pid").and_then(Value::as_str);
        ensure!(pid == Some(&self.rig.pid().to_string()), "it speaks of {labels}");
        ensure!(alerts.next().is_none(), "it speaks of another pool, too: {}", fired.body);
        Ok(())
    }
}

impl Woken {
    /// The head of a table of them.
    pub const HEAD: &'static str = "| queries | pool | users | requests | exhausted | breach to webhook | recovery to resolved |\n\
        |---|---|---|---|---|---|---|";
}

impl fmt::Display for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strain: Strain { ms, pool, users, .. }, requests, exhausted, woken, resolved } = self;
        let exhausted = exhausted * 100.0;
        write!(
            f,
            "| {ms} ms | {pool} | {users} | {requests} | {exhausted:.1} % of the time | {woken:.1} s | {resolved:.1} s |"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_is_what_the_library_counts() {
        let page = "S 1 2 0 0 2\nS 2 2 0 1 2\nS 3 1 1 0 2\nS 4 2 0 3 2\nS 5 2 0 1 2\nS 6 0 2 0 2\n";
        let breach = Breach::of(&Books::read(page).unwrap(), 2).unwrap();
        assert_eq!((breach.from, breach.to), (2, 5));
        assert!((breach.share - 0.75).abs() < 1e-9);
        assert!(Breach::of(&Books::read("S 1 2 0 0 2\n").unwrap(), 2).is_none());
    }
}
