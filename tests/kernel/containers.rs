//! Whose pool it is: pods of a real container runtime, with their names on the page.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock,
    containers::{Pod, Runtime, socket_in},
    http, need,
    need::Feature,
    page::{Page, Sample},
    place,
    postgres::{Server, Way, tool},
};

/// How long a container may take to connect, and the agent to try a dead runtime again.
const SOON: Duration = Duration::from_secs(30);
const CONNECTIONS: &str = "db_client_connection_count";
const OPENED: &str = "poolwatch_connections_opened_total";

/// Of a Deployment.
const API: Pod<'_> = Pod {
    name: "api-7c9f8d6b5-x2x4z",
    namespace: "shop",
    uid: "7f8d3b1c-9a52-4e0e-b3d6-1c2f5a7e9d04",
    labels: &[("app", "api"), ("pod-template-hash", "7c9f8d6b5")],
    host: false,
};
/// Of nobody.
const BARE: Pod<'_> = Pod {
    name: "by-hand",
    namespace: "default",
    uid: "11111111-2222-4333-8444-555555555555",
    labels: &[],
    host: false,
};
/// Of a Job, which a `CronJob` made.
const JOB: Pod<'_> = Pod {
    name: "report-29384760-fz9qk",
    namespace: "shop",
    uid: "22222222-3333-4444-8555-666666666666",
    labels: &[("batch.kubernetes.io/job-name", "report-29384760")],
    host: false,
};
/// The agent's own.
const AGENT: Pod<'_> = Pod {
    name: "poolwatch-9vk2p",
    namespace: "poolwatch",
    uid: "99999999-8888-4777-8666-555555555555",
    labels: &[("controller-revision-hash", "6d5")],
    host: true,
};

/// A client with one connection, which it uses until it is killed.
fn client(server: &Server) -> Result<Vec<String>> {
    asking(server, "select pg_sleep(600)")
}

/// A client that asks this and ends.
fn asking(server: &Server, sql: &str) -> Result<Vec<String>> {
    let psql = tool("psql")?.get_program().to_string_lossy().into_owned();
    let address = server.address_of(Way::Tcp4, "postgres", "postgres");
    Ok(vec![psql, "-X".into(), "-d".into(), address, "-c".into(), sql.into()])
}

/// The series of this name that speak of this server.
fn series<'p>(page: &'p Page, name: &'p str, server: &Server) -> Vec<&'p Sample> {
    let port = server.port().to_string();
    page.matching(name, &[]).filter(|sample| label(sample, "server_port") == port).collect()
}

fn label<'s>(sample: &'s Sample, name: &str) -> &'s str {
    sample.labels.get(name).map_or("", String::as_str)
}

/// Waits until a pool has the name of this pod.
fn named(agent: &Agent, pod: &Pod<'_>) -> Result<Page> {
    named_in(|| agent.metrics(), pod).with_context(|| agent.errors())
}

fn named_in(metrics: impl Fn() -> Result<Page>, pod: &Pod<'_>) -> Result<Page> {
    clock::until(SOON, "a named pod", || {
        let page = metrics()?;
        let there = page.matching(CONNECTIONS, &[("k8s_pod_name", pod.name)]).count() > 0;
        Ok(there.then_some(page))
    })
}

/// A pod, what its container is called, and its service.
type Expected<'a> = (&'a Pod<'a>, &'a str, &'a str);

/// The server's pools have these labels and no others: none began under another name.
fn check(page: &Page, server: &Server, expected: &[Expected<'_>]) -> Result<()> {
    let labels = ["k8s_pod_name", "k8s_namespace_name", "k8s_container_name", "service_name"];
    let gauges: BTreeSet<_> =
        series(page, CONNECTIONS, server).iter().map(|gauge| labels.map(|name| label(gauge, name))).collect();
    let wanted: BTreeSet<_> = expected
        .iter()
        .map(|(pod, container, service)| [pod.name, pod.namespace, container, service])
        .collect();
    ensure!(gauges == wanted, "{gauges:?}");
    let counters: BTreeSet<_> = series(page, OPENED, server)
        .iter()
        .map(|counter| {
            ["service_name", "k8s_namespace_name", "k8s_pod_name"].map(|name| label(counter, name))
        })
        .collect();
    let wanted: BTreeSet<_> = expected.iter().map(|(pod, _, service)| [service, pod.namespace, ""]).collect();
    ensure!(counters == wanted, "{counters:?}");
    Ok(())
}

#[test]
fn a_pool_bears_the_names_of_its_pod() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    let (server, mut runtime) = (Server::start()?, Runtime::start()?);
    runtime.run(&BARE, "main", &client(&server)?, &[])?;
    let asleep = "select count(*) from pg_stat_activity where query like 'select pg_sleep(600)%'";
    clock::until(SOON, "the pod's query", || Ok((server.psql("postgres", asleep)? == "1").then_some(())))?;
    let agent = Agent::start(["--cri", &runtime.socket().to_string_lossy()])?;
    check(&agent.metrics()?, &server, &[(&BARE, "main", "main")])?;

    runtime.run(&API, "web", &client(&server)?, &[])?;
    let page = named(&agent, &API)?;
    check(&page, &server, &[(&BARE, "main", "main"), (&API, "web", "api")])?;
    let opened = page.sum(OPENED, &[("service_name", "api"), ("server_port", &server.port().to_string())]);
    ensure!(opened == 1.0, "{opened} opened");
    ensure!(
        page.value("poolwatch_unparsed_total", &[("reason", "container")])? == Some(0.0),
        "{}",
        page.text
    );

    for path in ["/health/pool", "/api/v1/pools"] {
        let json = agent.json(path)?;
        let pools = json["pools"].as_array().context("pools")?;
        let pool = pools.iter().find(|pool| pool["service"] == "api").context("the pool")?;
        println!("{path}: {} {}", pool["service"], pool["process"]);
        ensure!(pool["process"]["pod"] == API.name && pool["process"]["container"] == "web", "{pool}");
        ensure!(pool["process"]["name"] == "psql", "{pool}");
    }
    for line in
        page.text.lines().filter(|line| line.starts_with(CONNECTIONS) && line.contains("k8s_pod_name"))
    {
        println!("{line}");
    }
    Ok(())
}

