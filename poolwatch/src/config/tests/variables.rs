//! The environment. A test cannot change its own safely, so each case runs in a child process.

use std::process;

use super::flags::{line, watch};
use crate::config::Command;

/// Names the arguments for the child.
const ARGUMENTS: &str = "TEST_ARGUMENTS";

/// Not a test: what the children run. Prints what the arguments and the environment give.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
    match line(&arguments.split_whitespace().collect::<Vec<_>>()) {
        Ok(Command::Watch(config)) => println!("{config:#?}"),
        Ok(other) => println!("{other:?}"),
        Err(stop) => println!("{stop}"),
    }
}

fn with(arguments: &str, variables: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = process::Command::new(program)
        .args(["--ignored", "--exact", "--nocapture", "config::tests::variables::child"])
        .env(ARGUMENTS, arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the child runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_environment_stands_between_flags_and_file() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../poolwatch.example.toml");
    let config = with(
        "--slow-threshold 3s",
        &[
            ("POOLWATCH_CONFIG", example),
            ("POOLWATCH_SLOW_THRESHOLD", "2s"),
            ("POOLWATCH_PORT", "7000,7001"),
            ("POOLWATCH_LABEL_USER", "yes"),
            ("POOLWATCH_VERBOSE", "2"),
            ("POOLWATCH_NO_SQL", "0"),
        ],
    )
    .replace(char::is_whitespace, "");
    for part in [
        "slow_threshold:3000000000",
        "ports:[7000,7001,]",
        "label_user:true",
        "sql:true",
        "TRACE",
        "(\"region\",\"eu\",)",
    ] {
        assert!(config.contains(part), "{part} is not in {config}");
    }
}

#[test]
fn empty_variables_and_service_links_are_not_meant() {
    let config = with(
        "--slow-threshold 3s",
        &[
            ("POOLWATCH_PORT", "tcp://10.43.7.1:9762"),
            ("POOLWATCH_LISTEN", ""),
            ("POOLWATCH_LABEL", ""),
            ("POOLWATCH_NO_SQL", ""),
        ],
    );
    assert!(config.contains(&format!("{:#?}", watch(&["--slow-threshold", "3s"]))), "{config}");
}

#[test]
fn a_wrong_variable_names_its_option() {
    let text = with("", &[("POOLWATCH_WARN_UTILIZATION", "2")]);
    assert!(text.contains("'2' for '--warn-utilization <RATIO>'"), "{text}");
    assert!(text.contains("above 0 and at most 1"), "{text}");
    let text = with("", &[("POOLWATCH_WARN_UTILIZATION", "0.99")]);
    assert!(text.contains("POOLWATCH_WARN_UTILIZATION: warn_utilization: 0.99 must be below"), "{text}");
}

#[test]
fn variables_are_no_obstacle_to_other_commands() {
    let variables =
        [("POOLWATCH_LISTEN", "127.0.0.1:1"), ("POOLWATCH_PID", "5"), ("POOLWATCH_LOG_FORMAT", "")];
    assert!(with("check", &variables).contains("\nCheck\n"));
    assert!(with("config check f", &variables).contains("ConfigCheck(Some(\"f\"))"));
    let recorded = with("record -o f", &variables);
    assert!(
        recorded.contains("Record(Config { listen: 127.0.0.1:1, targets: Targets { pids: [5]"),
        "{recorded}"
    );
}
