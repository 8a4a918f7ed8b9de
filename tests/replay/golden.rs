//! Each recording beside this file replays to the page beside it.
//!
//! `POOLWATCH_BLESS=1` writes the pages anew, after a change of the page that was meant.

use std::{env, ffi::OsStr, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{agent, page::Page, place, process};

/// `*.rec`, in the order of their names.
fn recordings() -> Result<Vec<PathBuf>> {
    let directory = place::here().join("replay");
    let files = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut recordings: Vec<_> = files
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(OsStr::new("rec")))
        .collect();
    recordings.sort();
    Ok(recordings)
}

/// The replayed page but for what differs from build to build and from process to process.
fn page_of(recording: &PathBuf) -> Result<String> {
    let mut command = agent::command()?;
    command.arg("replay").arg(recording).arg("--metrics");
    let page = process::run("replay", &mut command, Duration::from_mins(1))?.success("replay")?;
    Page::parse(&page).with_context(|| format!("the page of {}", recording.display()))?;
    let of_build = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        name.starts_with("process_") || name.starts_with("poolwatch_build_info")
    };
    Ok(page.lines().filter(|line| !of_build(line)).flat_map(|line| [line, "\n"]).collect())
}

fn first_difference(golden: &str, page: &str) -> String {
    let (mut one, mut other) = (golden.lines(), page.lines());
    for number in 1.. {
        let pair = (one.next(), other.next());
        if pair.0 != pair.1 || pair.0.is_none() {
            return format!("line {number}: golden {:?}, replayed {:?}", pair.0, pair.1);
        }
    }
    String::new()
}

#[test]
fn every_recording_replays_to_its_golden_page() -> Result<()> {
    let bless = env::var_os("POOLWATCH_BLESS").is_some_and(|bless| bless == "1");
    let recordings = recordings()?;
    ensure!(!recordings.is_empty(), "no recording in {}/replay", place::here().display());
    let mut wrong = Vec::new();
    for recording in &recordings {
        let page = page_of(recording)?;
        let file = recording.with_extension("page");
        if bless {
            fs::write(&file, &page).with_context(|| file.display().to_string())?;
        }
        let golden = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        println!("{}: {} lines", file.display(), page.lines().count());
        if golden != page {
            wrong.push(format!("{}: {}", file.display(), first_difference(&golden, &page)));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_golden_page_has_its_recording() -> Result<()> {
    let recordings = recordings()?;
    for entry in fs::read_dir(place::here().join("replay"))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("page")) {
            let recording = path.with_extension("rec");
            ensure!(recordings.contains(&recording), "{} has no recording", path.display());
        }
    }
    Ok(())
}
