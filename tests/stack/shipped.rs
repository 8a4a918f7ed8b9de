//! The examples of `deploy/`: Prometheus' and Alertmanager's own tools take them.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use poolwatch_tests::{
    need,
    need::Feature,
    process,
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
