//! Pools are kept apart by process, server, database and user, and carry the right labels.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    client::Client,
    clock, need,
    need::Feature,
    page::Page,
    place,
    pools::Connections,
    postgres::{Server, Way},
    process,
};

const COUNT: &str = "db_client_connection_count";

/// A pool that should be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    pid: u32,
    service: String,
    name: String,
    address: String,
    database: String,
    idle: u32,
}

/// Real clients of a real server; dropped, they end.
struct Scene {
    server: Server,
    clients: Vec<Client>,
    expected: BTreeSet<Expected>,
}

/// Index of the client, way, user, database, connections: two processes over TCP, three databases, two
/// users of one process on the same database, a process over UNIX sockets, one over IPv6.
const PLAN: [(usize, Way, &str, &str, u32); 7] = [
    (0, Way::Tcp4, "alice", "one", 3),
    (0, Way::Tcp4, "alice", "two", 1),
    (0, Way::Tcp4, "alice", "three", 2),
    (0, Way::Tcp4, "bob", "one", 4),
    (1, Way::Tcp4, "alice", "one", 2),
    (2, Way::Unix, "alice", "one", 1),
    (3, Way::Tcp6, "alice", "one", 1),
];
const SERVICES: [&str; 4] = ["shop", "web", "local", "six"];

impl Scene {
    fn play() -> Result<Self> {
        let server = Server::start()?;
        for name in ["one", "two", "three"] {
            server.database(name)?;
        }
        server.role("alice")?;
        server.role("bob")?;
        let clients = SERVICES.iter().map(|service| Client::start(Some(service))).collect::<Result<_>>()?;
        let mut scene = Self { server, clients, expected: BTreeSet::new() };
        for step in PLAN {
            scene.open(step)?;
        }
        Ok(scene)
    }

    fn open(&mut self, (client, way, user, database, idle): (usize, Way, &str, &str, u32)) -> Result<()> {
        let (address, port) = (self.server.host(way), self.server.port());
        let service = SERVICES.get(client).context("a service")?.to_string();
        let client = self.clients.get_mut(client).context("a client")?;
        for number in 0..idle {
            let name = format!("{user}-{database}-{number}");
            client.open(&name, &self.server.address_of(way, user, database))?;
            client.query(&name, "select 1")?;
        }
        self.expected.insert(Expected {
            pid: client.pid(),
            service,
            name: format!("{user}@{address}:{port}/{database}"),
            address,
            database: database.to_owned(),
            idle,
        });
        Ok(())
    }

    /// Idle connections of our processes on the page.
    fn idle(&self, page: &Page) -> f64 {
        let pids = self.clients.iter().map(|client| client.pid().to_string());
        pids.map(|pid| page.sum(COUNT, &[("process_pid", &pid), ("db_client_connection_state", "idle")]))
            .sum()
    }

    fn expected_idle(&self) -> f64 {
        self.expected.iter().map(|pool| f64::from(pool.idle)).sum()
    }

    fn is_ours(&self, pid: &str) -> bool {
        self.clients.iter().any(|client| client.pid().to_string() == pid)
    }

    /// The pools of our processes as the page shows them.
    fn on_the_page(&self, page: &Page) -> Result<BTreeSet<Expected>> {
        let port = self.server.port().to_string();
        let mut found = BTreeSet::new();
        for sample in page.matching(COUNT, &[("db_client_connection_state", "idle")]) {
            let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
            if !self.is_ours(&label("process_pid")) {
                continue;
            }
            ensure!(label("db_system_name") == "postgresql" && label("server_port") == port, "{sample:?}");
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
            found.insert(Expected {
                pid: label("process_pid").parse()?,
                service: label("service_name"),
                name: label("db_client_connection_pool_name"),
                address: label("server_address"),
                database: label("db_namespace"),
                idle: sample.value as u32,
            });
        }
        Ok(found)
    }
}

