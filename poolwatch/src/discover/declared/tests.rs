//! Whole environments and command lines, and what no text can do.

use proptest::prelude::*;

use super::*;

fn of(executable: &str, environment: &[&str], arguments: &[&str]) -> Declared {
    let bytes =
        |texts: &[&str]| texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
    let (environment, arguments) = (bytes(environment), bytes(arguments));
    let program = Program { executable, environment: &environment, arguments: &arguments };
    declared(&program, &mut |_| None)
}

fn sizes(min: Option<i64>, max: Option<i64>) -> Declared {
    Declared { min, max, ..Declared::default() }
}

#[test]
fn the_issues_names() {
    let environment = [
        "PATH=/bin",
        "DATABASE_POOL_MIN=2",
        "DATABASE_POOL_MAX=20",
        "DATABASE_POOL_IDLE_TIMEOUT=30000",
        "DATABASE_POOL_CONNECTION_TIMEOUT=10000",
        "DATABASE_URL=postgres://app:secret@db/shop",
    ];
    let expected = Declared {
        min: Some(2),
        max: Some(20),
        idle_timeout: Some(30_000),
        connection_timeout: Some(10_000),
    };
    assert_eq!(of("node", &environment, &["node", "server.js"]), expected);
    assert_eq!(of("node", &["DB_POOL_MAX_CONNECTIONS=20"], &[]), sizes(None, Some(20)));
    assert_eq!(of("node", &["DB_POOL_IDLE_TIMEOUT_MS=30000"], &[]).idle_timeout, Some(30_000));
    assert_eq!(of("node", &["PATH=/bin", "DATABASE_URL=postgres://db/shop"], &[]), Declared::default());
}

#[test]
fn the_framework_s_own_place_beats_a_general_name() {
    let url = "DATABASE_URL=postgresql://app@db/shop?connection_limit=5";
    assert_eq!(of("node", &["DATABASE_POOL_MAX=20", url], &[]).max, Some(5));
    let hikari = "SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE=7";
    assert_eq!(of("java", &[hikari, "DB_POOL_SIZE=20"], &[]).max, Some(7));
    let property = ["java", "-Dspring.datasource.hikari.maximum-pool-size=8", "-jar", "shop.jar"];
    assert_eq!(of("java", &[hikari], &property).max, Some(8));
    let argument = ["java", "-jar", "shop.jar", "--spring.datasource.hikari.maximum-pool-size=9"];
    assert_eq!(of("java", &[hikari], &argument).max, Some(9));
    let json = r#"SPRING_APPLICATION_JSON={"spring":{"datasource":{"hikari":{"maximum-pool-size":6}}}}"#;
    assert_eq!(of("java", &[hikari, json], &property).max, Some(6));
    let tool = "JAVA_TOOL_OPTIONS=-Xmx1g -Dspring.datasource.hikari.minimumIdle=3";
    assert_eq!(of("java", &[tool, hikari], &["java"]), sizes(Some(3), Some(7)));
}

#[test]
fn two_pools_with_two_sizes_have_no_common_one() {
    let urls = [
        "DATABASE_URL=postgres://db/shop?connection_limit=5",
        "ANALYTICS_URL=postgres://db/lake?connection_limit=2",
    ];
    assert_eq!(of("node", &urls, &[]), Declared::default());
    let urls = [
        "DATABASE_URL=postgres://db/shop?connection_limit=5",
        "DIRECT_URL=postgres://db/shop?connection_limit=1",
        "REPLICA_URL=postgres://replica/shop?connection_limit=5",
    ];
    assert_eq!(of("node", &urls, &[]).max, Some(5));
    assert_eq!(of("node", &["DB_POOL_MAX=5", "JOBS_DB_POOL_MAX=2"], &[]), Declared::default());
}

#[test]
fn each_framework_in_its_own_environment() {
    let rails = ["RAILS_MAX_THREADS=5", "DATABASE_URL=postgres://db/shop"];
    assert_eq!(of("ruby3.1", &rails, &["puma 6.4.0 (tcp://0.0.0.0:3000) [shop]"]), sizes(None, Some(5)));
    assert_eq!(of("node", &rails, &[]), Declared::default());
    let rails = ["RAILS_MAX_THREADS=5", "DATABASE_URL=postgres://db/shop?pool=9&checkout_timeout=3"];
    let found = of("ruby3.1", &rails, &[]);
    assert_eq!((found.max, found.connection_timeout), (Some(9), Some(3000)));
    assert_eq!(of("beam.smp", &["POOL_SIZE=15"], &[]), sizes(None, Some(15)));
    assert_eq!(of("node", &["POOL_SIZE=15"], &[]), Declared::default());
    let flask = ["SQLALCHEMY_POOL_SIZE=5", "SQLALCHEMY_MAX_OVERFLOW=3", "SQLALCHEMY_POOL_TIMEOUT=30"];
    let found = of("python3.11", &flask, &[]);
    assert_eq!((found.max, found.connection_timeout), (Some(8), Some(30_000)));
    assert_eq!(of("python3.11", &flask[..1], &[]), Declared::default());
    let rust =
        ["PG__POOL__MAX_SIZE=16", "PG__POOL__TIMEOUTS__WAIT__SECS=5", "PG__POOL__TIMEOUTS__WAIT__NANOS=0"];
    let found = of("shop", &rust, &[]);
    assert_eq!((found.max, found.connection_timeout), (Some(16), Some(5000)));
    let dotnet = ["ConnectionStrings__Default=Host=db;Username=a;Maximum Pool Size=30;Timeout=15"];
    let found = of("dotnet", &dotnet, &[]);
    assert_eq!((found.max, found.connection_timeout), (Some(30), Some(15_000)));
    let go = ["-dsn=postgres://db/shop?pool_max_conns=8&pool_min_conns=2"];
    assert_eq!(of("shop", &[], &[&["shop"][..], &go].concat()), sizes(Some(2), Some(8)));
    assert_eq!(of("shop", &[], &["shop", "--db-pool-max", "8"]), sizes(None, Some(8)));
}

