//! The load on a rig: requests over HTTP/1.1 connections that are kept open.
//!
//! Open loads send when it is time, whether or not earlier requests are answered; the closed one has users who
//! wait for each answer. Comes out: how many were answered, and how.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinHandle;

use super::{
    dice::Dice,
    mix::{Mix, Page},
};
use crate::clock::{self, Deadline};

mod wire;

pub use wire::Target;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// One by one at random (Poisson), so many per second.
    Single(f64),
    /// 4 to 20 at once, so many per second on average.
    Batches(f64),
    /// So many users; each thinks for an exponentially distributed time of this mean in milliseconds.
    Users(u32, f64),
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// When.
    pub arrivals: Arrivals,
    /// What.
    pub mix: Mix,
    /// Mean length of a query in milliseconds.
    pub ms: f64,
    /// Every request takes the mean, instead of times drawn round it.
    pub even: bool,
    /// How long requests are sent.
    pub seconds: f64,
    /// Of the random numbers.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By status; 0 stands for a connection that failed.
    pub by_status: BTreeMap<u16, u64>,
    /// The first text of an answer that was not 200, or error.
    pub first_error: Option<String>,
    /// How long each good one took, in seconds.
    pub took: Vec<f64>,
}

impl Answers {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Every answer was 200.
    pub fn all_good(&self) -> Result<()> {
        let all = &self.by_status;
        ensure!(all.keys().all(|status| *status == 200), "{all:?}, first {:?}", self.first_error);
        Ok(())
    }
}

/// Asks, and keeps the books.
#[derive(Clone)]
struct Asker {
    target: Arc<Target>,
    answers: Arc<Mutex<Answers>>,
}

impl Asker {
    async fn ask(&self, page: Page) {
        let asked = clock::monotonic();
        let (status, text) = match self.target.get(&page.path()).await {
            Ok((200, _)) => (200, None),
            Ok((status, text)) => (status, Some(text)),
            Err(error) => (0, Some(format!("{error:#}"))),
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.by_status.entry(status).or_default() += 1;
        if status == 200 {
            answers.took.push(clock::seconds_since(asked));
        }
        if answers.first_error.is_none() {
            answers.first_error = text;
        }
    }

    fn begin(&self, page: Page) -> JoinHandle<()> {
        let asker = self.clone();
        self.target.runtime.spawn(async move { asker.ask(page).await })
    }

    fn finish(&self, tasks: Vec<JoinHandle<()>>) -> Result<Answers> {
        self.target.runtime.block_on(async {
            for task in tasks {
                task.await.context("a panic under load")?;
            }
            anyhow::Ok(())
        })?;
        Ok(self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Load {
    /// Runs it to its last answer.
    pub fn run(&self, target: &Arc<Target>) -> Result<Answers> {
        let asker = Asker { target: Arc::clone(target), answers: Arc::default() };
        let tasks = match self.arrivals {
            Arrivals::Single(rate) => self.open(&asker, rate, |_| 1),
            // 12 is the mean of 4 to 20.
            Arrivals::Batches(rate) => self.open(&asker, rate / 12.0, |dice| dice.between(4, 20)),
            Arrivals::Users(users, think) => self.closed(&asker, users, think),
        };
        asker.finish(tasks)
    }

    fn page(&self, dice: &mut Dice) -> Page {
        if self.even { self.mix.even(dice, self.ms) } else { self.mix.draw(dice, self.ms) }
    }

    /// What an open load asks for, request by request.
    pub fn pages(&self) -> impl Iterator<Item = Page> {
        let (load, mut dice) = (*self, Dice::new(!self.seed));
        std::iter::repeat_with(move || load.page(&mut dice))
    }

    /// This thread does nothing but send in time: a runtime's timer has steps of a millisecond.
    fn open(&self, asker: &Asker, rate: f64, size: impl Fn(&mut Dice) -> u64) -> Vec<JoinHandle<()>> {
        let (mut arrivals, mut pages) = (Dice::new(self.seed), self.pages());
        let (began, mut due) = (clock::monotonic(), 0.0);
        let mut tasks = Vec::new();
        loop {
            due += arrivals.exponential(1.0 / rate);
            if due > self.seconds {
                return tasks;
            }
            clock::pause(Duration::from_secs_f64((due - clock::seconds_since(began)).max(0.0)));
            let size = usize::try_from(size(&mut arrivals)).unwrap_or(0);
            tasks.extend(pages.by_ref().take(size).map(|page| asker.begin(page)));
        }
    }

    fn closed(&self, asker: &Asker, users: u32, think: f64) -> Vec<JoinHandle<()>> {
        let end = Deadline::after(Duration::from_secs_f64(self.seconds));
        let user = |number: u32| {
            let (load, own) = (*self, asker.clone());
            let mut dice = Dice::new(self.seed.wrapping_mul(1000).wrapping_add(u64::from(number)));
            asker.target.runtime.spawn(async move {
                while !end.passed() {
                    tokio::time::sleep(Duration::from_secs_f64(dice.exponential(think / 1e3))).await;
                    own.ask(load.page(&mut dice)).await;
                }
            })
        };
        (0..users).map(user).collect()
    }
}

/// `number` equal requests at once, to their last answer.
pub fn at_once(target: &Arc<Target>, number: u32, page: Page) -> Result<Answers> {
    let asker = Asker { target: Arc::clone(target), answers: Arc::default() };
    let tasks = (0..number).map(|_| asker.begin(page)).collect();
    asker.finish(tasks)
}
