//! The rules of `alerts/`: promtool reads them, and each alert fires where it should and is quiet where it should.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{need, need::Feature, place, process};

/// Files of YAML in a folder of the project, sorted.
fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = place::here().parent().context("the project")?.join(folder);
    let found = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yml"));
    files.sort();
    ensure!(!files.is_empty(), "no rules in {}", folder.display());
    Ok(files)
}

fn promtool(what: &str, folder: &str) -> Result<()> {
    let mut command = Command::new("promtool");
    command.args([what, "rules"]).args(files(folder)?);
    let answer = process::run("promtool", &mut command, Duration::from_mins(2))?;
    println!("{}{}", answer.output, answer.errors);
    ensure!(answer.code == 0, "promtool {what} rules ends with {}", answer.code);
    Ok(())
}

#[test]
fn promtool_reads_every_rule() -> Result<()> {
    need!(Feature::Promtool);
    promtool("check", "alerts")
}

#[test]
fn every_alert_fires_and_is_quiet() -> Result<()> {
    need!(Feature::Promtool);
    promtool("test", "alerts/tests")
}
