//! Turns a capture of system calls, made by a tracer, into a recording of poolwatch.
//!
//! `poolwatch-convert DIRECTORY RECORDING TRUTH [--borrowers]`: in come `cap.txt` and `truth.txt` (and
//! `up.txt`, the borrowers that a probe in the pool's library saw), out go events as the agent would have
//! told them, and the truth as microseconds. The captures' formats stand in `line.rs`.

mod borrower;
mod line;
mod process;
mod socket;

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use poolwatch::{
    clock::Clock,
    event::Event,
    infer::settings::Settings,
    recording::{Header, Writer},
};

fn main() -> Result<()> {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let borrowers = arguments.iter().position(|word| word == "--borrowers").map(|at| arguments.remove(at));
    let [directory, recording, truth] = arguments.as_slice() else {
        bail!("usage: poolwatch-convert DIRECTORY RECORDING TRUTH [--borrowers]");
    };
    let directory = PathBuf::from(directory);
    let capture = read(&directory.join("cap.txt"))?;
    let mut lines: Vec<line::Line> = capture.lines().filter_map(line::parse).collect();
    lines.sort_by_key(|line| line.at);
    let mut events = process::events(&lines);
    if borrowers.is_some() {
        events.extend(borrower::events(&read(&directory.join("up.txt"))?));
    }
    // What began is told before what happened at the same moment.
    events.sort_by_key(|event| event.at().unwrap_or(0));
    write(Path::new(recording), &events)?;
    write_truth(Path::new(truth), &read(&directory.join("truth.txt"))?)
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, events: &[Event]) -> Result<()> {
    let header = Header {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        clock: Clock::start(),
        settings: Settings::default(),
        labels: Vec::new(),
        label_user: false,
    };
    let mut writer = Writer::create(path, &header).with_context(|| format!("{}", path.display()))?;
    for event in events {
        writer.write(event)?;
    }
    writer.finish()?;
    Ok(())
}

/// `A` lines: asked, got, returned; as microseconds: when asked, how long waited, how long held.
fn write_truth(path: &Path, truth: &str) -> Result<()> {
    let mut borrowings: Vec<[u64; 3]> = truth
        .lines()
        .filter_map(|line| line.strip_prefix("A "))
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
        })
        .collect();
    borrowings.sort_unstable();
    let mut file = fs::File::create(path).with_context(|| format!("{}", path.display()))?;
    for [asked, got, returned] in borrowings {
        writeln!(file, "{} {} {}", asked / 1000, (got - asked) / 1000, (returned - got) / 1000)?;
    }
    Ok(())
}
