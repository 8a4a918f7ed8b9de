//! The table of docs/soak.md.

use std::{fmt::Write as _, fs, path::Path, thread};

use anyhow::{Context as _, Result};
use poolwatch_tests::{clock, marks};

use crate::verdict::Story;

/// What makes it.
const COMMAND: &str = "cargo xtask soak";
/// Rows: one in so many samples.
const ROWS: usize = 12;

/// The time of day, UTC.
pub fn moment() -> Result<String> {
    let time =
        jiff::Timestamp::from_nanosecond(clock::monotonic() + clock::offset()).context("the time of day")?;
    Ok(time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Writes the page's part.
pub fn write(page: &Path, story: &Story) -> Result<()> {
    marks::write(page, COMMAND, &text(story)?)
}

fn text(story: &Story) -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let watched = if story.own {
        "the load's processes alone, because others used PostgreSQL on the machine at the time (`--own`)"
    } else {
        "the whole machine"
    };
    let mut text = String::new();
    writeln!(
        text,
        "{}, Linux {}, {processors} processors; {:.0} minutes, {:.0} requests/s; watched was {watched}.\n",
        story.began,
        kernel.trim(),
        story.lasted / 60.0,
        story.rate()
    )?;
    writeln!(text, "| what is asked | measured | verdict |\n|---|---|---|")?;
    for verdict in story.verdicts() {
        writeln!(text, "{}", verdict.line())?;
    }
    writeln!(
        text,
        "\n| minute | resident, MiB | descriptors | threads | map entries | series | requests | lost | processor, % |\n|{}",
        "---|".repeat(9)
    )?;
    let step = (story.samples.len() / ROWS).max(1);
    let mut before = (0.0, story.samples.first().map_or(0.0, |sample| sample.processor));
    let rows = story.samples.iter().step_by(step).chain([&story.after]);
    for sample in rows {
        let (seconds, used) = (sample.seconds - before.0, sample.processor - before.1);
        let share = if seconds > 0.0 { format!("{:.2}", used / seconds * 100.0) } else { "–".to_owned() };
        before = (sample.seconds, sample.processor);
        writeln!(
            text,
            "| {:.0} | {:.2} | {} | {} | {} | {} | {} | {} | {share} |",
            sample.seconds / 60.0,
            sample.resident as f64 / f64::from(1 << 20),
            sample.descriptors,
            sample.threads,
            sample.entries(),
            sample.series,
            sample.requests,
            sample.lost
        )?;
    }
    writeln!(text, "\nThe last row is from 35 s after the load's end.")?;
    Ok(text)
}
