//! How far poolwatch is off: the rig's books against the samples and the replay, as one row.
//!
//! Relative errors apply where the true value is at least a millisecond, else absolute ones. A live count is
//! compared with the books' count at the moment that the sample speaks of.

use super::{
    books::{Books, End, Steps, Waits, Window},
    outside::{PoolSample, Sample, Whole},
    rig::{Class, Rig},
    row::{Estimate, Measured, Row},
    run::{Level, Outcome, Seen},
};

/// From this wait on, errors are relative, in seconds.
const RELATIVE_FROM: f64 = 0.001;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Of mean and p95, where they are long enough.
    pub relative: f64,
    /// Of mean and p95, where they are not, in seconds.
    pub absolute: f64,
    /// Mean absolute error of the waiting count.
    pub pending: f64,
    /// The same as a share of the true mean count.
    pub pending_share: f64,
    /// Both of the above are allowed together, not the larger one.
    pub pending_adds: bool,
    /// Mean absolute error of the used count.
    pub used: f64,
}

impl Bounds {
    /// What is asked of a rig whose waits are known by this evidence.
    pub fn asked(rig: Rig, evidence: &str) -> Self {
        let (relative, pending, pending_share) = match (rig.class(), evidence) {
            (_, "uprobe" | "pooler") => (0.02, 0.05, 0.0),
            // Of these nothing but who speaks is seen, whoever waits.
            (_, "turns") => (0.10, 0.5, 0.10),
            (Class::Threads, _) | (_, "futex") => (0.03, 0.1, 0.02),
            _ => (0.10, 0.5, 0.10),
        };
        let used = if rig.class() == Class::Unmarked { 0.5 } else { 0.1 };
        Self { relative, absolute: 0.0001, pending, pending_share, pending_adds: false, used }
    }

    /// What noisy machines must reach in a quarter of a minute.
    pub const fn short(rig: Rig) -> Self {
        let used = if matches!(rig.class(), Class::Unmarked) { 0.75 } else { 0.4 };
        Self { relative: 0.15, absolute: 0.0005, pending: 0.5, pending_share: 0.1, pending_adds: true, used }
    }

    /// The bound on the error of a wait.
    fn wait(&self, truth: f64) -> f64 {
        if truth >= RELATIVE_FROM { self.relative * truth } else { self.absolute }
    }

    /// The bound on the mean absolute error of the waiting count.
    fn count(&self, queue: f64, pool: u32) -> f64 {
        let share = self.pending_share * queue;
        let bound = if self.pending_adds { self.pending + share } else { self.pending.max(share) };
        bound.max(0.02 * f64::from(pool))
    }

    /// A row's errors beside what is allowed. Where hardly anybody waits, it is asked that nobody is said to.
    pub fn judge(&self, row: &Row) -> Vec<Judged> {
        let (truth, seen) = (&row.truth, &row.seen);
        let off = |seen: Option<f64>, truth: f64| seen.map(|seen| seen - truth);
        let judged = |what, error, allowed, unit| Judged { what, error, allowed, unit };
        let used = self.used.max(0.02 * f64::from(row.pool));
        let used = judged("used count", seen.used_error, used, 1.0);
        if row.level == Level::LIGHT.name() {
            let wrong = seen.zero_share.map(|share| 1.0 - share);
            return vec![judged("zeros that are none, in per cent", wrong, 0.01, 0.01), used];
        }
        vec![
            judged("mean wait in ms", off(seen.mean, truth.mean), self.wait(truth.mean), 1e-3),
            judged("p95 of the waits in ms", off(seen.p95, truth.p95), self.wait(truth.p95), 1e-3),
            judged("waiting count", seen.pending_error, self.count(truth.pending, row.pool), 1.0),
            used,
        ]
    }

    /// What a row misses, in words; nothing when it keeps all bounds.
    pub fn missed(&self, row: &Row) -> Vec<String> {
        let judged = self.judge(row);
        let mut missed: Vec<String> = judged.iter().filter_map(Judged::missed).collect();
        if !max_is_right(row) {
            missed.push(format!("max: {:?}, true {}", row.seen.max, row.pool));
        }
        missed
    }
}

/// Where borrowers waited, and not for moments only, the limit must be known.
pub fn max_is_right(row: &Row) -> bool {
    let light = row.truth.pending_most == 0 || row.level == Level::LIGHT.name();
    row.seen.max == Some(row.pool) || light && row.seen.max.is_none()
}

/// Loads on which it must trust itself, and how far.
const SURE: ([Level; 2], f64) = ([Level::Rho(0.7), Level::Rho(0.95)], 0.6);

/// Where it is asked to trust itself, it does.
pub fn is_sure(row: &Row) -> bool {
    let asked = SURE.0.iter().any(|level| level.name() == row.level);
    let least = row.seen.confidence.zip(row.seen.pending_confidence).map(|(waits, count)| waits.min(count));
    !asked || least.is_some_and(|least| least >= SURE.1)
}

/// One error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Of what.
    pub what: &'static str,
    /// Seen less true; `None` when nothing was said.
    pub error: Option<f64>,
    /// How far it may be from 0.
    pub allowed: f64,
    /// What it is shown in.
    pub unit: f64,
}

impl Judged {
    /// As a share of what is allowed.
    pub fn share(&self) -> f64 {
        self.error.map_or(f64::INFINITY, |error| error.abs() / self.allowed)
    }

