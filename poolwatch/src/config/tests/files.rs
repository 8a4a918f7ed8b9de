//! The file.

use std::path::PathBuf;

use super::{
    super::*,
    flags::{watch, wrong},
};
use crate::infer::settings::ServerSettings;

/// A file that goes with the test.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let file = std::env::temp_dir().join(format!("poolwatch-{name}-{}.toml", std::process::id()));
        std::fs::write(&file, text).expect("a file");
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of letters")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn mistake(text: &str) -> String {
    file::decode(text, "poolwatch.toml").expect_err("a mistake").to_string()
}

#[test]
fn the_example_loads_and_means_what_it_says() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../poolwatch.example.toml");
    let config = watch(&["--config", example]);
    assert_eq!(config.inference.pool_max, [(Some("api".to_owned()), 20), (None, 10)]);
    assert!(!config.targets.services.wants("psql") && config.targets.services.wants("api"));
    assert_eq!(config.labels.len(), 2);
    let local = ServerSettings {
        address: "/var/run/postgresql".into(),
        port: None,
        alias: Some("local".into()),
        max_connections: None,
    };
    assert_eq!(config.inference.servers[1], local);
    assert_eq!(config.inference.servers[0].max_connections, Some(200));
    // Where the example shows a default it is the default.
    let (defaults, shown) = (watch(&[]), &config);
    assert_eq!(
        (shown.listen, &shown.targets.ports, shown.log),
        (defaults.listen, &defaults.targets.ports, defaults.log)
    );
    assert_eq!(shown.inference.slow_threshold, defaults.inference.slow_threshold);
    assert!(check(Some(Path::new(example))).expect("it is valid").ends_with("poolwatch.example.toml: ok"));
}

#[test]
fn every_option_is_in_the_example() {
    let example = include_str!("../../../../poolwatch.example.toml");
    let missing: Vec<_> = file::option_keys()
        .into_iter()
        .filter(|key| !example.contains(&format!("{key} = ")) && !example.contains(&format!("[{key}]")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_pool_of_more_than_a_hundred_is_doubted() {
    let file = Written::new("many", "pool_max = [\"api=100\", \"batch=101\"]\n");
    let config = watch(&["--config", file.path()]);
    let [doubt] = config.doubts.as_slice() else { panic!("{:?}", config.doubts) };
    assert!(
        doubt.ends_with("line 1: pool_max: 101 connections for a pool of batch: above 100 is seldom meant")
    );
    assert!(check(Some(Path::new(file.path()))).expect("it is valid").ends_with(&format!(": ok\n{doubt}")));
}

#[test]
fn flags_win_over_the_file() {
    let file =
        Written::new("over", "slow_threshold = \"2s\"\nlabel_user = true\nport = [1, 2]\nverbose = 1\n");
    let config =
        watch(&["--config", file.path(), "--slow-threshold", "3s", "--label-user=false", "--port", "9"]);
    assert_eq!(config.inference.slow_threshold, 3_000_000_000);
    assert!(!config.label_user);
    assert_eq!(config.targets.ports, [9]);
    assert_eq!(config.log.level, LevelFilter::DEBUG);
    assert!(watch(&["--config", file.path()]).label_user);
}

#[test]
fn mistakes_name_the_line_the_key_and_what_is_allowed() {
    for (text, expected) in [
        (
            "\nslow_treshold = \"1s\"",
            "poolwatch.toml line 2: slow_treshold: there is no such key; did you mean slow_threshold?",
        ),
        (
            "warn-utilization = 0.5",
            "poolwatch.toml line 1: warn-utilization: there is no such key; did you mean warn_utilization?",
        ),
        (
            "port = [1]\n\n[[server]]\naddress = \"::1\"\nmax_conections = 3",
            "poolwatch.toml line 5: server.max_conections: there is no such key; did you mean max_connections?",
        ),
        (
            "tls = \"off\"\nwarn_utilization = 1.5\nport = [1]",
            "poolwatch.toml line 2: warn_utilization: 1.5 is not a number above 0 and at most 1, such as 0.8",
        ),
        (
            "slow_threshold = \"0ms\"",
            "poolwatch.toml line 1: slow_threshold: \"0ms\" is not a time above 0, such as 100ms, 1.5s or 2m",
        ),
        (
            "slow_threshold = 5",
            "poolwatch.toml line 1: slow_threshold: invalid type: integer `5`, expected a string",
        ),
        // The line of the key: a list may be long, but it has one name.
        ("\nport = [\n  5432,\n  0,\n]", "poolwatch.toml line 2: port: 0 is not a port from 1 to 65535"),
        (
            "pool_max = [\"api=0\"]",
            "poolwatch.toml line 1: pool_max: \"api=0\" is not N or SERVICE=N, such as 20 or api=20: \
             0 is not a whole number from 1 to 4294967295",
        ),
        (
            "evidence = \"sometimes\"",
            "poolwatch.toml line 1: evidence: unknown variant `sometimes`, expected one of `auto`, `always`, `off`",
        ),
        (
            "[[server]]\naddress = \"::1\"\n[[server]]\naddress = \"db.example\"",
            "poolwatch.toml line 4: server.address: \"db.example\" is neither an IP address nor the directory of a \
             UNIX socket; a host name is not seen on the wire: give it as `alias`",
        ),
        ("port = [1]\n[[server]]\nport = 1", "poolwatch.toml line 2: server: missing field `address`"),
        (
            "[[server]]\naddress = \"::1\"\n[[server]]",
            "poolwatch.toml line 3: server: missing field `address`",
        ),
    ] {
        assert_eq!(mistake(text), expected);
    }
    assert!(mistake("listen = \n").starts_with("poolwatch.toml line 1: this is not TOML: "));
    let nothing_alike = mistake("zzz = 1");
    assert!(
        nothing_alike.contains("there are pid, ") && !nothing_alike.contains("config"),
        "{nothing_alike}"
    );
    assert!(mistake("config = \"other.toml\"").contains("config: there is no such key"));
}

#[test]
fn what_two_lines_say_together_is_checked_too() {
    let file = Written::new("cross", "\nwarn_utilization = 0.9\n\ncritical_utilization = 0.8\n");
    let path = file.path();
    let text = format!(
        "{path} line 2: warn_utilization: 0.9 must be below critical_utilization, which is 0.8 ({path} line 4)"
    );
    assert_eq!(wrong(&["--config", path]), text);
    let twice = Written::new(
        "twice",
        "[[server]]\naddress = \"::ffff:10.0.0.5\"\n[[server]]\naddress = \"10.0.0.5\"\n",
    );
    let text = wrong(&["--config", twice.path()]);
    assert!(text.ends_with("server: 10.0.0.5, every port, is there twice"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let text = wrong(&["--config", "/nonexistent/poolwatch.toml"]);
    assert!(text.starts_with("/nonexistent/poolwatch.toml: cannot be read: No such file"), "{text}");
    let folder = wrong(&["--config", "/"]);
    assert!(folder.starts_with("/: cannot be read: "), "{folder}");
}

#[test]
fn a_check_reads_the_secrets_too() {
    let file = Written::new("secrets", "auth_token_file = \"/nonexistent/token\"\n");
    let text = check(Some(&file.0)).expect_err("there is no token").to_string();
    assert!(text.contains("auth_token_file: cannot read /nonexistent/token"), "{text}");
}
