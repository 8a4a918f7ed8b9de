//! One crowd measured: recorded, replayed in a process of its own, and its page read while that process collects.

use std::{env, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch::{
    clock::Clock,
    infer::settings::Settings,
    recording::{Header, Writer},
};
use poolwatch_tests::{clock, http, page::Page, place, process::Process};
use serde::de::DeserializeOwned;

use super::{
    collector::{Held, Memory, Replayed},
    crowd::{Crowd, Numbers},
};
use crate::pairs::Median;

/// The sub-command that is a collector.
pub const COLLECTOR: &str = "collector";
/// How long a replay may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Of a round, so much is for reading: a page that is asked for later would hold the next round.
const READING: f64 = 0.8;

/// A crowd, and how long it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// How it is called in the tables.
    pub name: &'static str,
    /// How large it is.
    pub numbers: Numbers,
    /// It may take so many MiB.
    pub memory: Option<f64>,
    /// Visits in the recording.
    pub visits: u64,
    /// Rounds of collecting, without and with a reader each.
    pub rounds: usize,
    /// Seconds of each.
    pub seconds: f64,
}

/// What was found.
pub struct Measured {
    /// The point.
    pub point: Point,
    /// The replay.
    pub replayed: Replayed,
    /// Memory after all pages were read.
    pub memory: Memory,
    /// Rounds in which nobody read, and rounds in which somebody did.
    pub quiet: Vec<Held>,
    /// The same with a reader.
    pub scraped: Vec<Held>,
    /// Seconds from asking for the page to its last byte.
    pub answered: Vec<f64>,
    /// The page.
    pub page: Page,
    /// Queries that are counted by name.
    pub queries: u64,
}

impl Measured {
    /// Seconds that a page takes.
    pub fn page_time(&self) -> Result<Median> {
        Median::of(self.answered.clone()).context("no page was read")
    }

    /// Processor time per event, in nanoseconds.
    pub fn each(&self) -> Result<Median> {
        Median::of(self.replayed.each.clone()).context("the recording is too short")
    }

    /// Sum of a counter on the page over some of its series.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.page.matching(name, labels).map(|sample| sample.value).sum()
    }
}

impl Point {
    /// Measures it.
    pub fn measure(&self) -> Result<Measured> {
        let directory = place::scratch()?;
        let file = directory.path().join("crowd.rec");
        self.record(&file)?;
        let mut command = Command::new(env::current_exe()?);
        command.arg(COLLECTOR).arg(&file).arg(serde_json::to_string(&self.numbers)?);
        let mut collector = Collector(Process::start("collector", command.arg(self.visits.to_string()))?, 0);
        let replayed: Replayed = collector.hear("told")?;
        let port: u16 = collector.hear("port")?;
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let (mut quiet, mut scraped, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        let (mut text, mut memory) = (String::new(), replayed.after);
        for _ in 0..self.rounds {
            collector.0.tell(&self.seconds.to_string())?;
            quiet.push(collector.hear::<(Held, Memory)>("collected")?.0);
            collector.0.tell(&self.seconds.to_string())?;
            let begin = clock::monotonic();
            while clock::seconds_since(begin) < self.seconds * READING {
                let start = clock::monotonic();
                text = read(&url("/metrics"))?;
                answered.push(clock::seconds_since(start));
            }
            let (held, after) = collector.hear("collected")?;
            scraped.push(held);
            memory = after;
        }
        collector.0.tell("1")?;
        let details: serde_json::Value = serde_json::from_str(&read(&url("/health/details"))?)?;
        let queries =
            details.pointer("/queries/kept").and_then(serde_json::Value::as_u64).context("queries")?;
        let page = Page::parse(&text)?;
        Ok(Measured { point: *self, replayed, memory, quiet, scraped, answered, page, queries })
    }

    fn record(&self, file: &Path) -> Result<()> {
        let header = Header {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            clock: Clock::start(),
            settings: Settings::default(),
            labels: Vec::new(),
            label_user: false,
        };
        let mut writer = Writer::create(file, &header)?;
        let mut crowd = Crowd::new(self.numbers);
        let mut written = Ok(());
        let mut write = |event| {
            if written.is_ok() {
                written = writer.write(&event);
            }
        };
        crowd.arrival(&mut write);
        crowd.work(self.visits, &mut write);
        written?;
        Ok(writer.finish()?)
    }
}

fn read(url: &str) -> Result<String> {
    let (status, text) = http::get(url)?;
    ensure!(status == 200, "{url} answers {status}: {text}");
    Ok(text)
}

/// The process, and how many of its lines were heard.
struct Collector(Process, usize);

impl Collector {
    fn hear<T: DeserializeOwned>(&mut self, what: &str) -> Result<T> {
        let (line, text) = self.0.line_from(self.1, &format!("{what} "), PATIENCE)?;
        self.1 = line + 1;
        serde_json::from_str(&text).with_context(|| format!("{what}: {text}"))
    }
}
