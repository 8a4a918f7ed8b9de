//! Whose pool it is where there is no Kubernetes: one application in Docker, in Podman, in a unit of systemd, and plain.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch::discover::{self, Container, Keeper};
use poolwatch_tests::{
    agent::Agent,
    clock,
    containers::engine::{Engine, Kind},
    need,
    need::Feature,
    postgres::{Server, Way, tool},
    process::Process,
};
use serde_json::Value;

/// How long an application may take to connect.
const SOON: Duration = Duration::from_secs(30);
const CONNECTIONS: &str = "db_client_connection_count";
const OPENED: &str = "poolwatch_connections_opened_total";
/// A unit's name; no machine has it.
const UNIT: &str = "poolwatch-tests-shop";

/// The application: one connection, which it uses until it is killed.
fn application(server: &Server) -> Result<Vec<String>> {
    let psql = tool("psql")?.get_program().to_string_lossy().into_owned();
    let address = server.address_of(Way::Tcp4, "postgres", "postgres");
    Ok([psql.as_str(), "-X", "-d", &address, "-c", "select pg_sleep(600)"].map(str::to_owned).into())
}

/// The process's pool is of this service, on the page and in JSON, and no part of a pod.
fn check(agent: &Agent, server: &Server, pid: u32, service: &str) -> Result<()> {
    let (process, port) = (pid.to_string(), server.port().to_string());
    let ours = [("process_pid", process.as_str()), ("server_port", port.as_str())];
    let page = clock::until(SOON, "its pool", || {
        let page = agent.metrics()?;
        Ok((page.matching(CONNECTIONS, &ours).count() > 0).then_some(page))
    });
    let page = page.with_context(|| agent.errors())?;
    let names = ["service_name", "k8s_pod_name", "k8s_container_name", "k8s_namespace_name"];
    let gauges: BTreeSet<_> = page
        .matching(CONNECTIONS, &ours)
        .map(|sample| names.map(|name| sample.labels.get(name).map_or("", String::as_str)))
        .collect();
    ensure!(gauges == BTreeSet::from([[service, "", "", ""]]), "{gauges:?}");
    let opened = page.sum(OPENED, &[("service_name", service), ("server_port", &port)]);
    ensure!(opened >= 1.0, "{opened} opened by {service}");

    let json = agent.json("/api/v1/pools")?;
    let pools = json.get("pools").and_then(Value::as_array).context("pools")?;
    let is_its = |pool: &&Value| pool.pointer("/process/pid") == Some(&Value::from(pid));
    let pool = pools.iter().find(is_its).context("the pool")?;
    let of = |path: &str| pool.pointer(path).context("a key").cloned();
    let process = of("/process")?;
    println!("{service} {process}: {}", fs::read_to_string(format!("/proc/{pid}/cgroup"))?);
    ensure!(of("/service")? == service && of("/process/name")? == "psql", "{pool}");
    ensure!(of("/process/container")?.is_null() && of("/process/pod")?.is_null(), "{pool}");
    Ok(())
}

/// Its cgroup tells the identity that its engine gave it, and that Kubernetes need not be asked.
fn contained(pid: u32, id: &str) -> Result<()> {
    let seen = discover::process(pid)?.container;
    ensure!(seen == Some(Container { id: id.to_owned(), keeper: Keeper::Other }), "{seen:?} is not {id}");
    Ok(())
}

fn an_engine(kind: Kind) -> Result<()> {
    let (server, engine) = (Server::start()?, Engine::start(kind)?);
    let application = application(&server)?;
    let agent = Agent::start(["--cri", "auto"])?;
    let plain = engine.run("shop", &[], &application)?;
    contained(engine.pid(&plain)?, &plain)?;
    check(&agent, &server, engine.pid(&plain)?, "psql").with_context(|| engine.log(&plain))?;
    let named = engine.run("named", &["--env", "OTEL_SERVICE_NAME=checkout"], &application)?;
    contained(engine.pid(&named)?, &named)?;
    check(&agent, &server, engine.pid(&named)?, "checkout").with_context(|| engine.log(&named))
}

