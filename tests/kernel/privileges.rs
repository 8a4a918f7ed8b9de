//! Without each capability in turn the agent names it and what is lost, and what docs/privileges.md says of it is so.
//!
//! None of these agents has `CAP_SYS_RESOURCE`, which few machines of tests have themselves.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::{self, Agent},
    client::Client,
    clock,
    containers::{Pod, Runtime},
    need,
    need::Feature,
    page::Page,
    place,
    postgres::{Server, Way, tool},
    process::{self, Answer},
    truth::{
        load,
        mix::{Mix, Page as Asked},
        rig::{self, Rig, Running},
        run::{Level, Plan},
    },
};
use serde_json::Value;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(30);
const CONNECTIONS: &str = "db_client_connection_count";
/// Of an older connection the state is not known.
const UNKNOWN: &str = "poolwatch_pool_unknown_connections";
/// Those that deploy/ gives, as `setpriv` writes them.
const ALL: [&str; 5] = ["bpf", "perfmon", "sys_ptrace", "dac_read_search", "sys_admin"];
/// A name that is longer than the 15 bytes of a command name.
const LONG: &str = "shop-worker-of-the-night";
const SHORT: &str = "shop-worker-of-";
const NOBODY: u32 = 65_534;

const POD: Pod<'_> = Pod {
    name: "api-0",
    namespace: "shop",
    uid: "33333333-4444-4555-8666-777777777777",
    labels: &[],
    host: false,
};

fn without(missing: &[&str]) -> Vec<&'static str> {
    ALL.into_iter().filter(|capability| !missing.contains(capability)).collect()
}

fn set(capabilities: &[&str]) -> String {
    capabilities.iter().fold("-all".to_owned(), |set, capability| format!("{set},+{capability}"))
}

/// The agent, run by root with these capabilities and no way to others.
fn root_with(capabilities: &[&str]) -> Result<Command> {
    let mut command = agent::command_of(Path::new("setpriv"));
    command.arg(format!("--bounding-set={}", set(capabilities))).arg("--").arg(place::agent()?);
    Ok(command)
}

/// The agent, run by a user of its own with these capabilities, as the systemd unit runs it.
fn user_with(capabilities: &[&str], binary: &Path) -> Command {
    let mut command = agent::command_of(Path::new("setpriv"));
    let set = set(capabilities);
    for kind in ["inh-caps", "ambient-caps", "bounding-set"] {
        command.arg(format!("--{kind}={set}"));
    }
    command.args(["--reuid=65533", "--regid=65533", "--clear-groups", "--no-new-privs", "--"]).arg(binary);
    command
}

fn check(capabilities: &[&str]) -> Result<Answer> {
    let answer = process::run("poolwatch check", root_with(capabilities)?.arg("check"), WAIT)?;
    let told = answer.output.lines().filter(|line| !line.starts_with("ok "));
    println!("check with {capabilities:?} ends with {}:", answer.code);
    told.for_each(|line| println!("    {line}"));
    Ok(answer)
}

/// Three clients with a connection that is older than the agent.
struct Clients {
    server: Server,
    _directory: TempDir,
    /// Another user's, with a long name and an environment that says much.
    other: Client,
    /// Root's, with every capability.
    mighty: Client,
    /// Root's without a capability, in another network namespace.
    apart: Client,
}

/// What an agent shows of them.
#[allow(clippy::struct_excessive_bools, reason = "four independent sightings, not a state")]
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Whose older connection there is.
    other: bool,
    mighty: bool,
    apart: bool,
    /// What the other user's process is called: its executable, or the 15 bytes of its command name.
    name: &'static str,
    /// What the other user's process says in its environment: its service, and the limit of its pool.
    environment: bool,
}

/// Everything.
const WHOLE: Shown = Shown { other: true, mighty: true, apart: true, name: LONG, environment: true };

impl Clients {
    fn start() -> Result<Self> {
        let (server, directory) = (Server::start()?, place::scratch()?);
        let client = place::built("poolwatch-client")?;
        let long = directory.path().join(LONG);
        std::fs::copy(&client, &long)?;
        place::open_to_all(&long)?;
        let mut other = Command::new(long);
        other.uid(NOBODY).gid(NOBODY).current_dir("/");
        other.env("OTEL_SERVICE_NAME", "checkout").env("DB_POOL_MAX_CONNECTIONS", "7");
        let mut apart = Command::new("unshare");
        apart.args(["--net", "setpriv", "--bounding-set=-all", "--"]).arg(client);
        let (mut other, mut mighty) = (Client::start_by(&mut other)?, Client::start(None)?);
        let mut apart = Client::start_by(apart.env_remove("OTEL_SERVICE_NAME"))?;
        for (client, way) in [(&mut other, Way::Tcp4), (&mut mighty, Way::Tcp4), (&mut apart, Way::Unix)] {
            client.open("older", &server.address_of(way, "postgres", "postgres"))?;
            client.query("older", "select 1")?;
        }
        Ok(Self { server, _directory: directory, other, mighty, apart })
    }

