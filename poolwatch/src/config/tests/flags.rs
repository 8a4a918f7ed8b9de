//! Arguments.

use super::super::*;
use crate::event::SECOND;

pub fn line(args: &[&str]) -> Result<Command, Stop> {
    parse(["poolwatch"].iter().chain(args).map(OsString::from))
}

pub fn watch(args: &[&str]) -> Config {
    match line(args) {
        Ok(Command::Watch(config)) => *config,
        other => panic!("{args:?} gives {other:?}"),
    }
}

pub fn wrong(args: &[&str]) -> String {
    match line(args) {
        Err(stop @ Stop::Config(_)) => stop.to_string(),
        Err(Stop::Arguments(error)) => {
            assert_eq!(error.exit_code(), 2, "{args:?}");
            error.to_string()
        }
        Ok(command) => panic!("{args:?} gives {command:?}"),
    }
}

#[test]
fn without_arguments_the_defaults_of_the_contract_hold() {
    let config = watch(&[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:9762");
    assert_eq!(config.targets.ports, [5432, 6432]);
    assert_eq!(config.inference, Settings::default());
    assert_eq!((config.evidence, config.tls, config.probes), (Evidence::Auto, Tls::Auto, Probes::Auto));
    assert!(
        config.targets.pids.is_empty() && config.targets.follow_children && !config.targets.exit_with_pid
    );
    assert_eq!(config.cri, Cri::Auto);
    assert_eq!(config.ring_bytes, 4 << 20);
    assert!(config.sql && !config.label_user && config.labels.is_empty());
    assert_eq!(config.log, LogSettings { format: LogFormat::Text, level: LevelFilter::INFO });
    assert!(config.targets.services.wants("anything"));
    assert_eq!(config.access, AccessFiles::default());
}

#[test]
fn each_flag_arrives() {
    let config = watch(&[
        "--pid=42",
        "--pid",
        "7",
        "--no-follow-children",
        "--exit-with-pid",
        "--listen",
        "[::1]:80",
        "--service",
        "api-*",
        "--service",
        "web",
        "--exclude",
        "api-old",
        "--port",
        "5433,5434",
        "--port",
        "5432",
        "--slow-threshold",
        "1.5s",
        "--warn-utilization",
        "0.7",
        "--critical-utilization",
        "0.9",
        "--pool-max",
        "api=20",
        "--pool-max",
        "10",
        "--evidence",
        "off",
        "--tls",
        "turns",
        "--no-sql",
        "--label-user",
        "--label",
        "region=eu=1",
        "--auth-token-file",
        "/t",
        "--tls-cert",
        "/c",
        "--tls-key",
        "/k",
        "--log-format",
        "json",
        "-vv",
        "--cri",
        "/run/crio/crio.sock",
        "--probes",
        "syscall",
        "--ring-bytes",
        "65536",
    ]);
    assert_eq!(
        (config.targets.pids.as_slice(), config.targets.follow_children, config.targets.exit_with_pid),
        (&[7, 42][..], false, true)
    );
    assert_eq!(config.listen.to_string(), "[::1]:80");
    let wanted =
        ["api-new", "web", "api-old", "worker"].map(|service| config.targets.services.wants(service));
    assert_eq!(wanted, [true, true, false, false]);
    assert_eq!(config.targets.ports, [5432, 5433, 5434]);
    assert_eq!(config.inference.slow_threshold, SECOND + SECOND / 2);
    assert_eq!(config.inference.pool_max, [(Some("api".to_owned()), 20), (None, 10)]);
    assert!((config.inference.warn_utilization - 0.7).abs() < f64::EPSILON);
    assert!((config.inference.critical_utilization - 0.9).abs() < f64::EPSILON);
    assert_eq!((config.evidence, config.tls, config.probes), (Evidence::Off, Tls::Turns, Probes::Syscall));
    assert_eq!(config.cri, Cri::At("/run/crio/crio.sock".into()));
    assert_eq!(config.ring_bytes, 65_536);
    assert!(!config.sql && config.label_user);
    assert_eq!(config.labels, [("region".to_owned(), "eu=1".to_owned())]);
    assert_eq!(config.access.auth_token_file, Some("/t".into()));
    assert_eq!(config.access.tls, Some(("/c".into(), "/k".into())));
    assert_eq!(config.log, LogSettings { format: LogFormat::Json, level: LevelFilter::TRACE });
}

#[test]
fn commands_are_told_apart() {
    let Ok(Command::Record(config, file)) = line(&["record", "-o", "f.pw", "--pid", "3", "--label-user"])
    else {
        panic!("not a recording");
    };
    assert_eq!((config.targets.pids.as_slice(), config.label_user, file), (&[3][..], true, "f.pw".into()));
    let output = |args: &[&str]| match line(args) {
        Ok(Command::Replay { file, output }) => (file.display().to_string(), output),
        other => panic!("{args:?} gives {other:?}"),
    };
    assert_eq!(output(&["replay", "f"]), ("f".to_owned(), Output::Summary));
    assert_eq!(output(&["replay", "f", "--metrics"]), ("f".to_owned(), Output::Metrics));
    assert_eq!(output(&["replay", "--json", "f"]), ("f".to_owned(), Output::Json));
    assert!(matches!(line(&["check"]), Ok(Command::Check)));
    assert!(matches!(line(&["config", "check"]), Ok(Command::ConfigCheck(None))));
    assert!(matches!(line(&["config", "check", "f"]), Ok(Command::ConfigCheck(Some(_)))));
}

#[test]
fn wrong_arguments_name_the_flag_and_what_is_allowed() {
    for (args, flag, allowed) in [
        (&["--pid", "0"][..], "--pid", "a whole number from 1"),
        (&["--pid", "abc"], "--pid", "a whole number from 1"),
        (&["--listen", "localhost"], "--listen", "ADDRESS:PORT, such as 127.0.0.1:9762"),
        (&["--port", "65536"], "--port", "a port from 1 to 65535"),
        (&["--slow-threshold", "0s"], "--slow-threshold", "a time above 0, such as 100ms"),
        (&["--slow-threshold=-1s"], "--slow-threshold", "a time above 0"),
        (&["--slow-threshold", "100"], "--slow-threshold", "such as 100ms"),
        (&["--warn-utilization", "0"], "--warn-utilization", "above 0 and at most 1"),
        (&["--critical-utilization", "1.01"], "--critical-utilization", "above 0 and at most 1"),
        (&["--critical-utilization", "NaN"], "--critical-utilization", "above 0 and at most 1"),
        (&["--pool-max", "api=0"], "--pool-max", "N or SERVICE=N"),
        (&["--pool-max", "=5"], "--pool-max", "names no service"),
        (&["--evidence", "sometimes"], "--evidence", "auto, always, off"),
        (&["--service", "[a"], "--service", "not a pattern"),
        (&["--label", "region"], "--label", "NAME=VALUE, such as region=eu"),
        (&["--label", "0x=1"], "--label", "no digit first"),
        (&["--label", "__name__=x"], "--label", "Prometheus keeps"),
        (&["--label", "process_pid=1"], "--label", "poolwatch sets itself"),
        (&["--label", "le=1"], "--label", "poolwatch sets itself"),
        (&["--slow-treshold", "1s"], "--slow-treshold", "--slow-threshold"),
        (&["replay"], "<FILE>", "required"),
        (&["replay", "f", "--json", "--metrics"], "--json", "cannot be used with"),
        (&["record", "--pid", "3"], "--output <FILE>", "required"),
        (&["--pid", "3", "check"], "check", "cannot be used with"),
    ] {
        let text = wrong(args);
        assert!(text.contains(flag) && text.contains(allowed), "{args:?}: {text}");
    }
}

#[test]
fn flags_that_contradict_each_other_are_both_named() {
    for (args, expected) in [
        (
            &["--warn-utilization", "0.95"][..],
            "--warn-utilization: warn_utilization: 0.95 must be below critical_utilization, which is 0.95 (default)",
        ),
        (&["--tls-cert", "c"], "--tls-cert: tls_cert: needs tls_key, its private key"),
        (&["--tls-key", "k"], "--tls-key: tls_key: needs tls_cert, its certificate"),
        (&["--exit-with-pid"], "--exit-with-pid: exit_with_pid: means nothing without --pid"),
        (&["-q", "-v"], "--quiet: quiet: cannot be together with verbose (--verbose)"),
        (&["--label", "a=1,a=2"], "--label: label: \"a\" is given twice"),
        (&["--pool-max", "5,6"], "--pool-max: pool_max: every other service is given two sizes"),
    ] {
        assert_eq!(wrong(args), expected);
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["record", "--help"]] {
        let Err(Stop::Arguments(stop)) = line(args) else { panic!("{args:?} goes on") };
        assert_eq!(stop.exit_code(), 0);
    }
}

#[test]
fn a_container_runtime_is_a_socket_or_a_word() {
    assert_eq!(watch(&["--cri", "off"]).cri, Cri::Off);
    // As the kubelet's own configuration has it.
    assert_eq!(watch(&["--cri=unix:///run/a.sock"]).cri, Cri::At("/run/a.sock".into()));
    for value in ["", "on", "run/a.sock", "/", "unix://", "http://10.0.0.1", "tcp:///run/a.sock"] {
        let text = wrong(&["--cri", value]);
        assert!(text.contains("neither auto, off, nor the path of a socket"), "{text}");
    }
}
