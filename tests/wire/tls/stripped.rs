//! A program in Rust that was stripped has no names: what it encrypts is known by turns, and nothing is made up of it.

use std::process::Command;

use anyhow::{Result, ensure};
use poolwatch_tests::{agent::Agent, need, need::Feature, place, wire::coverage::Row};

use crate::stand::{Speaker, Stand, nothing_missing, queries};

/// Requests of the program's run: eleven connections, each with 201 statements, of which a connection prepares each text first.
const REQUESTS: u32 = 11 * (201 + 3);
/// How far off turns may be.
const OFF: f64 = 0.02;

#[test]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, exact in a float")]
fn sqlx_stripped_goes_by_turns() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::GoLinked);
    let stand = Stand::start()?;
    let stripped = stand.path("sqlx");
    let program = place::built("poolwatch-tls-sqlx")?;
    let status = Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(&program).status()?;
    ensure!(status.success(), "strip {}", program.display());
    let mut command = Command::new(&stripped);
    stand.address(&mut command, "app");
    let mut speaker = Speaker::start("sqlx, stripped", &mut command)?;
    let agent = Agent::start(["--pid", &speaker.pid().to_string()])?;
    speaker.step("open")?;
    speaker.step("bind")?;
    let seen = |agent: &Agent| -> Result<f64> {
        Ok(agent.metrics()?.sum("db_client_operation_duration_seconds_count", &[]))
    };
    let before = seen(&agent)?;
    speaker.step("run")?;
    speaker.step("end")?;
    let page = agent.metrics_when("the end of all connections", |page| {
        page.sum("db_client_connection_count", &[]) == 0.0
    })?;
    let turns = page.sum("db_client_operation_duration_seconds_count", &[]) - before;
    println!("{turns} turns for {REQUESTS} requests");
    nothing_missing(&agent)?;
    ensure!(queries(&agent)?.completed.is_empty(), "nothing can be known of statements");
    ensure!((turns - f64::from(REQUESTS)).abs() <= f64::from(REQUESTS) * OFF, "{turns} turns");
    let (server, poolwatch) = (u64::from(REQUESTS), turns as u64);
    let note = "rustls; times, sizes, used and idle; no SQL".to_owned();
    Row {
        section: "encrypted, by turns",
        row: "sqlx, rustls, stripped".to_owned(),
        server,
        poolwatch,
        verdict: "by turns",
        note,
    }
    .leave("sqlx_stripped")
}
