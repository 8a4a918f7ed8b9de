//! A pool's status, by contract §4, from what is known: utilization, waits, and the last 60 s of requests.
//!
//! In come numbers, out goes a status with its reason in words. A share of failed or slow requests says
//! nothing while there are fewer than [`ENOUGH`] of them; their mean duration does.

use std::fmt;

use super::{fact::Status, settings::Settings, wait::Waiting, window::Sums};
use crate::event::{SECOND, Time};

/// Requests of the last 60 s below which no share of them is judged.
pub const ENOUGH: u64 = 10;
const PENDING_CRITICAL: Time = 5 * SECOND;
const MEAN_SECONDS: f64 = 1.0;
const ERROR_RATIO: f64 = 0.01;
const SLOW_RATIO: f64 = 0.05;

/// What a pool is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds {
    /// used / max, where max is known.
    pub utilization: Option<f64>,
    /// Its waits.
    pub waiting: Waiting,
    /// Its requests of the last 60 s.
    pub recent: Sums,
    /// The moment.
    pub now: Time,
}

/// Status of a utilization alone.
pub fn of_utilization(settings: &Settings, utilization: f64) -> Status {
    if utilization >= settings.critical_utilization {
        return Status::Critical;
    }
    if utilization >= settings.warn_utilization { Status::Warning } else { Status::Normal }
}

/// Why a pool has its status; words are made only of the few that somebody is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Utilization, and the threshold that it reached.
    Utilization(f64, f64),
    /// Requests pending for so long.
    PendingFor(Time),
    /// Requests pending.
    Pending,
    /// Mean request in seconds.
    Mean(f64),
    /// Share of failed requests.
    Errors(f64),
    /// Share of slow requests.
    Slow(f64),
    /// None.
    Nothing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utilization(used, threshold) => write!(f, "utilization {used:.3} at or above {threshold}"),
            Self::PendingFor(time) => write!(f, "requests pending for {} s", time / SECOND),
            Self::Pending => f.write_str("requests pending"),
            Self::Mean(mean) => write!(f, "mean request {mean:.3} s above {MEAN_SECONDS} s"),
            Self::Errors(share) => write!(f, "error ratio {share:.3} above {ERROR_RATIO}"),
            Self::Slow(share) => write!(f, "slow share {share:.3} above {SLOW_RATIO}"),
            Self::Nothing => f.write_str("nothing against it"),
        }
    }
}

/// Status of a pool, and why.
pub fn judge(settings: &Settings, grounds: &Grounds) -> (Status, Reason) {
    let by_use = grounds.utilization.map(|utilization| (of_utilization(settings, utilization), utilization));
    if let Some((Status::Critical, utilization)) = by_use {
        return (Status::Critical, Reason::Utilization(utilization, settings.critical_utilization));
    }
    let waiting_for = grounds.waiting.since.map_or(0, |since| grounds.now.saturating_sub(since));
    if waiting_for >= PENDING_CRITICAL {
        return (Status::Critical, Reason::PendingFor(waiting_for));
    }
    if let Some((Status::Warning, utilization)) = by_use {
        return (Status::Warning, Reason::Utilization(utilization, settings.warn_utilization));
    }
    if grounds.waiting.pending.is_some_and(|pending| pending.value > 0.0) {
        return (Status::Warning, Reason::Pending);
    }
    of_requests(&grounds.recent)
}

fn of_requests(recent: &Sums) -> (Status, Reason) {
    let (mean, errors, slow) = (recent.mean_seconds(), recent.error_ratio(), recent.slow_ratio());
    if mean > MEAN_SECONDS {
        return (Status::Warning, Reason::Mean(mean));
    }
    if recent.requests >= ENOUGH && errors > ERROR_RATIO {
        return (Status::Warning, Reason::Errors(errors));
    }
    if recent.timed >= ENOUGH && slow > SLOW_RATIO {
        return (Status::Warning, Reason::Slow(slow));
    }
    (Status::Normal, Reason::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::snapshot::Inferred;

    fn status(utilization: Option<f64>, pending: f64, since: Option<Time>, recent: Sums) -> Status {
        let pending = Some(Inferred { value: pending, evidence: "uprobe", confidence: 1.0 });
        let waiting = Waiting { pending, since, waits: None };
        let grounds = Grounds { utilization, waiting, recent, now: 100 * SECOND };
        judge(&Settings::default(), &grounds).0
    }

    fn of(requests: u64, duration: Time, slow: u64, errors: u64) -> Sums {
        Sums { requests, timed: requests, duration: duration * requests, slow, errors }
    }

    #[test]
    fn the_contracts_table() {
        let none = Sums::default();
        assert_eq!(status(None, 0.0, None, none), Status::Normal);
        assert_eq!(status(Some(0.79), 0.0, None, none), Status::Normal);
        assert_eq!(status(Some(0.80), 0.0, None, none), Status::Warning);
        assert_eq!(status(Some(0.95), 0.0, None, none), Status::Critical);
        assert_eq!(status(None, 1.0, Some(96 * SECOND), none), Status::Warning);
        assert_eq!(status(None, 1.0, Some(95 * SECOND), none), Status::Critical);
        assert_eq!(status(None, 0.0, None, of(1, SECOND, 0, 0)), Status::Normal);
        assert_eq!(status(None, 0.0, None, of(1, SECOND + 1, 0, 0)), Status::Warning);
        assert_eq!(status(None, 0.0, None, of(100, 1, 0, 1)), Status::Normal);
        assert_eq!(status(None, 0.0, None, of(99, 1, 0, 1)), Status::Warning);
        assert_eq!(status(None, 0.0, None, of(100, 1, 5, 0)), Status::Normal);
        assert_eq!(status(None, 0.0, None, of(100, 1, 6, 0)), Status::Warning);
    }

    #[test]
    fn a_share_of_few_requests_says_nothing() {
        assert_eq!(status(None, 0.0, None, of(ENOUGH - 1, 1, 5, 5)), Status::Normal);
        assert_eq!(status(None, 0.0, None, of(ENOUGH, 1, 5, 5)), Status::Warning);
    }
}
