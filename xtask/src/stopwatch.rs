//! The tooling's only reader of a clock: how long a step took, and when to give up waiting.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Counts from its start.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts counting.
    #[allow(clippy::disallowed_methods, reason = "the tooling's own clock, apart from the agent's")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks again and again until `ready` answers or the time is up. Waits for what another process
/// does and gives no signal for.
pub fn wait_until<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let waited = Stopwatch::start();
    loop {
        if let Some(answer) = ready() {
            return Some(answer);
        }
        if waited.elapsed() > limit {
            return None;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
