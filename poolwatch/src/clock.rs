//! The only reader of clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::Time;

/// Turns the monotonic time of events into the time of day, with one offset taken at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Clock {
    /// Nanoseconds from `CLOCK_MONOTONIC`'s zero to the UNIX epoch.
    offset: u64,
}

impl Clock {
    /// Reads both clocks once.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    pub fn start() -> Self {
        let of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let of_day = u64::try_from(of_day.as_nanos()).unwrap_or(u64::MAX);
        Self { offset: of_day.saturating_sub(now()) }
    }

    /// The time of day at `time`, in nanoseconds since the UNIX epoch.
    pub const fn time_of_day(self, time: Time) -> u64 {
        self.offset.saturating_add(time)
    }
}

/// `CLOCK_MONOTONIC`, which is what `bpf_ktime_get_ns` reads.
pub fn now() -> Time {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours; the call cannot fail for CLOCK_MONOTONIC.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanoseconds
}
