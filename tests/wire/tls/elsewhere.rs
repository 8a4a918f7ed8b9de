//! Who speaks TLS to somebody else is no client of PostgreSQL, however old the connection.

use std::process::Command;

use anyhow::{Result, ensure};
use poolwatch_tests::{agent::Agent, need, need::Feature, place};

use crate::stand::{Speaker, Stand};

fn is_nobodys(tier: &str) -> Result<()> {
    let stand = Stand::start()?;
    let mut command = Command::new(need::python()?);
    command.arg(place::apps().join("python/elsewhere.py"));
    command.args([stand.path("owned/server.crt"), stand.path("owned/server.key")]);
    let mut elsewhere = Speaker::start("elsewhere", &mut command)?;
    let mut command = Command::new(need::python()?);
    command.arg(place::apps().join("python/tls.py")).arg("psycopg").env("PSYCOPG_IMPL", "python");
    stand.address(&mut command, "app");
    let mut client = Speaker::start("psycopg", &mut command)?;
    elsewhere.step("open")?;
    client.step("open")?;
    let agent = Agent::start(["--probes", tier, "--tls", "turns"])?;
    elsewhere.step("talk")?;
    client.step("run")?;
    let pid = client.pid().to_string();
    let page = agent.metrics_when("the client of PostgreSQL", |page| {
        page.sum("db_client_connection_count", &[("process_pid", &pid)]) >= 1.0
    })?;
    let pid = elsewhere.pid().to_string();
    let seen: Vec<_> = page.text.lines().filter(|line| line.contains(&pid)).collect();
    ensure!(seen.is_empty(), "{tier}: {seen:#?}");
    Ok(())
}

#[test]
fn older_connections_to_somebody_else_are_nobodys() -> Result<()> {
    need!(Feature::SocketTier, Feature::Postgres, Feature::PythonPool);
    is_nobodys("sock")
}

#[test]
fn the_syscall_tier_takes_none_for_ours_either() -> Result<()> {
    need!(Feature::SystemCallTier, Feature::Postgres, Feature::PythonPool);
    is_nobodys("syscall")
}