    /// An agent that knows the server by its port: another's it would know by the server's own process.
    fn watched(&self, mut agent: Command) -> Result<Agent> {
        agent.args(["--port", &self.server.port().to_string()]);
        Agent::start_by(agent)
    }

    /// What this agent shows; then the other user's newer connection is closed again.
    fn shown_by(&mut self, agent: &Agent) -> Result<Shown> {
        let page = agent.metrics()?;
        let of = |page: &Page, client: &Client| {
            let pid = client.pid().to_string();
            page.sum(CONNECTIONS, &[("process_pid", &pid)]) + page.sum(UNKNOWN, &[("process_pid", &pid)])
        };
        let older = [&self.other, &self.mighty, &self.apart].map(|client| of(&page, client) == 1.0);
        let before = of(&page, &self.other);
        self.other.open("newer", &self.server.address_of(Way::Tcp4, "postgres", "postgres"))?;
        agent.metrics_when("the newer connection", |page| of(page, &self.other) > before)?;
        self.other.close("newer")?;
        let json = agent.json("/api/v1/pools")?;
        let pools = json.get("pools").and_then(Value::as_array).context("pools")?;
        let is_its = |pool: &&Value| pool.pointer("/process/pid") == Some(&Value::from(self.other.pid()));
        let pool = pools.iter().find(is_its).context("its pool")?;
        let of = |path: &str| pool.pointer(path).and_then(Value::as_str);
        let (service, name) = (of("/service"), of("/process/name"));
        let declared = of("/max/source") == Some("declared");
        let environment = service == Some("checkout");
        ensure!(environment == declared && (environment || service == name), "half of it: {pool}");
        let [other, mighty, apart] = older;
        let name = [LONG, SHORT].into_iter().find(|known| name == Some(known)).unwrap_or("another");
        Ok(Shown { other, mighty, apart, name, environment })
    }

    /// Its environment can be read with these capabilities: of the kernels some want more for it than others.
    fn readable(&self, capabilities: &[&str]) -> Result<bool> {
        let mut cat = Command::new("setpriv");
        cat.arg(format!("--bounding-set={}", set(capabilities))).args(["--", "cat"]);
        let answer = process::run("cat", cat.arg(format!("/proc/{}/environ", self.other.pid())), WAIT)?;
        println!(
            "with {capabilities:?} its environment has {} bytes: {}",
            answer.output.len(),
            answer.errors
        );
        Ok(!answer.output.is_empty())
    }
}

/// What is lost without these, and what the agent's log and its check say of it.
fn lost(clients: &mut Clients, missing: &[&str], expected: &Shown, told: &[&str]) -> Result<()> {
    let held = without(missing);
    let answer = check(&held)?;
    ensure!(answer.code == 0, "it can watch: {}", answer.output);
    for capability in missing {
        let name = format!("CAP_{}", capability.to_uppercase());
        let line = answer.output.lines().find(|line| line.contains(&format!("capability {name}:")));
        let line = line.unwrap_or_default();
        let good = line.starts_with("unsupported ") && line.contains("without it: ")
            || line.starts_with("ok ") && line.contains("CAP_SYS_ADMIN stands in for it");
        ensure!(good, "{name} in {}", answer.output);
    }
    let agent = clients.watched(root_with(&held)?)?;
    let shown = clients.shown_by(&agent)?;
    println!("without {missing:?}: {shown:?}");
    ensure!(shown == *expected, "without {missing:?}: {shown:?}, not {expected:?}\n{}", agent.errors());
    for words in told {
        ensure!(agent.errors().contains(words), "its log tells {words:?}:\n{}", agent.errors());
    }
    Ok(())
}

#[test]
fn what_each_capability_is_for_is_lost_without_it_and_nothing_else() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::OtherUsers);
    let mut clients = Clients::start()?;
    let files = "give CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
    lost(&mut clients, &[], &WHOLE, &[])?;
    let environment = clients.readable(&without(&["sys_ptrace"]))?;
    let lacks = Shown { other: false, mighty: false, name: SHORT, environment, ..WHOLE };
    lost(&mut clients, &["sys_ptrace"], &lacks, &[files])?;
    let lacks = Shown { other: false, environment: false, ..WHOLE };
    lost(&mut clients, &["dac_read_search"], &lacks, &[files])?;
    let lacks = Shown { apart: false, ..WHOLE };
    lost(&mut clients, &["sys_admin"], &lacks, &["CAP_SYS_ADMIN is needed"])?;
    // Each of these is part of CAP_SYS_ADMIN, as the kernel has it.
    lost(&mut clients, &["bpf", "perfmon"], &WHOLE, &[])?;
    let least = Shown { other: false, mighty: false, apart: false, name: SHORT, environment: false };
    lost(&mut clients, &["sys_ptrace", "dac_read_search", "sys_admin"], &least, &[files])
}

