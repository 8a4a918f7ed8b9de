//! The tables of what many connections, processes, pools and statements cost, for docs/overhead.md.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    collector::{Held, Work},
    point::Measured,
};
use crate::{
    table::shown,
    verdict::{MISSED, at_most, never_more},
};

/// A page takes at most so long, in seconds, and has so many bytes.
const PAGE_TIME: f64 = 0.150;
const PAGE_BYTES: f64 = 10e6;
/// Collecting is never held up longer, in seconds.
const PAUSE: f64 = 0.005;

/// All tables; `judged` = with verdicts.
pub fn text(all: &[Measured], judged: bool) -> Result<String> {
    let mut text = String::new();
    crowds(all, judged, &mut text)?;
    text.push('\n');
    pages(all, judged, &mut text)?;
    text.push('\n');
    queries(all, &mut text);
    Ok(text)
}

/// Every limit that was missed, in words.
pub fn missed(all: &[Measured]) -> Result<Vec<String>> {
    let mut missed = Vec::new();
    for measured in all {
        for (what, verdict) in verdicts(measured)? {
            if verdict == MISSED {
                missed.push(format!("{}: {what}", measured.point.name));
            }
        }
    }
    Ok(missed)
}

fn verdicts(measured: &Measured) -> Result<Vec<(String, &'static str)>> {
    let longest = |rounds: &[Held]| longest(rounds, |held| held.longest);
    let bytes = measured.page.text.len() as f64;
    let mut verdicts = vec![
        (format!("a page in {:.0} ms", PAGE_TIME * 1e3), at_most(measured.page_time()?, PAGE_TIME)),
        (
            format!("held up for {:.0} ms", PAUSE * 1e3),
            never_more(longest(&measured.scraped), longest(&measured.quiet), PAUSE),
        ),
    ];
    // A pod's labels are as long as its names, which are not ours.
    if !measured.point.numbers.kubernetes {
        let what = format!("a page of {:.0} MB", PAGE_BYTES / 1e6);
        verdicts.push((what, never_more(bytes, 0.0, PAGE_BYTES)));
    }
    if let Some(most) = measured.point.memory {
        verdicts.push((format!("{most:.0} MiB"), never_more(measured.memory.peak, 0.0, most)));
    }
    Ok(verdicts)
}

/// A row.
pub fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The columns' names.
pub fn head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

fn longest(rounds: &[Held], of: impl Fn(&Held) -> f64) -> f64 {
    rounds.iter().map(of).fold(0.0, f64::max)
}

/// The mean, and the longest.
fn work(rounds: &[Held], of: impl Fn(&Held) -> Work) -> String {
    let sum: f64 = rounds.iter().map(|held| of(held).sum).sum();
    let count: u32 = rounds.iter().map(|held| of(held).count).sum();
    let mean = sum / f64::from(count.max(1));
    format!("{} ({})", milliseconds(mean), milliseconds(longest(rounds, |held| of(held).longest)))
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

/// Memory and processor.
fn crowds(all: &[Measured], judged: bool, text: &mut String) -> Result<()> {
    let columns = [
        "crowd",
        "connections",
        "processes",
        "pools",
        "statements",
        "events told",
        "MiB before",
        "MiB after",
        "MiB at most, while pages are read",
        "processor per event, ns",
    ];
    text.push_str(&head(&columns));
    for measured in all {
        let numbers = measured.point.numbers;
        let pools = numbers.processes * numbers.pools_each;
        let mut cells = vec![measured.point.name.to_owned()];
        cells.extend(
            [numbers.connections, numbers.processes, pools, numbers.queries].map(|count| count.to_string()),
        );
        cells.push(measured.replayed.events.to_string());
        let memory =
            [measured.replayed.before.resident, measured.replayed.after.resident, measured.memory.peak];
        cells.extend(memory.map(|memory| format!("{memory:.0}")));
        cells.push(shown(measured.each()?, 1.0, 0));
        text.push_str(&row(&cells));
    }
    if judged {
        text.push('\n');
        for measured in all {
            let said: Vec<_> =
                verdicts(measured)?.into_iter().map(|(what, verdict)| format!("{what}: {verdict}")).collect();
            writeln!(text, "- {}: {}.", measured.point.name, said.join("; "))?;
        }
    }
    Ok(())
}

/// What a reader of the page gets, and what that costs the collecting thread.
fn pages(all: &[Measured], judged: bool, text: &mut String) -> Result<()> {
    let columns = [
        "crowd",
        "`/metrics`, ms",
        "MB",
        "pages read",
        "events/s meanwhile",
        "longest pause without a reader, ms",
        "with one, ms",
        "work of a page in the collecting thread, ms (at most)",
        "of a tick, ms (at most)",
    ];
    text.push_str(&head(&columns));
    for measured in all {
        let events: u64 = measured.scraped.iter().map(|held| held.events).sum();
        let seconds = measured.point.seconds * measured.scraped.len() as f64;
        let page = if judged {
            shown(measured.page_time()?, 1e-3, 0)
        } else {
            format!("{:.0}", measured.page_time()?.value * 1e3)
        };
        text.push_str(&row(&[
            measured.point.name.to_owned(),
            page,
            format!("{:.1}", measured.page.text.len() as f64 / 1e6),
            measured.answered.len().to_string(),
            format!("{:.0}", events as f64 / seconds),
            milliseconds(longest(&measured.quiet, |held| held.longest)),
            milliseconds(longest(&measured.scraped, |held| held.longest)),
            work(&measured.scraped, |held| held.questions),
            work(&measured.scraped, |held| held.ticks),
        ]));
    }
    Ok(())
}

/// What is kept of statements, and what is counted as given up.
fn queries(all: &[Measured], text: &mut String) {
    let columns = [
        "crowd",
        "distinct statements",
        "counted by name",
        "with series of their own",
        "given up (`poolwatch_events_lost_total{where=\"queries\"}`)",
        "of all statements, counted",
    ];
    text.push_str(&head(&columns));
    for measured in all {
        let count = "poolwatch_query_duration_seconds_count";
        let named = measured
            .page
            .matching(count, &[])
            .filter(|s| s.labels.get("fingerprint").is_some_and(|f| f != "other"));
        text.push_str(&row(&[
            measured.point.name.to_owned(),
            measured.point.numbers.queries.to_string(),
            measured.queries.to_string(),
            named.count().to_string(),
            format!("{:.0}", measured.sum("poolwatch_events_lost_total", &[("where", "queries")])),
            format!("{:.0}", measured.sum(count, &[])),
        ]));
    }
}