fn separate_pools(tier: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, need::tier(tier));
    let agent = Agent::start(["--probes", tier])?;
    let scene = Scene::play()?;
    let page = agent.metrics_when("the pools", |page| scene.idle(page) >= scene.expected_idle())?;
    let found = scene.on_the_page(&page)?;
    for pool in &found {
        println!("{tier}: {pool:?}");
    }
    ensure!(
        found == scene.expected,
        "missing: {:#?}\nextra: {:#?}",
        scene.expected.difference(&found).collect::<Vec<_>>(),
        found.difference(&scene.expected).collect::<Vec<_>>()
    );

    let json = agent.pools()?;
    let ours = || json.pools.iter().filter(|pool| scene.is_ours(&pool.process.pid.to_string()));
    let ids: BTreeSet<_> = ours().map(|pool| &pool.id).collect();
    ensure!(ours().count() == scene.expected.len(), "as many pools in JSON as on the page");
    ensure!(ids.len() == scene.expected.len(), "every pool has an id of its own");
    let list = agent.json("/api/v1/pools")?;
    let listed = list.get("pools").and_then(|pools| pools.as_array()).context("a list of pools")?;
    let listed: BTreeSet<_> = listed.iter().filter_map(|pool| pool.get("id")?.as_str()).collect();
    ensure!(ids.iter().all(|id| listed.contains(id.as_str())), "/api/v1/pools lists {listed:?}");
    for pool in ours() {
        ensure!(scene.expected.iter().any(|e| e.name == pool.name && e.pid == pool.process.pid), "{pool:?}");
        ensure!(pool.connections.adds_up() && pool.connections.used == 0, "{pool:?}");
        let one = agent.json(&format!("/api/v1/pools/{}", pool.id))?;
        ensure!(one.get("id").and_then(|id| id.as_str()) == Some(&pool.id), "{one:#}");
    }
    Ok(())
}

#[test]
fn two_processes_three_databases_two_users_and_unix_are_separate_pools_with_right_labels() -> Result<()> {
    separate_pools("sock")
}

#[test]
fn the_syscall_tier_separates_the_same_pools() -> Result<()> {
    separate_pools("syscall")
}

#[test]
fn promtool_finds_nothing_but_the_one_name_that_the_convention_forces() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Promtool);
    let agent = Agent::start::<&str>([])?;
    let scene = Scene::play()?;
    let page = agent.metrics_when("the pools", |page| scene.idle(page) >= scene.expected_idle())?;
    let directory = place::scratch()?;
    let file = directory.path().join("page");
    fs::write(&file, page.text)?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("promtool check metrics < {}", file.display()));
    let answer = process::run("promtool", &mut command, Duration::from_secs(20))?;
    println!("promtool ({}): {}{}", answer.code, answer.output, answer.errors);
    let said = answer.output + &answer.errors;
    let other: Vec<_> = said.lines().filter(|line| !line.starts_with(&format!("{COUNT} "))).collect();
    ensure!(other.is_empty(), "promtool: {other:#?}");
    Ok(())
}

#[test]
fn a_process_is_named_by_its_executable_when_nothing_better_is_known() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let (agent, server) = (Agent::start::<&str>([])?, Server::start()?);
    let mut client = Client::start(None)?;
    client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
    let pools = clock::until(Duration::from_secs(1), "a pool", || {
        Ok(Some(agent.pools_of(client.pid())?).filter(|pools| !pools.is_empty()))
    })?;
    println!("{pools:?}");
    let [pool] = pools.as_slice() else { anyhow::bail!("one pool, not {pools:#?}") };
    ensure!(pool.process.name == "poolwatch-client", "{}", pool.process.name);
    // A test may itself run inside a unit or a container: then that names the service.
    ensure!(!pool.service.is_empty() && pool.service != "postgres", "{}", pool.service);
    Ok(())
}

#[test]
fn used_idle_and_transaction_follow_one_connection_through_its_day() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let (agent, server) = (Agent::start::<&str>([])?, Server::start()?);
    let mut client = Client::start(Some("day"))?;
    client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
    let pid = client.pid();
    // Each step is one record, which takes some milliseconds on its way.
    let becomes = |what: &str, is: fn(&Connections) -> bool| {
        let connections = clock::until(Duration::from_millis(900), what, || {
            let pools = agent.pools_of(pid)?;
            let sum = pools.first().map(|pool| pool.connections).unwrap_or_default();
            Ok(Some(sum).filter(is))
        })?;
        println!("{what}: {connections:?}");
        Ok::<_, anyhow::Error>(connections)
    };
    becomes("idle after its start", |c| c.idle == 1 && c.total == 1)?;
    client.query("a", "begin")?;
    becomes("used between two statements", |c| c.used == 1 && c.idle_in_transaction == 1)?;
    client.begin("a", "query select pg_sleep(1)")?;
    becomes("used while a request is in flight", |c| c.used == 1 && c.idle_in_transaction == 0)?;
    client.wait("a")?;
    becomes("used after it", |c| c.used == 1 && c.idle_in_transaction == 1)?;
    client.query("a", "select 1/0").expect_err("a division by zero");
    becomes("used in a failed transaction", |c| c.used == 1 && c.idle_in_transaction == 1)?;
    client.query("a", "rollback")?;
    becomes("idle after the end of it", |c| c.idle == 1 && c.used == 0)?;
    client.close("a")?;
    becomes("gone after Terminate", |c| c.total == 0)?;
    Ok(())
}
