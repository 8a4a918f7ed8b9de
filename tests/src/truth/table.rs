//! The table of `docs/accuracy.md`, from the rows that runs have left: one line for each rig, mix, load and pool,
//! with medians over its runs.
//!
//! Only what stands between the page's two marks is written; the rest of the page is its authors'. A line stays until
//! one of its runs is repeated.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::{Context as _, Result, bail};

use super::{
    compare::{Bounds, Judged, is_sure, max_is_right, median},
    rig::Rig,
    row::Row,
};
use crate::marks;

/// What makes it; the other is of runs over TLS by turns.
const COMMANDS: [&str; 2] = ["cargo xtask accuracy", "cargo xtask accuracy --turns"];
const HEAD: &str = "| pool | mix | load | query | size | runs | mean wait, true | seen | p95, true | seen | waiting, true | MAE | zeros, % | \
    used, true | MAE | max | evidence | confidence | verdict |\n";
/// From here on poolwatch trusts itself.
const TRUSTED: f64 = 0.5;

/// Rig, mix, load, query and size, in the order of the table.
type Key = (usize, String, String, u64, u32);

/// Writes the table into the page, of runs over TLS by turns or of the others.
pub fn write(page: &Path, turns: bool) -> Result<()> {
    let [others, by_turns] = COMMANDS;
    let command = if turns { by_turns } else { others };
    marks::write(page, command, &table(&Row::all()?, turns, &marks::read(page, command)?)?)
}

fn table(rows: &[Row], turns: bool, old: &str) -> Result<String> {
    let mut lines: BTreeMap<Key, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.turns == turns) {
        let key = key(&row.rig, &row.mix, &row.level, row.ms, row.pool)?;
        lines.entry(key).or_default().push(row);
    }
    let mut all: BTreeMap<Key, String> = BTreeMap::new();
    for kept in old.lines().skip(2) {
        all.insert(key_of(kept)?, format!("{kept}\n"));
    }
    for (key, runs) in lines {
        all.insert(key, line(&runs)?);
    }
    let mut text = format!("{HEAD}|{}\n", "---|".repeat(HEAD.matches('|').count() - 1));
    text.extend(all.into_values());
    Ok(text)
}

fn key(rig: &str, mix: &str, level: &str, ms: f64, pool: u32) -> Result<Key> {
    let place = Rig::ALL.iter().position(|known| known.name() == rig).context("a row of no rig")?;
    // Tenths of a millisecond: a key must have an order.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length of a query")]
    let query = (ms * 10.0) as u64;
    Ok((place, mix.to_owned(), level.to_owned(), query, pool))
}

/// Of a line that is on the page.
fn key_of(line: &str) -> Result<Key> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, rig, mix, level, query, pool, ..] = cells.as_slice() else {
        bail!("no line of the table: {line}")
    };
    let ms = query.strip_suffix(" ms").context("a query's length")?;
    key(rig, mix, level, ms.parse()?, pool.parse()?)
}

fn line(runs: &[&Row]) -> Result<String> {
    let first = runs.first().context("a line has runs")?;
    let middle = |of: &dyn Fn(&Row) -> Option<f64>| median(runs.iter().filter_map(|row| of(row)).collect());
    let show = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let ms = |of: &dyn Fn(&Row) -> Option<f64>| show(middle(of).map(|seconds| seconds * 1e3));
    let cells = [
        first.rig.clone(),
        first.mix.clone(),
        first.level.clone(),
        format!("{} ms", first.ms),
        first.pool.to_string(),
        runs.len().to_string(),
        ms(&|row| Some(row.truth.mean)),
        ms(&|row| row.seen.mean),
        ms(&|row| Some(row.truth.p95)),
        ms(&|row| row.seen.p95),
        show(middle(&|row| Some(row.truth.pending))),
        show(middle(&|row| row.seen.pending_error)),
        show(middle(&|row| row.seen.zero_share.map(|share| 100.0 * share))),
        show(middle(&|row| Some(row.truth.used))),
        show(middle(&|row| row.seen.used_error)),
        show(middle(&|row| row.seen.max.map(f64::from))).replace(".00", ""),
        evidence(first),
        show(confidence(runs)),
        verdict(runs)?,
    ];
    let mut text = String::new();
    writeln!(text, "| {} |", cells.join(" | "))?;
    Ok(text)
}

fn evidence(row: &Row) -> String {
    match (row.seen.evidence.as_str(), row.seen.pending_evidence.as_str()) {
        ("", "") => "–".to_owned(),
        (waits, count) if waits == count => waits.to_owned(),
        (waits, count) => format!("{waits}, {count}"),
    }
}

/// The lower of the two, the median over runs.
fn confidence(runs: &[&Row]) -> Option<f64> {
    let lower = |row: &&Row| Some(row.seen.confidence?.min(row.seen.pending_confidence?));
    median(runs.iter().filter_map(lower).collect())
}

/// Whether the targets are met by the medians; if not, whether poolwatch said so.
fn verdict(runs: &[&Row]) -> Result<String> {
    let judged = |row: &&Row| -> Result<Vec<Judged>> {
        Ok(Bounds::asked(Rig::named(&row.rig)?, &row.seen.evidence).judge(row))
    };
    let judged: Vec<Vec<Judged>> = runs.iter().map(judged).collect::<Result<_>>()?;
    let mut missed = Vec::new();
    for (at, first) in judged.first().into_iter().flatten().enumerate() {
        let shares = judged.iter().filter_map(|row| row.get(at)).map(Judged::share).collect();
        if median(shares).is_none_or(|share| share > 1.0) {
            missed.push(first.word());
        }
    }
    if !runs.iter().all(|row| max_is_right(row)) {
        missed.push("max");
    }
    if !runs.iter().all(|row| is_sure(row)) {
        missed.push("trust");
    }
    Ok(match missed.as_slice() {
        [] => "met".to_owned(),
        some if confidence(runs).is_some_and(|sure| sure < TRUSTED) => {
            format!("{}: missed, and said so", some.join(", "))
        }
        some => format!("{}: **missed**", some.join(", ")),
    })
}