#[test]
fn pgbouncer_is_asked_for_its_file() {
    let arguments = b"/usr/sbin/pgbouncer\0-d\0/etc/pgbouncer/pgbouncer.ini\0";
    let environment = b"DB_POOL_SIZE=99\0";
    let program = Program { executable: "pgbouncer", environment, arguments };
    let mut asked = Vec::new();
    let found = declared(&program, &mut |path| {
        asked.push(path.to_owned());
        Some("[pgbouncer]\ndefault_pool_size = 15\n".to_owned())
    });
    assert_eq!(found, sizes(None, Some(15)));
    assert_eq!(asked, ["/etc/pgbouncer/pgbouncer.ini"]);
}

#[test]
fn nonsense_is_shown_or_absent_but_never_taken_for_another_number() {
    assert_eq!(of("node", &["DATABASE_POOL_MAX=-5"], &[]).max, Some(-5));
    assert_eq!(of("node", &["DATABASE_POOL_MAX=0"], &[]).max, Some(0));
    for value in ["", "ten", "10 connections", "1e2", "99999999999999999999", "0x10", "${MAX}", "10,20"] {
        assert_eq!(of("node", &[&format!("DATABASE_POOL_MAX={value}")], &[]), Declared::default(), "{value}");
    }
    assert_eq!(
        of("node", &["DATABASE_POOL_MAX", "=5", "="], &["", "--", "-", "-D", "-D="]),
        Declared::default()
    );
}

/// What leaves is a copy of four numbers. This compiles only while nothing else is in it.
#[test]
fn no_text_can_leave() {
    const fn is_plain<T: Copy + 'static>(value: T) -> T {
        value
    }
    let Declared { min, max, idle_timeout, connection_timeout } =
        is_plain(of("node", &["DATABASE_PASSWORD=hunter2", "DB_POOL_MAX=hunter2"], &["node", "hunter2"]));
    let numbers: [Option<i64>; 4] = [min, max, idle_timeout, connection_timeout];
    assert_eq!(numbers, [None; 4]);
}

/// Pieces of names and values, so that made-up texts come near what is looked for.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "DATABASE_",
            "DB_",
            "POOL_",
            "MAX",
            "SIZE",
            "_TIMEOUT",
            "=",
            "postgres://",
            "h/d?",
            "pool=",
            "&",
            "'",
            "\"",
            "-D",
            "--",
            "{",
            "}",
            ":",
            "\0",
            "PT",
            "1",
            "-9",
            "99999999999999999999",
            "s",
            "Host=h;",
            "ä",
            " ",
            "\\",
            "JAVA_TOOL_OPTIONS=",
            "SPRING_APPLICATION_JSON=",
            "hikari.maximum-pool-size",
            "[pgbouncer]\n",
            "%include x\n",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(
        environment in prop::collection::vec(piece(), 0..60),
        arguments in prop::collection::vec(piece(), 0..30),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        executable in prop::sample::select(vec!["node", "ruby", "pgbouncer", "java", "beam.smp"]),
    ) {
        let environment = [environment.concat().into_bytes(), bytes.clone()].concat();
        let arguments = [b"x\0".to_vec(), arguments.concat().into_bytes(), bytes].concat();
        let program = Program { executable, environment: &environment, arguments: &arguments };
        let text = String::from_utf8_lossy(&environment).into_owned();
        let found = declared(&program, &mut |_| Some(text.clone()));
        prop_assert_eq!(found, declared(&program, &mut |_| Some(text.clone())));
    }

    #[test]
    fn a_number_comes_back_as_it_was(max in any::<i64>(), seconds in 0_i64..1_000_000) {
        let max_is = format!("DB_POOL_MAX={max}");
        let idle_is = format!("DB_POOL_IDLE_TIMEOUT_SECONDS={seconds}");
        let found = of("node", &[&max_is, &idle_is], &[]);
        prop_assert_eq!(found.max, Some(max));
        prop_assert_eq!(found.idle_timeout, Some(seconds * 1000));
    }
}
