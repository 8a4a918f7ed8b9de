//! The test programs that run in a machine without anything, and how they are built.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command;

/// Tests that need a server, the agent, and nothing else that they cannot do without. What measures times is not among them.
pub const TESTS: [&str; 6] = ["layout", "counts", "midstream", "lifetime", "pools", "neighbour"];
/// The scripted client.
const CLIENT: &str = "poolwatch-client";

/// What is put into the machine.
pub struct Programs {
    /// By name.
    pub tests: Vec<(String, PathBuf)>,
    /// The scripted client.
    pub client: PathBuf,
}

/// Builds those that are wanted, all when none is named.
pub fn build(wanted: &[String]) -> Result<Programs> {
    let all = TESTS.map(str::to_owned).to_vec();
    let wanted = if wanted.is_empty() { all } else { wanted.to_vec() };
    let mut cargo = command::cargo("test");
    // The whole workspace: another choice of packages would be built anew.
    cargo.args(["--workspace", "--no-run", "--message-format=json"]);
    for test in &wanted {
        cargo.args(["--test", test]);
    }
    println!("+ {}", command::shown(&cargo));
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo test")?;
    ensure!(output.status.success(), "the test programs cannot be built");
    let text = String::from_utf8_lossy(&output.stdout);
    let built =
        |name: &str| executable(&text, name).with_context(|| format!("cargo did not say where {name} is"));
    let tests = wanted.iter().map(|test| Ok((test.clone(), built(test)?))).collect::<Result<_>>()?;
    Ok(Programs { tests, client: built(CLIENT)? })
}

/// Where cargo says that it put this target's executable.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let of = message.pointer("/target/name")?.as_str()? == name;
        of.then(|| message.get("executable")?.as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().rev().find_map(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_a_program_is() {
        let messages = "{\"target\":{\"name\":\"a\"},\"executable\":null}\nnoise\n{\"target\":{\"name\":\"a\"},\"executable\":\"/x/a-1\"}\n";
        assert_eq!(executable(messages, "a").unwrap(), PathBuf::from("/x/a-1"));
        assert_eq!(executable(messages, "b"), None);
    }
}
