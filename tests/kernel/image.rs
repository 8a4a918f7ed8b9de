//! The image of deploy/image: built, and run as a container with the capabilities that deploy/ lists and nothing else, it
//! watches pools in other containers.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    clock,
    containers::engine::{Engine, Kind},
    http, need,
    need::Feature,
    page::Page,
    place,
    postgres::{Server, Way, tool},
    process,
};

const BUILD: Duration = Duration::from_mins(2);
const SOON: Duration = Duration::from_secs(30);
const CONNECTIONS: &str = "db_client_connection_count";
/// Of an older connection the state is not known.
const UNKNOWN: &str = "poolwatch_pool_unknown_connections";
const TAG: &str = "localhost/poolwatch:tests";
/// Those that deploy/ lists, as a container is given them.
const CAPABILITIES: [&str; 5] = ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_ADMIN"];
/// Their numbers in the same order.
/// Source: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h>.
const NUMBERS: [u32; 5] = [39, 38, 19, 2, 21];

/// One connection, which it uses until it is killed.
fn application(server: &Server, way: Way) -> Result<Vec<String>> {
    let psql = tool("psql")?.get_program().to_string_lossy().into_owned();
    let address = server.address_of(way, "postgres", "postgres");
    Ok([psql.as_str(), "-X", "-d", &address, "-c", "select pg_sleep(600)"].map(str::to_owned).into())
}

fn build(engine: &Engine, kind: Kind) -> Result<()> {
    let script = place::here().join("../deploy/image/build");
    let mut build = Command::new(script);
    build.arg(place::agent()?).arg(TAG).env("CONTAINER", kind.name());
    for (name, value) in engine.environment()? {
        build.env(name, value);
    }
    process::run("deploy/image/build", &mut build, BUILD)?.success("deploy/image/build").map(drop)
}

/// As docs/operations.md runs it.
fn options<'a>(capabilities: &[&'a str]) -> Vec<&'a str> {
    let mut options = vec!["--pid", "host", "--network", "host", "--read-only", "--cap-drop", "ALL"];
    options.extend(capabilities.iter().flat_map(|capability| ["--cap-add", *capability]));
    options.extend(["--security-opt", "no-new-privileges", "--security-opt", "apparmor=unconfined"]);
    options
}

/// Docker 20.10 does not know the two that are newest; `SYS_ADMIN` stands in for them.
fn known(engine: &Engine) -> &'static [&'static str] {
    let tried = engine.run_image("tried", &options(&CAPABILITIES), TAG, &["--version".to_owned()]);
    match tried {
        Err(error) if format!("{error:#}").contains("unknown capability") => &CAPABILITIES[2..],
        _ => &CAPABILITIES,
    }
}

/// What the machine says of the agent in its container.
fn confined(pid: u32, given: &[&str]) -> Result<()> {
    let numbers = CAPABILITIES.iter().zip(NUMBERS).filter(|(name, _)| given.contains(name));
    let listed = numbers.fold(0, |set: u64, (_, number)| set | 1 << number);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        let held = u64::from_str_radix(line(set).context("capabilities")?, 16)?;
        println!("{set} {held:x}");
        ensure!(held == listed, "{set} {held:x}, not {listed:x}");
    }
    ensure!(line("NoNewPrivs:") == Some("1"), "{status}");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts"))?;
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).context("a root")?;
    let options = root.split(' ').nth(3).unwrap_or_default();
    ensure!(options.split(',').any(|option| option == "ro"), "{root}");
    Ok(())
}

fn watches_others(kind: Kind) -> Result<()> {
    let (server, engine) = (Server::start()?, Engine::start(kind)?);
    build(&engine, kind)?;
    let older = engine.run("older", &[], &application(&server, Way::Tcp4)?)?;
    let socket = server.host(Way::Unix);
    let mount = format!("{socket}:{socket}");
    let apart = application(&server, Way::Unix)?;
    let apart = engine.run("apart", &["--network", "none", "--volume", &mount], &apart)?;
    let asleep = "select count(*) from pg_stat_activity where query like 'select pg_sleep(600)%'";
    clock::until(SOON, "both queries", || Ok((server.psql("postgres", asleep)? == "2").then_some(())))
        .with_context(|| engine.log("older") + &engine.log("apart"))?;

    let listen = format!("127.0.0.1:{}", place::free_port()?);
    let arguments = ["--listen".to_owned(), listen.clone()];
    let given = known(&engine);
    let agent = engine.run_image("poolwatch", &options(given), TAG, &arguments)?;
    let get = |path: &str| http::get(&format!("http://{listen}{path}"));
    clock::until(SOON, "the agent", || Ok(get("/readyz").ok().filter(|answer| answer.0 == 200)))
        .with_context(|| engine.log("poolwatch"))?;
    confined(engine.pid(&agent)?, given)?;
    let page = Page::parse(&get("/metrics")?.1)?;
    for container in [&older, &apart] {
        let pid = engine.pid(container)?.to_string();
        let there = page.sum(UNKNOWN, &[("process_pid", &pid)]);
        println!("{kind:?}: process {pid}, older than the agent: {there} connections");
        ensure!(there == 1.0, "{there}\n{}{}", engine.log("poolwatch"), page.text);
    }

    let newer = engine.run("newer", &[], &application(&server, Way::Tcp4)?)?;
    let (pid, port) = (engine.pid(&newer)?.to_string(), server.port().to_string());
    let labels = [
        ("process_pid", pid.as_str()),
        ("server_port", port.as_str()),
        ("db_namespace", "postgres"),
        ("service_name", "psql"),
        ("db_client_connection_state", "used"),
    ];
    clock::until(SOON, "its pool", || {
        let page = Page::parse(&get("/metrics")?.1)?;
        Ok((page.sum(CONNECTIONS, &labels) == 1.0).then_some(()))
    })
    .with_context(|| engine.log("poolwatch"))?;

    let said = engine.call(["exec", "poolwatch", "/usr/local/bin/poolwatch", "check"])?;
    println!("{said}");
    ensure!(said.contains("poolwatch can watch here"), "{said}");
    engine.call(["stop", "--time", "10", "poolwatch"])?;
    let code = engine.call(["inspect", "--format", "{{.State.ExitCode}}", "poolwatch"])?;
    ensure!(code == "0", "it ended with {code}: {}", engine.log("poolwatch"));
    Ok(())
}

#[test]
fn with_the_listed_capabilities_it_watches_pools_in_other_containers_of_docker() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Docker);
    watches_others(Kind::Docker)
}

#[test]
fn with_the_listed_capabilities_it_watches_pools_in_other_containers_of_podman() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Podman);
    watches_others(Kind::Podman)
}
