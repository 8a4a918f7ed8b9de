//! How long a thread of this machine takes to run once another has woken it.
//!
//! A client's own clock is read by threads that were woken: what the machine takes for that is in what the client
//! measured, and no part of the request. Measured beside the client, it tells a busy machine from a wrong duration.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::clock;

/// Two threads that hand over to each other now and then.
pub struct Handovers {
    over: Arc<AtomicBool>,
    woken: JoinHandle<Vec<i128>>,
}

/// What they took, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// On average.
    pub mean: f64,
    /// Of half of them.
    pub median: f64,
    /// Of all but a hundredth.
    pub p99: f64,
}

const EVERY: Duration = Duration::from_millis(5);

impl Handovers {
    /// Begins to measure.
    pub fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        let woken =
            thread::spawn(move || receive.iter().map(|sent: i128| clock::monotonic() - sent).collect());
        let ended = Arc::clone(&over);
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                clock::pause(EVERY);
                if send.send(clock::monotonic()).is_err() {
                    break;
                }
            }
        });
        Self { over, woken }
    }

    /// Ends it.
    pub fn end(self) -> Result<Took> {
        self.over.store(true, Ordering::Relaxed);
        let mut all = self.woken.join().ok().context("a panic of the thread that is woken")?;
        all.sort_unstable();
        let at = |hundredths: usize| {
            let took = all.get(all.len() * hundredths / 100).or(all.last());
            took.map_or(0.0, |took| *took as f64 / 1e6)
        };
        let mean = all.iter().sum::<i128>() as f64 / all.len().max(1) as f64 / 1e6;
        Ok(Took { mean, median: at(50), p99: at(99) })
    }
}
