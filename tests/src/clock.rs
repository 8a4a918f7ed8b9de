//! The only reader of clocks in the tests, and the only place that waits.

use std::{thread, time::Duration};

use anyhow::{Result, bail};

/// Nanoseconds of `CLOCK_MONOTONIC`, which applications, probes and tests share.
pub fn monotonic() -> i128 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of processor time that the calling thread has used.
pub fn processor() -> i128 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Nanoseconds from `CLOCK_MONOTONIC`'s zero to the UNIX epoch, now.
///
/// Both clocks are read in turn, and the pair that lay closest together is taken: a test that is
/// moved off its processor between the two would otherwise err by a time slice.
pub fn offset() -> i128 {
    (0..16)
        .map(|_| {
            let before = monotonic();
            let of_day = read(libc::CLOCK_REALTIME);
            let after = monotonic();
            (after - before, of_day - i128::midpoint(before, after))
        })
        .min()
        .map_or(0, |(_, offset)| offset)
}

fn read(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// The end of a wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: i128,
}

impl Deadline {
    /// That far from now.
    pub fn after(wait: Duration) -> Self {
        Self { at: monotonic() + i128::try_from(wait.as_nanos()).unwrap_or(i128::MAX) }
    }

    /// What is left until then.
    pub fn left(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.at - monotonic()).unwrap_or(0))
    }

    /// The time is over.
    pub fn passed(self) -> bool {
        monotonic() >= self.at
    }
}

/// Seconds that have gone by since `start`, a value of [`monotonic`].
pub fn seconds_since(start: i128) -> f64 {
    (monotonic() - start) as f64 / 1e9
}

/// How many times longer than elsewhere a test waits before it gives up: `POOLWATCH_TESTS_PATIENCE`, for machines that are
/// emulated. What a test measures is not stretched.
pub fn patience() -> u32 {
    std::env::var("POOLWATCH_TESTS_PATIENCE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A number of things to do, and less of it where a test must be patient.
pub fn fewer(times: u32) -> u32 {
    times.div_ceil(patience())
}

/// Asks every 20 ms until there is an answer; fails, naming `what`, when there is none in `wait`.
pub fn until<T>(wait: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Deadline::after(wait * patience());
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if deadline.passed() {
            bail!("waited {wait:?} in vain for {what}");
        }
        pause(Duration::from_millis(20));
    }
}

/// Lets time go by, where a test measures a stretch of it.
pub fn pause(length: Duration) {
    thread::sleep(length);
}