#[test]
fn a_container_of_docker_is_known_and_its_service_is_its_program_or_what_it_says() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Docker);
    an_engine(Kind::Docker)
}

#[test]
fn a_container_of_podman_is_known_and_its_service_is_its_program_or_what_it_says() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Podman);
    an_engine(Kind::Podman)
}

/// A cgroup that is removed when dropped, once what runs in it has ended.
struct Group(PathBuf);

impl Group {
    /// The same path below each of these hierarchies.
    fn make(hierarchies: &[PathBuf], path: &str) -> Result<Vec<Self>> {
        let make = |hierarchy: &PathBuf| {
            let group = hierarchy.join(path);
            fs::create_dir_all(&group).with_context(|| group.display().to_string())?;
            Ok(Self(group))
        };
        hierarchies.iter().map(make).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The unit's, then its slice's, which others may use.
        let gone =
            clock::until(Duration::from_secs(5), "an empty group", || Ok(fs::remove_dir(&self.0).ok()));
        if gone.is_ok() {
            let _ = self.0.parent().map(fs::remove_dir);
        }
    }
}

/// Where the hierarchies that systemd keeps are mounted: version 2's, and version 1's of its name.
fn hierarchies() -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounted = |is: &dyn Fn(&str, &str) -> bool| {
        let lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let of_kind = lines.filter_map(|words| match words[..] {
            [_, path, kind, options, ..] if is(kind, options) => Some(PathBuf::from(path)),
            _ => None,
        });
        of_kind.take(1).collect()
    };
    let old = |kind: &str, options: &str| kind == "cgroup" && options.split(',').any(|o| o == "name=systemd");
    Ok((mounted(&|kind, _| kind == "cgroup2"), mounted(&old)))
}

/// Starts the application in these groups.
fn start_in(groups: &[Group], application: &[String]) -> Result<Process> {
    let mut shell = Command::new("sh");
    shell.args([
        "-ec",
        "until [ \"$1\" = -- ]; do echo $$ > \"$1/cgroup.procs\"; shift; done; shift; exec \"$@\"",
        "sh",
    ]);
    shell.args(groups.iter().map(|group| &group.0)).arg("--").args(application);
    shell.env_remove("OTEL_SERVICE_NAME");
    Process::start("psql", &mut shell)
}

#[test]
fn a_unit_of_systemd_names_the_service_in_whichever_hierarchy_it_is() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let (new, old) = hierarchies()?;
    let both = [new.clone(), old.clone()].concat();
    ensure!(!both.is_empty(), "no cgroups are mounted");
    let server = Server::start()?;
    let agent = Agent::start(["--cri", "auto"])?;
    for hierarchies in [new, old, both] {
        println!("in {hierarchies:?}:");
        if hierarchies.is_empty() {
            continue;
        }
        let groups = Group::make(&hierarchies, &format!("system.slice/{UNIT}.service"))?;
        let process = start_in(&groups, &application(&server)?)?;
        check(&agent, &server, process.pid(), UNIT)?;
        ensure!(discover::process(process.pid())?.container.is_none(), "it is in no container");
    }
    Ok(())
}

#[test]
fn a_plain_process_is_a_service_by_its_own_name() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let (new, old) = hierarchies()?;
    let server = Server::start()?;
    let agent = Agent::start(["--cri", "auto"])?;
    // These tests may run in a unit: a plain process is in none.
    let groups = Group::make(&[new, old].concat(), "poolwatch-tests-plain.slice")?;
    let process = start_in(&groups, &application(&server)?)?;
    check(&agent, &server, process.pid(), "psql")?;
    ensure!(discover::process(process.pid())?.container.is_none(), "it is in no container");
    Ok(())
}
