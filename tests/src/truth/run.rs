//! One run: a server, a rig, poolwatch beside it, a load; then the rig's books against what poolwatch said.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result};

use super::{
    books::{Books, Window},
    load::{self, Answers, Arrivals, Load},
    mix::{Mix, Page},
    outside::{Sample, Totals, Watch, Whole},
    rig::{Rig, Running, Setting, USER},
};
use crate::{clock, postgres::Server};

/// How hard the load is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// One by one, so that this share of the pool is used on average, if it can be.
    Rho(f64),
    /// 4 to 20 at once; 60 % of the pool is used on average.
    Batches,
    /// Twice as many users as connections.
    Closed,
    /// One by one, so many requests per second.
    Rate(f64),
}

/// What to run.
#[derive(Clone, Debug)]
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
}

/// What came out.
#[derive(Clone, Debug)]
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
    /// How it is called in the table.
    pub fn name(self) -> String {
        match self {
            Self::Rho(share) => format!("ρ {share}"),
            Self::Batches => "batches".to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::Rate(rate) => format!("{rate}/s"),
        }
    }
}

impl Plan {
    fn load(&self, overhead: f64) -> Load {
        let hold = self.mix.mean_hold(self.ms, overhead) / 1e3;
        let rate = |share: f64| share * f64::from(self.pool) / hold;
        let arrivals = match self.level {
            Level::Rho(share) => Arrivals::Single(rate(share)),
            Level::Batches => Arrivals::Batches(rate(0.6)),
            Level::Closed => Arrivals::Users(2 * self.pool, self.ms * 2.0 / 3.0),
            Level::Rate(rate) => Arrivals::Single(rate),
        };
        let Self { mix, ms, seconds, seed, .. } = *self;
        Load { arrivals, mix, ms, even: false, seconds, seed }
    }

    /// Runs it without poolwatch: what the rig says of itself.
    pub fn run_alone(&self) -> Result<Outcome> {
        let (_server, mut rig) = self.start()?;
        let overhead = self.warm(&mut rig)?;
        self.loaded(&rig, overhead, None)
    }

    /// Runs it with poolwatch, which finds a warm pool at rest.
    pub fn run(&self) -> Result<Outcome> {
        self.run_with(&[])
    }

    /// The same with further options for the agent.
    pub fn run_with(&self, options: &[&str]) -> Result<Outcome> {
        let (_server, mut rig) = self.start()?;
        let overhead = self.warm(&mut rig)?;
        let watch = Watch::start(rig.pid(), "", options)?;
        self.loaded(&rig, overhead, Some(watch))
    }

    fn start(&self) -> Result<(Server, Running)> {
        let server = Server::start()?;
        server.role(USER)?;
        let rig = Running::start(self.rig, &server, &Setting::of(self.pool))?;
        Ok((server, rig))
    }

    /// Fills the pool, lets runtimes compile what they compile, and finds what a request that borrows costs on top of
    /// the time that it asks for, in milliseconds.
    pub fn warm(&self, rig: &mut Running) -> Result<f64> {
        let hold = Page { route: "plain", ms: 200.0, ..Page::default() };
        load::at_once(&rig.target, self.pool, hold)?.all_good()?;
        let even =
            Load { even: true, seconds: 3.0, ..Self { level: Level::Rho(0.4), ..self.clone() }.load(1.0) };
        let from = clock::monotonic();
        let answers = even.run(&rig.target)?;
        answers.all_good()?;
        let books = rig.books()?.within(Window { from, to: i128::MAX });
        rig.learn_transit(&books);
        let held =
            books.borrowers.iter().map(|borrower| (borrower.back - borrower.got) as f64 / 1e6).sum::<f64>();
        let asked: Vec<f64> =
            even.pages().take(usize::try_from(answers.total())?).map(|page| page.hold()).collect();
        let borrowing = asked.iter().filter(|hold| **hold > 0.0).count().max(1);
        Ok((held - asked.iter().sum::<f64>()) / borrowing as f64)
    }

    fn loaded(&self, rig: &Running, overhead: f64, watch: Option<Watch>) -> Result<Outcome> {
        let load = self.load(overhead);
        let from = clock::monotonic();
        let (answers, samples) = match &watch {
            None => (load.run(&rig.target)?, Vec::new()),
            Some(watch) => beside(watch, || load.run(&rig.target))?,
        };
        let window = Window { from, to: clock::monotonic() };
        let books = rig.books()?.within(Window { from, to: i128::MAX });
        let seen = match watch {
            None => None,
            Some(watch) => {
                let totals = watch.totals()?;
                Some(Seen { samples, totals, whole: watch.finish()?.whole(rig.pid())? })
            }
        };
        Ok(Outcome { plan: self.clone(), window, books, answers, overhead, seen })
    }
}

/// Says that the work is over, however it ended.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Samples while `work` runs.
pub fn beside<T: Send>(watch: &Watch, work: impl FnOnce() -> Result<T> + Send) -> Result<(T, Vec<Sample>)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _over = Over(&over);
            work()
        });
        let samples = watch.watch(|| over.load(Ordering::Acquire));
        let made = worker.join().ok().context("a panic under load")??;
        Ok((made, samples?))
    })
}
