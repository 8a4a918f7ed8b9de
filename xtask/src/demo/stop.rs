//! Waiting that ends at once when somebody presses Ctrl-C or asks us to terminate.

use std::{
    error::Error,
    fmt,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::stopwatch::Stopwatch;

/// How often a condition is looked at that gives no sign of its own.
const LOOK: Duration = Duration::from_millis(50);

/// The wish to stop.
pub struct Stop(Receiver<()>);

/// Why a wait ended early. Everything that was started is cleaned up on the way out.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl Error for Stopped {}

impl Stop {
    /// From now on signals no longer end this program: its waits do.
    pub fn on_signals() -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        ctrlc::set_handler(move || {
            let _ = sender.send(());
        })
        .context("cannot handle signals")?;
        Ok(Self(receiver))
    }

    /// Waits so long.
    pub fn pause(&self, time: Duration) -> Result<()> {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Stopped.into()),
        }
    }

    /// Looks again and again until `ready` answers, fails, or the time is up.
    pub fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let waited = Stopwatch::start();
        loop {
            if let Some(answer) = ready()? {
                return Ok(answer);
            }
            if waited.elapsed() > limit {
                bail!("{what}: not within {} s", limit.as_secs());
            }
            self.pause(LOOK)?;
        }
    }
}