#[test]
fn without_what_it_cannot_do_without_it_ends_with_3_and_names_it() -> Result<()> {
    need!(Feature::Probes);
    for missing in ["bpf", "perfmon"] {
        let (held, name) = (without(&[missing, "sys_admin"]), format!("CAP_{}", missing.to_uppercase()));
        let answer = check(&held)?;
        ensure!(answer.code == 1, "check ends with {}", answer.code);
        let line = answer.output.lines().find(|line| line.contains(&format!("capability {name}:")));
        ensure!(line.is_some_and(|line| line.starts_with("broken ")), "{}", answer.output);
        let mut agent = root_with(&held)?;
        let answer = process::run("poolwatch", agent.args(["--listen", "127.0.0.1:0"]), WAIT)?;
        println!("without {missing} and sys_admin: {} {}", answer.code, answer.errors);
        ensure!(answer.code == 3 && answer.errors.contains(&name), "{}: {}", answer.code, answer.errors);
    }
    Ok(())
}

/// What an agent with these says of a probe in a pool's library once a Go program's borrowers wait: verdict and reason.
fn of_a_library(held: &[&str]) -> Result<(String, String)> {
    let server = Server::start()?;
    server.role(rig::USER)?;
    server.database(rig::SECOND)?;
    let agent = Agent::start_by(root_with(held)?)?;
    let lender = Running::start(&Plan::new(Rig::GoSql, Mix::A, Level::Closed), &server)?;
    let crowd = Asked { route: "plain", ms: 400.0, ..Asked::default() };
    clock::until(WAIT, "a verdict", || {
        load::at_once(&lender.target, 30, crowd)?.all_good()?;
        let details = agent.json("/health/details")?;
        let probes = details.get("probes").and_then(Value::as_array).context("probes")?;
        let is_its = |probe: &&Value| probe.get("name").and_then(Value::as_str) == Some("borrower_asks");
        let probe = probes.iter().find(is_its).context("the probe")?;
        let of = |key: &str| probe.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Some((of("verdict"), of("reason"))).filter(|(verdict, _)| verdict != "not_applicable"))
    })
}

#[test]
fn probes_in_a_pools_library_are_unsupported_where_the_kernel_wants_more_for_them() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::GoRigs);
    let fine = ("ok".to_owned(), String::new());
    let whole = of_a_library(&ALL)?;
    ensure!(whole == fine, "{whole:?}");
    let held = without(&["sys_admin"]);
    let line = check(&held)?.output;
    let line = line.lines().find(|line| line.contains("probe borrower_asks")).context("a line")?;
    let (verdict, reason) = of_a_library(&held)?;
    println!("without sys_admin: {verdict}: {reason}");
    if line.starts_with("ok ") {
        println!("this kernel wants no more");
        ensure!((verdict, reason) == fine, "the agent says as check does");
        return Ok(());
    }
    ensure!(line.starts_with("unsupported ") && line.contains("CAP_SYS_ADMIN"), "{line}");
    ensure!(verdict == "unsupported" && reason.contains("CAP_SYS_ADMIN"), "{verdict}: {reason}");
    Ok(())
}

#[test]
fn a_user_of_its_own_with_the_five_sees_what_root_sees() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::OtherUsers);
    let mut clients = Clients::start()?;
    let directory = place::scratch()?;
    let binary: PathBuf = place::copy_for_all(&place::agent()?, directory.path())?;
    let mut command = user_with(&ALL, &binary);
    command.current_dir("/");
    let agent = clients.watched(command)?;
    let shown = clients.shown_by(&agent)?;
    println!("as a user: {shown:?}");
    ensure!(shown == WHOLE, "{shown:?}\n{}", agent.errors());
    Ok(())
}

/// As `runtimeSocketDirectory` of the chart gives it to an agent that has little else.
#[test]
fn names_of_pods_take_no_capability_where_the_runtimes_socket_is_at_hand() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Containers);
    let (server, mut runtime) = (Server::start()?, Runtime::start()?);
    let mut agent = root_with(&["bpf", "perfmon"])?;
    agent.arg("--cri").arg(runtime.socket());
    let agent = Agent::start_by(agent)?;
    let psql = tool("psql")?.get_program().to_string_lossy().into_owned();
    let address = server.address_of(Way::Tcp4, "postgres", "postgres");
    let command = [psql.as_str(), "-X", "-d", &address, "-c", "select pg_sleep(600)"].map(str::to_owned);
    runtime.run(&POD, "main", &command, &[])?;
    let labels = [("k8s_pod_name", POD.name), ("k8s_namespace_name", "shop"), ("k8s_container_name", "main")];
    let named = clock::until(WAIT, "a named pod", || {
        Ok((agent.metrics()?.sum(CONNECTIONS, &labels) == 1.0).then_some(()))
    });
    named.with_context(|| agent.errors())
}
