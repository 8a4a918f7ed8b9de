//! The tooling's only reader of clocks: how long a step took, and the time of the applications' own notes.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

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

/// Nanoseconds of `CLOCK_MONOTONIC`, which the test applications note their pool's changes by.
pub fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
