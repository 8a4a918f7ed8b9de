//! What is secret stays where it is: passwords, the exchange that proves them, literals and keys, though the plaintext that they
//! stand in is looked at.

use std::{fmt::Write as _, fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use poolwatch::recording;
use poolwatch_tests::{agent::Agent, need, need::Feature, place, process::TERMINATE};

use crate::stand::{PASSWORD, Speaker, Stand, wait_until_attached};

/// Of the messages that prove a password, of what the driver says, and of the server's key.
const SECRETS: [&str; 5] = [PASSWORD, "planted literal", "SCRAM", "c=biws", "BEGIN PRIVATE"];

fn is_kept(role: &str) -> Result<()> {
    let stand = Stand::start()?;
    let mut command = Command::new(need::python()?);
    command.arg(place::apps().join("python/tls.py")).arg("psycopg").env("PSYCOPG_IMPL", "python");
    stand.address(&mut command, role);
    let mut speaker = Speaker::start("psycopg", &mut command)?;
    let file = stand.path("run.rec");
    let recorded = file.display().to_string();
    let mut agent = Agent::start(["record", "-o", &recorded, "--pid", &speaker.pid().to_string()])?;
    speaker.step("open")?;
    wait_until_attached(&agent, true)?;
    speaker.step("run")?;
    let mut told = String::new();
    for page in ["/metrics", "/health/details", "/health/pool", "/api/v1/queries", "/api/v1/pools"] {
        told += &agent.get(page)?.1;
    }
    ensure!(agent.stop(TERMINATE)? == 0, "{}", agent.errors());
    told += &agent.errors();
    let (_, events) = recording::open(&file).with_context(|| recorded.clone())?;
    for event in events {
        writeln!(told, "{:?}", event?)?;
    }
    // The later connections were seen from their first byte on, login and all.
    ensure!(told.contains(&format!("user: \"{role}\"")), "no startup was seen");
    let raw = fs::read(&file)?;
    for secret in SECRETS {
        ensure!(!told.contains(secret), "{secret:?} was told");
        ensure!(!raw.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret:?} in the file");
    }
    Ok(())
}

#[test]
fn of_a_login_by_scram() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::PythonPool);
    is_kept("app")
}

#[test]
fn of_a_login_by_the_password_itself() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::PythonPool);
    is_kept("plain")
}
