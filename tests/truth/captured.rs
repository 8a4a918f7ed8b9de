//! Recorded captures with the truth beside them: the inference is as accurate on each as docs/accuracy.md says.
//!
//! A recording is what an agent would have told of a real server with a real pool; the truth is what the pool's
//! own library said, borrowing by borrowing. Both are read whole, and compared every millisecond. `reference.txt`
//! holds how far the estimator that this one was made after is off on each: mean and 95th percentile of the waits as
//! a share, and the mean differences of waiting and used counts.
//!
//! More captures than are kept here: `poolwatch-convert` makes recordings of them, and `POOLWATCH_CAPTURES` names
//! their directory.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers and lists of this test's own making"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use poolwatch::{
    event::{Event, Time},
    infer::{Core, fact::Fact, settings::Settings},
    recording,
};

mod lossy;

const MILLISECOND: u64 = 1_000_000;
/// What is learned first does not count.
const LEARNING: u64 = 2_000 * MILLISECOND;

/// One borrowing, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Borrowing {
    asked: u64,
    got: u64,
    returned: u64,
}

/// Mean and 95th percentile of waits, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    count: usize,
    mean: f64,
    p95: f64,
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
struct Row {
    truth: Waits,
    inferred: Waits,
    /// Mean number of those that wait: by the library, as shown; mean difference.
    pending: (f64, f64, f64),
    /// The same of used connections.
    used: (f64, f64, f64),
    /// Mean wait by the integral of pending, in milliseconds.
    by_integral: f64,
    evidence: (String, String),
    confidence: (f64, f64),
    /// Borrowers that are said to have given up; none did.
    gave_up: usize,
}

fn truth(path: &Path) -> Result<Vec<Borrowing>> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let numbers = |line: &str| -> Result<Borrowing> {
        let words: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [asked, waited, held] = words[..] else { anyhow::bail!("{line}") };
        let asked = asked * 1000;
        Ok(Borrowing { asked, got: asked + waited * 1000, returned: asked + (waited + held) * 1000 })
    };
    text.lines().map(numbers).collect()
}

/// When the load begins: after what the library did before it.
fn begins(name: &str, borrowings: &[Borrowing]) -> u64 {
    let first = if name.starts_with("java") {
        // The server was warmed up first, and then rested.
        let half = borrowings.len() / 2;
        (0..half).max_by_key(|n| borrowings[n + 1].asked - borrowings[*n].asked).unwrap_or(0) + 4
    } else {
        3
    };
    borrowings[first].asked + LEARNING
}

fn percentiles(mut waits: Vec<f64>) -> Waits {
    if waits.is_empty() {
        return Waits::default();
    }
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    for wait in &mut waits {
        *wait = wait.max(0.0);
    }
    waits.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    Waits { count: waits.len(), mean, p95: at(0.95) }
}

/// How many of the stretches hold at each millisecond.
fn steps(stretches: &[(u64, u64)], from: u64, to: u64) -> Vec<f64> {
    let length = ((to - from) / MILLISECOND) as usize;
    let mut change = vec![0.0; length + 1];
    let place = |at: u64| (at.saturating_sub(from).div_ceil(MILLISECOND) as usize).min(length);
    for (begun, ended) in stretches {
        change[place(*begun)] += 1.0;
        change[place(*ended)] -= 1.0;
    }
    let mut now = 0.0;
    change.pop();
    for value in &mut change {
        now += *value;
        *value = now;
    }
    change
}

fn means(truth: &[f64], shown: &[f64]) -> (f64, f64, f64) {
    let count = truth.len().min(shown.len()).max(1) as f64;
    let off = truth.iter().zip(shown).map(|(one, other)| (one - other).abs()).sum::<f64>();
    (truth.iter().sum::<f64>() / count, shown.iter().sum::<f64>() / count, off / count)
}

fn read(recording: &Path) -> Result<Vec<Event>> {
    let (_, events) = recording::open(recording)?;
    events.collect::<Result<_, _>>().with_context(|| format!("{}", recording.display()))
}

