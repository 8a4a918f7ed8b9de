//! One run: a server, a rig, poolwatch beside it, a load; then the rig's books against what poolwatch said.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::{
    books::{Books, Window},
    kept::Kept,
    load::{self, Answers, Arrivals, Load},
    mix::{Mix, Page},
    outside::{Sample, Totals, Watch, Whole},
    rig::{Rig, Running, SECOND, USER},
};
use crate::{clock, place, postgres::Server, wire::certificate};

/// How hard the load is.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub enum Level {
    /// One by one, so that this share of the pool is used on average, if it can be.
    Rho(f64),
    /// 4 to 20 at once; 60 % of the pool is used on average.
    Batches,
    /// Twice as many users as connections.
    Closed,
    /// So many users.
    Users(u32),
    /// One by one, so many requests per second.
    Rate(f64),
}

/// When poolwatch comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attach {
    /// Before the pool's first connection.
    FromBirth,
    /// The pool is full and warm, and nothing happens.
    AtRest,
    /// So many seconds after the load began.
    Amid(f64),
}

/// What to run.
#[derive(Clone)]
pub struct Plan {
    /// The server with the pool.
    pub rig: Rig,
    /// Its requests.
    pub mix: Mix,
    /// How many.
    pub level: Level,
    /// Mean length of a query in milliseconds.
    pub ms: f64,
    /// Most connections.
    pub pool: u32,
    /// Length of the load.
    pub seconds: f64,
    /// Of the random numbers.
    pub seed: u64,
    /// When poolwatch comes.
    pub attach: Attach,
    /// How long a borrower waits, in milliseconds.
    pub patience: u32,
    /// Further variables of the rig's environment.
    pub environment: Vec<(&'static str, String)>,
    /// Requests come over TLS, and this speaks it; the environment has the certificate.
    pub tls: Option<TlsConnector>,
    /// The pool's connections are encrypted, and only their turns are looked at.
    pub encrypted: bool,
    /// Where recording and truth are kept; nowhere if empty.
    pub keep: Option<PathBuf>,
}

/// What came out.
#[derive(Clone)]
pub struct Outcome {
    /// What was run.
    pub plan: Plan,
    /// The stretch of time in which requests were sent.
    pub window: Window,
    /// What the rig noted of requests of the load.
    pub books: Books,
    /// How requests were answered.
    pub answers: Answers,
    /// What each borrower costs on top of what it asks for, in milliseconds, without load.
    pub overhead: f64,
    /// How long an unhindered message takes to a pool in another process and back, in seconds.
    pub transit: f64,
    /// What the live agent said.
    pub seen: Option<Seen>,
}

/// What poolwatch said.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Ten times a second.
    pub samples: Vec<Sample>,
    /// At the end.
    pub totals: Totals,
    /// Of the recording.
    pub whole: Option<Whole>,
}

impl Level {
    /// Hardly anybody waits.
    pub const LIGHT: Self = Self::Rho(0.3);

    /// How it is called in the table.
    pub fn name(self) -> String {
        match self {
            Self::Rho(share) => format!("ρ {share}"),
            Self::Batches => "batches".to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::Users(users) => format!("{users} users"),
            Self::Rate(rate) => format!("{rate}/s"),
        }
    }
}

impl Plan {
    /// Queries of 30 ms, a pool of five, a quarter of a minute, and everything else as most runs have it.
    pub const fn new(rig: Rig, mix: Mix, level: Level) -> Self {
        Self {
            rig,
            mix,
            level,
            ms: 30.0,
            pool: 5,
            seconds: 15.0,
            seed: 1,
            attach: Attach::AtRest,
            patience: 60_000,
            environment: Vec::new(),
            tls: None,
            encrypted: false,
            keep: None,
        }
    }

    /// What its files are called.
    pub fn name(&self) -> String {
        let Self { rig, mix, level, ms, pool, seed, .. } = self;
        let level = level.name().replace('ρ', "rho").replace([' ', '/'], "-");
        let encrypted = if self.encrypted { "-tls" } else { "" };
        format!("{}-{}-{level}-{ms}ms-{pool}-{seed}{encrypted}", rig.name(), mix.name())
    }

    fn load(&self, overhead: f64) -> Load {
        let hold = self.mix.mean_hold(self.ms, overhead) / 1e3;
        let rate = |share: f64| share * f64::from(self.pool) / hold;
        let think = self.ms * 2.0 / 3.0;
        let arrivals = match self.level {
            Level::Rho(share) => Arrivals::Single(rate(share)),
            Level::Batches => Arrivals::Batches(rate(0.6)),
            Level::Closed => Arrivals::Users(2 * self.pool, think),
            Level::Users(users) => Arrivals::Users(users, think),
            Level::Rate(rate) => Arrivals::Single(rate),
        };
        let Self { mix, ms, seconds, seed, .. } = *self;
        Load { arrivals, mix, ms, even: false, seconds, seed }
    }

    /// A server that knows the rigs' user, and both databases.
    fn server(&self, scratch: &Path) -> Result<Server> {
        let settings = if self.encrypted { certificate::settings(scratch)? } else { Vec::new() };
        let server = Server::start_with(&settings)?;
        server.role(USER)?;
        server.database(SECOND)?;
        Ok(server)
    }

