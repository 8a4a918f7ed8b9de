//! A load over HTTP/2: many demands on one socket, which cannot be counted from outside.

use std::{collections::BTreeMap, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use poolwatch_tests::{
    place, process,
    truth::{load::Answers, rig::Running},
};

/// Twelve users for eight seconds.
pub fn load(rig: &mut Running) -> Result<Answers> {
    let port = rig.line("h2c ")?;
    let mut client = Command::new("node");
    client.arg(place::apps().join("node/h2.js")).args([port.as_str(), "12", "30", "8"]);
    let answer = process::run("the load over HTTP/2", &mut client, Duration::from_mins(1))?;
    let answered =
        answer.success("the load over HTTP/2")?.trim().parse().context("how many were answered")?;
    Ok(Answers { by_status: BTreeMap::from([(200, answered)]), ..Answers::default() })
}
