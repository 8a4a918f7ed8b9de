//! Runs that are kept: what poolwatch recorded, and beside it everything that was true, so that a later estimator
//! can be held against the same run.
//!
//! `NAME.rec` is the recording, `NAME.json` the rest, `NAME.truth` a line for each borrower as `captured` reads it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use poolwatch::{
    event::{Event, Time},
    infer::{Core, fact::Fact, snapshot::PoolSnapshot},
    recording,
};
use serde::{Deserialize, Serialize};

use super::{
    books::{Books, Window},
    load::Answers,
    mix::Mix,
    outside::{PoolSample, STEP, Sample, Totals, Whole},
    rig::Rig,
    run::{Level, Outcome, Plan, Seen},
};

/// What is known of a run beside its recording.
#[derive(Deserialize, Serialize)]
pub struct Kept {
    rig: String,
    mix: Mix,
    level: Level,
    ms: f64,
    pool: u32,
    seconds: f64,
    seed: u64,
    #[serde(default)]
    encrypted: bool,
    pid: u32,
    window: Window,
    books: Books,
    overhead: f64,
    transit: f64,
    lost: f64,
}

impl Kept {
    /// Of a run of this process; `lost` are the events that the live agent knew it missed.
    pub fn new(outcome: &Outcome, pid: u32, lost: f64) -> Self {
        let Outcome { plan, window, books, overhead, transit, .. } = outcome.clone();
        let Plan { rig, mix, level, ms, pool, seconds, seed, encrypted, .. } = plan;
        let rig = rig.name().to_owned();
        Self {
            rig,
            mix,
            level,
            ms,
            pool,
            seconds,
            seed,
            encrypted,
            pid,
            window,
            books,
            overhead,
            transit,
            lost,
        }
    }

    /// Leaves it in a directory, with its recording.
    pub fn leave(&self, directory: &Path, recording: &Path) -> Result<()> {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let name = self.plan()?.name();
        let file = |end| directory.join(format!("{name}.{end}"));
        fs::copy(recording, file("rec"))?;
        fs::write(file("truth"), self.books.in_short())?;
        Ok(fs::write(file("json"), serde_json::to_string(self)?)?)
    }

    fn plan(&self) -> Result<Plan> {
        let Self { mix, level, ms, pool, seconds, seed, encrypted, .. } = *self;
        Ok(Plan { ms, pool, seconds, seed, encrypted, ..Plan::new(Rig::named(&self.rig)?, mix, level) })
    }
}

/// All runs in a directory, as this estimator sees them, in the order of their names.
pub fn again(directory: &Path) -> Result<impl Iterator<Item = Result<Outcome>>> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| directory.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    Ok(files.into_iter().map(|file| replayed(&file).with_context(|| file.display().to_string())))
}

fn replayed(file: &Path) -> Result<Outcome> {
    let kept: Kept = serde_json::from_str(&fs::read_to_string(file)?)?;
    let mut heard = Heard::default();
    let (header, events) = recording::open(&file.with_extension("rec"))?;
    let mut core = Core::new(header.settings);
    let mut next = moment(kept.window.from)?;
    for event in events {
        let event = event?;
        while event.at().is_some_and(|at| at > next) {
            heard.look(&mut core, &kept, next);
            next += moment(STEP.as_nanos().cast_signed())?;
        }
        core.apply(&event, &mut heard.facts);
        heard.hear(&kept);
    }
    let plan = kept.plan()?;
    let seen = Some(heard.conclude(kept.lost));
    let Kept { window, books, overhead, transit, .. } = kept;
    Ok(Outcome { plan, window, books, answers: Answers::default(), overhead, transit, seen })
}

fn moment(nanoseconds: i128) -> Result<Time> {
    Time::try_from(nanoseconds).context("a moment before the machine started")
}

/// What the core says while it hears a recording.
#[derive(Default)]
struct Heard {
    facts: Vec<Fact>,
    samples: Vec<Sample>,
    /// In seconds.
    waits: Vec<f64>,
    pending: Time,
    timeouts: u32,
    last: Option<(String, f64)>,
}

impl Heard {
    fn look(&mut self, core: &mut Core, kept: &Kept, at: Time) {
        core.apply(&Event::Tick { at }, &mut self.facts);
        self.hear(kept);
        let snapshot = core.snapshot(at);
        let of_process = snapshot.pools.iter().filter(|pool| pool.process.id.pid == kept.pid);
        let pools: Vec<PoolSample> = of_process.map(PoolSample::from).collect();
        self.last = pools.iter().find_map(|pool| pool.waits.clone()).or(self.last.take());
        self.samples.push(Sample { at: at.into(), pools });
    }

    fn hear(&mut self, kept: &Kept) {
        for fact in self.facts.drain(..) {
            match fact {
                Fact::Waited { pid, took, .. } if pid == kept.pid => self.waits.push(took as f64 / 1e9),
                Fact::Elapsed { pending, .. } => self.pending += pending,
                Fact::TimedOut { .. } => self.timeouts += 1,
                _ => {}
            }
        }
    }

    fn conclude(self, lost: f64) -> Seen {
        let totals = Totals {
            pending_seconds: Some(self.pending as f64 / 1e9),
            waits: Some(self.waits.len() as f64),
            timeouts: Some(self.timeouts.into()),
            lost,
        };
        Seen { samples: self.samples, totals, whole: Whole::of(self.waits, self.last) }
    }
}

impl From<&PoolSnapshot> for PoolSample {
    fn from(pool: &PoolSnapshot) -> Self {
        let database = Some(pool.labels.database.clone()).filter(|name| !name.is_empty());
        Self {
            database,
            used: pool.connections.used,
            max: pool.max.map(|(max, _)| max),
            max_source: pool.max.map(|(_, source)| source.as_str().to_owned()),
            pending: pool.pending.map(|p| (p.value, p.evidence.to_owned(), p.confidence)),
            waits: pool.waits.map(|waits| (waits.evidence.to_owned(), waits.confidence)),
        }
    }
}
