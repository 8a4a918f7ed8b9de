//! The agent's right side as a process of its own: it is told a crowd from a recording, then collects while pages are read.
//!
//! A recording comes in, then lines with seconds to collect for; lines of JSON go out. It is [`Told`] and [`Porch`], as
//! the agent has them; the kernel's side is not in it.

use std::{fs, io::stdin, net::TcpListener, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use poolwatch::{
    agent::{porch::Porch, told::Told},
    clock::Clock,
    event::Event,
    export::{ExportSettings, Exporter, Question, access::Access, door::Ask},
    infer::{Core, settings::Settings},
    recording,
};
use poolwatch_tests::clock;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::crowd::{Crowd, Numbers, STEP};

/// Events that are held at once: their memory is not the agent's.
const HELD: usize = 4096;
/// So many times as many make one figure of processor time.
const CHUNKS: usize = 32;
/// Visits between two looks at the events, and how long they take.
const VISITS: u64 = 20;
const BEAT: i128 = (VISITS * STEP) as i128;

/// What a process has, in MiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Resident at most until now.
    pub peak: f64,
}

/// What became of the recording.
#[derive(Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// Before the first event.
    pub before: Memory,
    /// After the last.
    pub after: Memory,
    /// Events.
    pub events: u64,
    /// Processor time per event once everybody was there, in nanoseconds, of stretches of the recording.
    pub each: Vec<f64>,
}

/// How collecting went for some seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Held {
    /// The longest time in seconds in which events were not looked at although it was time.
    pub longest: f64,
    /// What questions took in the collecting thread.
    pub questions: Work,
    /// What ticks took.
    pub ticks: Work,
    /// Events.
    pub events: u64,
}

/// Processor time of the collecting thread, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Work {
    /// How often.
    pub count: u32,
    /// Together.
    pub sum: f64,
    /// At most.
    pub longest: f64,
}

impl Work {
    /// One more; `start` is what [`clock::processor`] said before it.
    fn add(&mut self, start: i128) {
        let took = (clock::processor() - start) as f64 / 1e9;
        self.count += 1;
        self.sum += took;
        self.longest = self.longest.max(took);
    }
}

/// Does everything, until nobody asks for more; the crowd goes on where the recording ends.
pub fn run(file: &Path, numbers: Numbers, visits: u64) -> Result<()> {
    let export =
        ExportSettings { labels: Vec::new(), label_user: false, own_process: true, clock: Clock::start() };
    let mut told = Told::new(Core::new(Settings::default()), Exporter::new(export));
    say("told", &replay(file, &mut told)?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (asks, mut questions) = mpsc::channel(64);
    let porch = Porch::open(listener, asks, Access::default())?;
    say("port", &port)?;
    let mut crowd = Crowd::new(numbers);
    crowd.arrival(drop);
    crowd.work(visits, drop);
    for line in stdin().lines() {
        let held = collect(&mut told, &mut crowd, &mut questions, line?.parse()?)?;
        say("collected", &(held, memory(std::process::id())?))?;
    }
    drop(questions);
    porch.close()
}

fn say(what: &str, figures: &impl Serialize) -> Result<()> {
    println!("{what} {}", serde_json::to_string(figures)?);
    Ok(())
}

fn replay(file: &Path, told: &mut Told) -> Result<Replayed> {
    let before = memory(std::process::id())?;
    let (_, mut events) = recording::open(file)?;
    let (mut all, mut each, mut ready) = (0, Vec::new(), false);
    let (mut took, mut counted) = (0, 0);
    let mut held = Vec::with_capacity(HELD);
    loop {
        held.clear();
        for event in events.by_ref().take(HELD) {
            held.push(event?);
        }
        if held.is_empty() {
            break;
        }
        let start = clock::processor();
        for event in &held {
            told.tell(event);
        }
        all += held.len() as u64;
        if ready {
            took += clock::processor() - start;
            counted += held.len();
        }
        if counted >= HELD * CHUNKS {
            each.push(std::mem::take(&mut took) as f64 / std::mem::take(&mut counted) as f64);
        }
        ready = ready || held.iter().any(|event| matches!(event, Event::Ready { .. }));
    }
    drop(held);
    Ok(Replayed { before, after: memory(std::process::id())?, events: all, each })
}

/// Tells the crowd's events beat by beat, and hands out pictures in between.
fn collect(
    told: &mut Told,
    crowd: &mut Crowd,
    questions: &mut mpsc::Receiver<Ask>,
    seconds: f64,
) -> Result<Held> {
    let begin = clock::monotonic();
    let mut held = Held::default();
    let mut due = begin;
    while clock::seconds_since(begin) < seconds {
        crowd.work(VISITS, |event| {
            let start = clock::processor();
            told.tell(&event);
            held.events += 1;
            if matches!(event, Event::Tick { .. }) {
                held.ticks.add(start);
            }
        });
        let end = clock::monotonic();
        while let Ok(ask) = questions.try_recv() {
            let start = clock::processor();
            hand_out(told, crowd, ask);
            held.questions.add(start);
        }
        due += BEAT;
        let left = (due - clock::monotonic()).max(0);
        clock::pause(Duration::from_nanos(u64::try_from(left)?));
        held.longest = held.longest.max((clock::monotonic() - end - left) as f64 / 1e9);
    }
    Ok(held)
}

/// As the agent does it.
fn hand_out(told: &mut Told, crowd: &Crowd, ask: Ask) {
    let at = crowd.now();
    if ask.question != Question::Alive {
        told.tell(&Event::Scrape { at });
    }
    let _ = ask.reply.send(told.picture(ask.question, at));
}

/// Memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let field = |name: &str| -> Result<f64> {
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
            .context("VmRSS")?;
        Ok(kilobytes.parse::<f64>()? / 1024.0)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}