fn run(name: &str, events: &[Event], borrowings: Vec<Borrowing>) -> Row {
    let from = begins(name, &borrowings);
    let last = borrowings.iter().map(|one| one.returned).max().unwrap_or(0);
    let to = events.last().and_then(Event::at).unwrap_or(0).min(last);
    let counted: Vec<Borrowing> = borrowings.into_iter().filter(|one| one.asked >= from).collect();
    let mut row = Row {
        truth: percentiles(
            counted.iter().map(|one| (one.got - one.asked) as f64 / MILLISECOND as f64).collect(),
        ),
        ..Row::default()
    };
    let waiting: Vec<_> = counted.iter().map(|one| (one.asked, one.got)).collect();
    let lent: Vec<_> = counted.iter().map(|one| (one.got, one.returned)).collect();
    let (mut pending, mut used, mut waits, mut facts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut core = Core::new(Settings::default());
    let (mut next, mut integral) = (from, 0);
    for event in events {
        let at = event.at().unwrap_or(0);
        if at > from && next == from {
            // What was summed up before does not count.
            core.apply(&Event::Tick { at: from }, &mut facts);
            facts.clear();
        }
        while at > next && next < to {
            look(&mut core, next, &mut facts, &mut pending, &mut used);
            next += MILLISECOND;
        }
        core.apply(event, &mut facts);
        row.gave_up += facts.iter().filter(|fact| matches!(fact, Fact::TimedOut { .. })).count();
        integral += sum(&mut facts, (at >= from).then_some(&mut waits));
    }
    row.inferred = percentiles(waits);
    row.pending = means(&steps(&waiting, from, to), &pending);
    row.used = means(&steps(&lent, from, to), &used);
    row.by_integral = integral as f64 / MILLISECOND as f64 / row.truth.count.max(1) as f64;
    if let Some(pool) = core.snapshot(to).pools.first() {
        if let Some(value) = pool.pending {
            (row.evidence.0, row.confidence.0) = (value.evidence.to_owned(), value.confidence);
        }
        if let Some(value) = pool.waits {
            (row.evidence.1, row.confidence.1) = (value.evidence.to_owned(), value.confidence);
        }
    }
    row
}

fn look(core: &mut Core, at: Time, facts: &mut Vec<Fact>, pending: &mut Vec<f64>, used: &mut Vec<f64>) {
    core.apply(&Event::Tick { at }, facts);
    let snapshot = core.snapshot(at);
    pending.push(snapshot.pools.iter().filter_map(|pool| pool.pending).map(|value| value.value).sum());
    used.push(snapshot.pools.iter().map(|pool| f64::from(pool.connections.used)).sum());
}

/// Takes the waits from the facts; returns the integral of pending.
fn sum(facts: &mut Vec<Fact>, mut waits: Option<&mut Vec<f64>>) -> u64 {
    let mut integral = 0;
    for fact in facts.drain(..) {
        match fact {
            Fact::Waited { took, .. } => {
                if let Some(waits) = &mut waits {
                    waits.push(took as f64 / MILLISECOND as f64);
                }
            }
            Fact::Elapsed { pending, .. } => integral += pending,
            _ => {}
        }
    }
    integral
}

fn share(truth: f64, inferred: f64) -> f64 {
    if truth > 1.0 { inferred / truth - 1.0 } else { inferred - truth }
}

impl Row {
    /// How far it is off: mean and 95th percentile as a share, waiting and used counts.
    fn off(&self) -> [f64; 4] {
        let (truth, seen) = (self.truth, self.inferred);
        [share(truth.mean, seen.mean), share(truth.p95, seen.p95), self.pending.2, self.used.2]
    }

    fn line(&self, name: &str) -> String {
        let percent = |truth: f64, seen: f64| format!("{:+.1} %", 100.0 * share(truth, seen));
        let (truth, seen) = (self.truth, self.inferred);
        format!(
            "| {name} | {:.2} | {} | {:.1} | {} | {} | {}/{} | {:.2} | {:.2} | {:.2} | {:.2} | {} {:.2} | {} {:.2} |",
            truth.mean,
            percent(truth.mean, seen.mean),
            truth.p95,
            percent(truth.p95, seen.p95),
            percent(truth.mean, self.by_integral),
            seen.count,
            truth.count,
            self.pending.0,
            self.pending.2,
            self.used.0,
            self.used.2,
            self.evidence.1,
            self.confidence.1,
            self.evidence.0,
            self.confidence.0,
        )
    }
}

/// The reference estimator's own [`Row::off`], by recording.
fn reference(directory: &Path) -> Result<Vec<(String, [f64; 4])>> {
    let text = fs::read_to_string(directory.join("reference.txt")).context("reference.txt")?;
    let read = |line: &str| -> Result<(String, [f64; 4])> {
        let (name, numbers) = line.split_once(' ').context("a name and four numbers")?;
        let numbers: Vec<f64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        Ok((name.to_owned(), numbers.try_into().map_err(|_| anyhow::anyhow!("{line}"))?))
    };
    text.lines().map(read).collect()
}

/// Worse than the reference by more than its own digits.
fn worse(row: &Row, reference: &[f64; 4]) -> bool {
    const SLACK: [f64; 4] = [0.01, 0.01, 0.02, 0.02];
    let allowed = reference.iter().zip(SLACK).map(|(theirs, slack)| theirs.abs() + slack);
    row.off().into_iter().zip(allowed).any(|(own, allowed)| own.abs() > allowed)
}

/// Where the recordings are that are kept.
fn kept() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("truth/captured")
}

/// Recordings by their names, in the order of these.
fn recordings(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut recordings: Vec<(String, PathBuf)> = fs::read_dir(directory)
        .with_context(|| format!("{}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "rec"))
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    recordings.sort();
    ensure!(!recordings.is_empty(), "no recordings in {}", directory.display());
    Ok(recordings)
}

#[test]
fn captures() -> Result<()> {
    let kept = kept();
    let directory = std::env::var_os("POOLWATCH_CAPTURES").map_or_else(|| kept.clone(), PathBuf::from);
    let reference = reference(&kept)?;
    println!(
        "| capture | mean ms | off | p95 ms | off | by integral | waits | waiting | MAE | used | MAE | waits by | count by |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (name, recording) in recordings(&directory)? {
        let row = run(&name, &read(&recording)?, truth(&recording.with_extension("truth"))?);
        println!("{}", row.line(&name));
        let bound = reference.iter().find(|(other, _)| *other == name).map(|(_, bound)| bound);
        if let Some(bound) = bound.filter(|bound| worse(&row, bound)) {
            failed.push(format!("{name}: {:?}, the reference {bound:?}", row.off()));
        }
        ensure!(bound.is_some() || directory != kept, "{name} has no bound");
        if row.gave_up != 0 {
            failed.push(format!("{name}: {} are said to have given up", row.gave_up));
        }
        if bound.is_some() && row.confidence.0.min(row.confidence.1) < 0.6 {
            failed.push(format!("{name}: it trusts itself by {:?}", row.confidence));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
