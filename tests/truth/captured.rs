//! Recorded captures with the truth beside them: the inference is as accurate on each as docs/accuracy.md says.
//!
//! A recording is what an agent would have told of a real server with a real pool; the truth is what the pool's
//! own library said, borrowing by borrowing. Both are read whole, and compared every millisecond.

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

/// Mean, 95th and 99th percentile of waits, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    count: usize,
    mean: f64,
    p95: f64,
    p99: f64,
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
    waits.iter_mut().for_each(|wait| *wait = wait.max(0.0));
    waits.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    Waits { count: waits.len(), mean, p95: at(0.95), p99: at(0.99) }
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
    change.iter_mut().for_each(|value| {
        now += *value;
        *value = now;
    });
    change
}

fn means(truth: &[f64], shown: &[f64]) -> (f64, f64, f64) {
    let count = truth.len().min(shown.len()).max(1) as f64;
    let off = truth.iter().zip(shown).map(|(one, other)| (one - other).abs()).sum::<f64>();
    (truth.iter().sum::<f64>() / count, shown.iter().sum::<f64>() / count, off / count)
}

fn run(name: &str, recording: &Path, truth_path: &Path) -> Result<Row> {
    let borrowings = truth(truth_path)?;
    let (_, events) = recording::open(recording)?;
    let events: Vec<Event> = events.collect::<Result<_, _>>()?;
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
    for event in &events {
        let at = event.at().unwrap_or(0);
        if at > from && next == from {
            // What was summed up before does not count.
            core.apply(&Event::Tick { at: from }, &mut facts);
            facts.clear();
        }
        while at > next && next < to {
            look(&mut core, next, &mut facts, (&mut pending, &mut used));
            next += MILLISECOND;
        }
        core.apply(event, &mut facts);
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
    Ok(row)
}

fn look(core: &mut Core, at: Time, facts: &mut Vec<Fact>, to: (&mut Vec<f64>, &mut Vec<f64>)) {
    core.apply(&Event::Tick { at }, facts);
    let snapshot = core.snapshot(at);
    let pending = snapshot.pools.iter().filter_map(|pool| pool.pending).map(|value| value.value).sum();
    to.0.push(pending);
    to.1.push(snapshot.pools.iter().map(|pool| f64::from(pool.connections.used)).sum());
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

fn off(truth: f64, inferred: f64) -> String {
    if truth > 0.3 {
        format!("{:+.1} %", 100.0 * (inferred / truth - 1.0))
    } else {
        format!("{:+.2} ms", inferred - truth)
    }
}

#[test]
fn captures() -> Result<()> {
    let directory = std::env::var_os("POOLWATCH_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("truth/captured"), PathBuf::from);
    let mut recordings: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("{}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "rec"))
        .collect();
    recordings.sort();
    ensure!(!recordings.is_empty(), "no recordings in {}", directory.display());
    for recording in recordings {
        let name = recording.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let row = run(&name, &recording, &recording.with_extension("truth"))?;
        let (truth, seen) = (row.truth, row.inferred);
        println!(
            "{name:14} truth mean {:7.2} p95 {:7.1} p99 {:7.1} | mean {:>8} p95 {:>8} p99 {:>8} integral {:>8} n {}/{} | pending {:6.2} {:>8} MAE {:.2} | used {:.2} MAE {:.2} | {} {:.2} {} {:.2}",
            truth.mean,
            truth.p95,
            truth.p99,
            off(truth.mean, seen.mean),
            off(truth.p95, seen.p95),
            off(truth.p99, seen.p99),
            off(truth.mean, row.by_integral),
            seen.count,
            truth.count,
            row.pending.0,
            off(row.pending.0, row.pending.1),
            row.pending.2,
            row.used.0,
            row.used.2,
            row.evidence.0,
            row.confidence.0,
            row.evidence.1,
            row.confidence.1,
        );
    }
    Ok(())
}