/// As a `DaemonSet` runs it; where the socket's directory is not mounted, it is found below the root of process 1.
fn an_agent_in_a_pod(mounted: bool) -> Result<()> {
    let (server, mut runtime) = (Server::start()?, Runtime::start()?);
    runtime.run(&BARE, "main", &client(&server)?, &[])?;
    let (binary, port) = (place::agent()?, place::free_port()?);
    let home = binary.parent().context("it lies in a directory")?;
    let socket = runtime.socket();
    let directory = socket.parent().filter(|_| mounted).unwrap_or(home);
    let [program, address] = [binary.as_path(), &socket].map(|path| path.display().to_string());
    let listen = format!("127.0.0.1:{port}");
    let command = [program.as_str(), "--listen", &listen, "--cri", &address].map(str::to_owned);
    runtime.run(&AGENT, "agent", &command, &[home, directory])?;
    let url = |path: &str| format!("http://{listen}{path}");
    clock::until(SOON, "the agent", || Ok(http::get(&url("/readyz")).ok().filter(|answer| answer.0 == 200)))
        .with_context(|| runtime.log("agent"))?;
    runtime.run(&API, "web", &client(&server)?, &[])?;
    let page = named_in(|| Page::parse(&http::get(&url("/metrics"))?.1), &API)
        .with_context(|| runtime.log("agent"))?;
    check(&page, &server, &[(&BARE, "main", "main"), (&API, "web", "api")])
}

#[test]
fn an_agent_in_a_pod_is_given_the_socket() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    an_agent_in_a_pod(true)
}

#[test]
fn an_agent_in_a_pod_finds_the_socket_on_the_machine() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers, Feature::MachineRoot);
    an_agent_in_a_pod(false)
}

/// Its names come when it has ended.
#[test]
fn a_process_that_ends_at_once_is_named() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    let (server, mut runtime) = (Server::start()?, Runtime::start()?);
    let agent = Agent::start(["--cri", &runtime.socket().to_string_lossy()])?;
    runtime.run(&JOB, "main", &asking(&server, "select 1")?, &[])?;
    let closed = "poolwatch_connections_closed_total";
    let page = clock::until(SOON, "its end", || {
        let page = agent.metrics()?;
        Ok((page.sum(closed, &[("service_name", "report")]) == 1.0).then_some(page))
    });
    let page =
        page.with_context(|| agent.metrics().map_or_else(|error| error.to_string(), |page| page.text))?;
    let counters = series(&page, closed, &server);
    ensure!(counters.iter().all(|counter| label(counter, "service_name") == "report"), "{counters:?}");
    ensure!(counters.iter().all(|counter| label(counter, "k8s_namespace_name") == "shop"), "{counters:?}");
    Ok(())
}

#[test]
fn a_runtime_that_was_restarted_names_the_next_pod_at_once() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    let (server, mut runtime) = (Server::start()?, Runtime::start()?);
    let agent = Agent::start(["--cri", &runtime.socket().to_string_lossy()])?;
    runtime.restart()?;
    runtime.run(&API, "web", &client(&server)?, &[])?;
    let page = named(&agent, &API)?;
    check(&page, &server, &[(&API, "web", "api")])?;
    ensure!(!agent.errors().contains("have no names"), "{}", agent.errors());
    Ok(())
}

#[test]
fn a_runtime_that_comes_late_names_what_is_there() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    let server = Server::start()?;
    // Its runtime is another than the one that is asked, which is not there yet.
    let mut runtime = Runtime::start()?;
    let directory = place::scratch()?;
    let link = socket_in(directory.path());
    let agent = Agent::start(["--cri", &link.to_string_lossy()])?;
    runtime.run(&API, "web", &client(&server)?, &[])?;
    let unnamed = clock::until(SOON, "the pod's connection", || {
        let page = agent.metrics()?;
        Ok((!series(&page, CONNECTIONS, &server).is_empty()).then_some(page))
    })?;
    let gauges = series(&unnamed, CONNECTIONS, &server);
    ensure!(gauges.iter().all(|gauge| label(gauge, "k8s_pod_name").is_empty()), "{gauges:?}");
    let missed = unnamed.value("poolwatch_unparsed_total", &[("reason", "container")])?;
    ensure!(missed == Some(1.0), "{missed:?}");
    std::os::unix::fs::symlink(runtime.socket(), &link)?;
    let page = named(&agent, &API)?;
    let gauge = series(&page, CONNECTIONS, &server);
    ensure!(gauge.iter().all(|gauge| label(gauge, "service_name") == "api"), "{gauge:?}");
    let log = agent.errors();
    let complaints = log.matches("have no names").count();
    ensure!(complaints == 1, "told once, not {complaints} times:\n{log}");
    Ok(())
}