    fn missed(&self) -> Option<String> {
        let Self { what, error, allowed, unit } = self;
        let Some(error) = error else { return Some(format!("{what}: absent")) };
        let said = || format!("{what}: off by {:.3}, allowed {:.3}", error / unit, allowed / unit);
        (self.share() > 1.0).then(said)
    }

    /// What, in a word.
    pub fn word(&self) -> &'static str {
        self.what.split(' ').next().unwrap_or_default()
    }
}

/// The row of an outcome.
pub fn row(outcome: &Outcome) -> Row {
    let Outcome { plan, window, overhead, .. } = outcome;
    let books = &outcome.books.by_account();
    let truth = measured(books, *window);
    let seen =
        outcome.seen.as_ref().map(|seen| estimate(seen, books, *window, plan.pool)).unwrap_or_default();
    let mut row = Row {
        rig: plan.rig.name().to_owned(),
        mix: plan.mix.name().to_owned(),
        level: plan.level.name(),
        ms: plan.ms,
        pool: plan.pool,
        seed: plan.seed,
        turns: plan.encrypted,
        overhead: *overhead,
        truth,
        seen,
        missed: Vec::new(),
    };
    row.missed = Bounds::asked(plan.rig, &row.seen.evidence).missed(&row);
    row
}

fn measured(books: &Books, window: Window) -> Measured {
    let none = Waits { count: 0, mean: 0.0, p95: 0.0, p99: 0.0 };
    let Waits { count, mean, p95, p99 } = books.waits().unwrap_or(none);
    let waiting = books.waiting();
    Measured {
        seconds: window.seconds(),
        count,
        timeouts: books.ended(End::TimedOut),
        mean,
        p95,
        p99,
        pending: waiting.mean(window),
        pending_most: waiting.most(),
        used: books.used().mean(window),
    }
}

fn estimate(seen: &Seen, books: &Books, window: Window, size: u32) -> Estimate {
    let inside = |sample: &&Sample| window.from <= sample.at && sample.at < window.to;
    let samples: Vec<&Sample> = seen.samples.iter().filter(inside).collect();
    let (waiting, used) = (books.waiting(), books.used().capped(size));
    let pending = |pool: &PoolSample| pool.pending.as_ref().map(|(value, ..)| *value);
    let of_used = |pool: &PoolSample| Some(f64::from(pool.used));
    let last = samples.iter().rev().find_map(|sample| sample.pool());
    let confidence = |of: fn(&PoolSample) -> Option<f64>| {
        median(samples.iter().filter_map(|sample| of(sample.pool()?)).collect())
    };
    let whole = seen.whole.as_ref();
    let evidence =
        whole.map(|whole| whole.evidence.clone()).or_else(|| Some(last?.waits.as_ref()?.0.clone()));
    Estimate {
        samples: samples.len(),
        count: whole.map(|whole| whole.count),
        mean: whole.map(|whole| whole.mean),
        p95: whole.map(|whole| whole.p95),
        p99: whole.and_then(|whole| whole.p99),
        timeouts: seen.totals.timeouts,
        integral: seen.totals.pending_seconds.map(|all| all / books.ended(End::Served).max(1) as f64),
        pending: mean(samples.iter().filter_map(|sample| pending(sample.pool()?))),
        pending_error: mean_error(&samples, &waiting, pending),
        used: mean(samples.iter().filter_map(|sample| of_used(sample.pool()?))),
        used_error: mean_error(&samples, &used, of_used),
        zero_share: zero_share(&samples, &waiting),
        max: last.and_then(|pool| pool.max),
        max_source: last.and_then(|pool| pool.max_source.clone()),
        evidence: evidence.unwrap_or_default(),
        pending_evidence: last.and_then(|pool| Some(pool.pending.as_ref()?.1.clone())).unwrap_or_default(),
        confidence: whole.map(|whole: &Whole| whole.confidence),
        pending_confidence: confidence(|pool| pool.pending.as_ref().map(|(.., confidence)| *confidence)),
        lost: seen.totals.lost,
    }
}

/// Of the samples, at least this share must have a value: the first come before poolwatch knows the process.
const SAID: f64 = 0.95;

/// Mean absolute difference; `None` when too many samples lack the value.
fn mean_error(samples: &[&Sample], truth: &Steps, of: impl Fn(&PoolSample) -> Option<f64>) -> Option<f64> {
    let off = |sample: &&Sample| Some((of(sample.pool()?)? - truth.at(sample.at) as f64).abs());
    let errors: Vec<f64> = samples.iter().filter_map(off).collect();
    let enough = errors.len() as f64 >= SAID * samples.len() as f64;
    mean(errors.into_iter()).filter(|_| enough)
}

/// Of the samples at which nobody waited, how many say so; `None` when too many of them lack the value.
fn zero_share(samples: &[&Sample], waiting: &Steps) -> Option<f64> {
    let calm: Vec<&&Sample> = samples.iter().filter(|sample| waiting.at(sample.at) == 0).collect();
    let pending = |sample: &&&Sample| sample.pool()?.pending.as_ref().map(|(value, ..)| *value);
    let said: Vec<f64> = calm.iter().filter_map(pending).collect();
    let enough = said.len() as f64 >= SAID * calm.len() as f64;
    mean(said.into_iter().map(|value| f64::from(u8::from(value.abs() < 0.5)))).filter(|_| enough)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// The middle value, or the upper one of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