    /// Runs it without poolwatch: what the rig says of itself.
    pub fn run_alone(&self) -> Result<Outcome> {
        let scratch = place::scratch()?;
        let server = self.server(scratch.path())?;
        let mut rig = Running::start(self, &server)?;
        let overhead = self.warm(&mut rig)?;
        let load = self.load(overhead);
        let from = clock::monotonic();
        let answers = load.run(&rig.target)?;
        self.conclude(&rig, from, overhead, answers)
    }

    /// Runs it with poolwatch beside it.
    pub fn run(&self) -> Result<Outcome> {
        self.run_with(if self.encrypted { &["--tls", "turns"] } else { &[] })
    }

    /// The same with further options for poolwatch.
    pub fn run_with(&self, options: &[&str]) -> Result<Outcome> {
        self.run_under(options, |rig, overhead| self.load(overhead).run(&rig.target))
    }

    /// The same under another load than the plan's; it is told what each borrower costs beside what it asks for.
    pub fn run_under(
        &self,
        options: &[&str],
        load: impl FnOnce(&mut Running, f64) -> Result<Answers> + Send,
    ) -> Result<Outcome> {
        let scratch = place::scratch()?;
        let server = self.server(scratch.path())?;
        let mut rig = Running::start(self, &server)?;
        let born =
            (self.attach == Attach::FromBirth).then(|| Watch::start(rig.pid(), options)).transpose()?;
        let overhead = self.warm(&mut rig)?;
        let rested = (self.attach == Attach::AtRest).then(|| Watch::start(rig.pid(), options)).transpose()?;
        let pid = rig.pid();
        let begun = clock::monotonic();
        let (answers, (watch, from, samples)) = together(
            || load(&mut rig, overhead),
            |over| {
                let (watch, from) = match (born.or(rested), self.attach) {
                    (None, Attach::Amid(seconds)) => {
                        clock::pause(Duration::from_secs_f64(seconds));
                        (Watch::start(pid, options)?, clock::monotonic())
                    }
                    (watch, _) => (watch.context("it came before the load")?, begun),
                };
                let samples = watch.watch(over)?;
                anyhow::Ok((watch, from, samples))
            },
        )?;
        let mut outcome = self.conclude(&rig, from, overhead, answers)?;
        let totals = watch.totals()?;
        let recording = watch.finish()?;
        if let Some(directory) = &self.keep {
            Kept::new(&outcome, rig.pid(), totals.lost).leave(directory, &recording.file)?;
        }
        let whole = match recording.whole(rig.pid())? {
            None => recording.told(rig.pid())?,
            said => said,
        };
        outcome.seen = Some(Seen { samples, totals, whole });
        Ok(outcome)
    }

    fn conclude(&self, rig: &Running, from: i128, overhead: f64, answers: Answers) -> Result<Outcome> {
        let window = Window { from, to: clock::monotonic() };
        let books = rig.books()?.within(Window { from, to: i128::MAX });
        let transit = rig.transit();
        Ok(Outcome { plan: self.clone(), window, books, answers, overhead, transit, seen: None })
    }

    /// Fills the pool, lets runtimes compile what they compile, and finds what a request that borrows costs on top of
    /// the time that it asks for, in milliseconds.
    pub fn warm(&self, rig: &mut Running) -> Result<f64> {
        let long = Page { route: "plain", ms: 200.0, ..Page::default() };
        load::at_once(&rig.target, self.pool, long)?.all_good()?;
        // Requests that hold two would wait for each other for ever, if enough came at once.
        let mix = if self.mix == Mix::Two { Mix::A } else { self.mix };
        let even = Load {
            mix,
            even: true,
            seconds: 3.0,
            ..Self { level: Level::Rho(0.4), ..self.clone() }.load(1.0)
        };
        let from = clock::monotonic();
        let answers = even.run(&rig.target)?;
        answers.all_good()?;
        let books = rig.books()?.within(Window { from, to: i128::MAX });
        rig.learn_transit(&books);
        let held = books.borrowers.iter().map(|borrower| (borrower.back - borrower.got) as f64 / 1e6);
        let asked = even.pages().take(usize::try_from(answers.total())?).map(|page| page.hold());
        let borrowing: Vec<f64> = asked.filter(|hold| *hold > 0.0).collect();
        let count = borrowing.len().max(1);
        Ok((usual(held.collect()) - usual(borrowing)) / count as f64)
    }
}

/// The sum of all but the longest twentieth: a moment in which the machine did something else is in these.
fn usual(mut lengths: Vec<f64>) -> f64 {
    lengths.sort_by(f64::total_cmp);
    lengths.truncate(lengths.len() - lengths.len() / 20);
    lengths.iter().sum()
}

/// Says that the work is over, however it ended.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does both at once; the second is told when the first is over.
fn together<A: Send, B>(
    work: impl FnOnce() -> Result<A> + Send,
    beside: impl FnOnce(&dyn Fn() -> bool) -> Result<B>,
) -> Result<(A, B)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _over = Over(&over);
            work()
        });
        let seen = beside(&|| over.load(Ordering::Acquire));
        let made = worker.join().ok().context("a panic under load")??;
        Ok((made, seen?))
    })
}
