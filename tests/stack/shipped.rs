//! The files of `deploy/`: the tools of those whom they are for take them.

use std::{env, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    place, process,
    stack::{alertmanager, shipped},
};

#[test]
fn promtool_takes_the_example() -> Result<()> {
    need!(Feature::Promtool);
    let mut command = Command::new("promtool");
    command.args(["check", "config"]).arg(shipped::file("deploy/prometheus/prometheus.yml"));
    let said =
        process::run("promtool", &mut command, Duration::from_mins(1))?.success("promtool check config")?;
    println!("{said}");
    ensure!(said.contains("1 rule files found"), "it loads the alerts");
    Ok(())
}

#[test]
fn amtool_takes_the_example() -> Result<()> {
    need!(Feature::Alertmanager);
    let said = alertmanager::check(&shipped::file(alertmanager::CONFIG))?;
    println!("{said}");
    ensure!(said.contains("SUCCESS") && said.contains("3 receivers"), "it finds the receivers");
    Ok(())
}

/// Image, unit, chart and kustomizations, without a cluster. What no tool is there for it says itself.
#[test]
fn helm_and_kubectl_take_the_chart_and_the_kustomizations_and_nonsense_is_refused() -> Result<()> {
    need!(Feature::Kubernetes);
    let python = need::python()?;
    let beside = python.parent().context("python lies in a directory")?.to_path_buf();
    let path = env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(shipped::file("deploy/tests/run"));
    command
        .arg(place::agent()?)
        .env("PATH", env::join_paths([beside].into_iter().chain(env::split_paths(&path)))?);
    let said = process::run("deploy/tests/run", &mut command, Duration::from_mins(3))?
        .success("deploy/tests/run")?;
    println!("{said}");
    // Beside those three a machine may lack systemd-analyze, hadolint and shellcheck.
    let mut skipped = said.lines().filter(|line| line.starts_with("SKIP "));
    let may_be = |line: &str| line.starts_with("SKIP the systemd unit") || line.starts_with("SKIP the image");
    ensure!(skipped.all(may_be), "{said}");
    ensure!(said.contains(" 0 failed"), "{said}");
    Ok(())
}
