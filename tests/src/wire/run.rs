//! One run of a driver's program: a server of its own with both books open, and the agent watching.

use std::{env, ffi::OsStr, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    books::{Books, Row},
    certificate,
    driver::{Driver, Runs},
    log,
    own::Own,
    seen::{Queries, Seen, Timed},
};
use crate::{
    agent::Agent,
    clock, place,
    postgres::{Server, Way},
    process::{Process, TERMINATE},
};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The counts of all modes.
    Calls,
    /// Single durations.
    Durations,
}

/// How a program's connections are secured, and what the agent is to do about it.
#[derive(Clone, Copy, Debug)]
pub struct Tls {
    /// The library, as the programs know it that have a choice.
    pub library: &'static str,
    /// `--tls`
    pub how: &'static str,
    /// How it begins.
    pub begins: Begins,
}

/// How encryption begins, and what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// With the client's SSLRequest.
    Asked,
    /// The same, and the server takes nothing newer than TLS 1.2.
    AskedOlder,
    /// Without a word before it, which servers since PostgreSQL 17 take.
    Direct,
}

impl Begins {
    /// What is added to a row's name.
    pub const fn named(self) -> &'static str {
        match self {
            Self::Asked => "",
            Self::AskedOlder => ", TLS 1.2",
            Self::Direct => ", direct",
        }
    }
}

/// A run that is over.
pub struct Run {
    /// What the program printed before its last line.
    pub lines: Vec<String>,
    /// Its own count.
    pub own: Own,
    /// The server's books; empty where durations were measured.
    pub books: Books,
    /// The agent's.
    pub seen: Seen,
    /// Requests by `/metrics`, at the end.
    pub requests: f64,
    /// Statements by `/api/v1/queries`, at the end.
    pub queries: Queries,
}

const PASSWORD: &str = "of this run";
const SEED: &str = "7";
/// The program's lines of the log stand between these two.
const FIRST: &str = "the books are opened";
const LAST: &str = "the books are closed";
/// Over TCP everybody but the harness proves who they are.
const RULES: &str = "local all all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n";
/// The same where nothing goes over TCP that is not encrypted.
const SECURED_RULES: &str =
    "local all all trust\nhost all postgres all trust\nhostssl all all all scram-sha-256\n";
const LONGEST: Duration = Duration::from_mins(3);

/// Opens both books.
const BOOKS: [&str; 10] = [
    "logging_collector=on",
    "log_destination=jsonlog",
    "log_directory=log",
    "log_filename=log",
    "log_rotation_size=0",
    "log_rotation_age=0",
    "log_min_duration_statement=0",
    "log_parameter_max_length=0",
    "pg_stat_statements.max=20000",
    "pg_stat_statements.track_utility=on",
];

const SCHEMA: &str = "
    create table item (id int primary key, name text not null, amount int not null default 0, note text);
    create table event (id bigint generated always as identity primary key, item int not null, body text);
    insert into item select n, 'item ' || n, n from generate_series(1, 1000) n;";

/// `took BEGAN ENDED WHAT`, as the programs print it.
fn call(line: &str) -> Option<(Timed, &str)> {
    let mut words = line.strip_prefix("took ")?.splitn(3, ' ');
    let (started, ended) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((Timed { started, ended }, words.next()?))
}

impl Run {
    /// What the program timed itself, and what that was.
    pub fn calls(&self) -> impl Iterator<Item = (Timed, &str)> {
        self.lines.iter().filter_map(|line| call(line))
    }

    /// The requests that ended inside a call; there is one at least.
    pub fn inside(&self, call: Timed) -> Result<&[Timed]> {
        let requests = &self.seen.timed;
        let first = requests.partition_point(|request| request.ended < call.started);
        let inside = requests.get(first..).unwrap_or_default();
        let inside = inside.split_at(inside.partition_point(|request| request.ended <= call.ended)).0;
        ensure!(!inside.is_empty(), "no request inside the call {call:?}");
        Ok(inside)
    }

    /// Runs it to its end.
    pub fn of(driver: &Driver, what: For) -> Result<Self> {
        Self::over(driver, what, None)
    }

    /// The same over encrypted connections, if wanted.
    pub fn over(driver: &Driver, what: For, tls: Option<Tls>) -> Result<Self> {
        let scratch = place::scratch()?;
        let server = server(scratch.path(), what, tls)?;
        prepare(&server, driver)?;
        let mut program = Process::start(driver.name, &mut command(&server, driver, what, tls)?)?;
        let recording = scratch.path().join("run.rec");
        let mut agent = watch(&recording, program.pid(), tls)?;
        server.psql("postgres", &format!("select pg_stat_statements_reset(), '{FIRST}'"))?;
        program.tell("go")?;
        let code = program.wait(LONGEST)?;
        ensure!(code == 0, "{} ended with {code}:\n{}{}", driver.name, program.output(), program.errors());
        let requests = settled(&agent, driver, tls)?;
        let queries = Queries::read(&agent.json("/api/v1/queries?order=total")?)?;
        ensure!(agent.stop(TERMINATE)? == 0, "the agent did not end well:\n{}", agent.errors());
        let (lines, own) = printed(&program)?;
        let books = if what == For::Calls { books(&server, driver)? } else { Books::default() };
        Ok(Self {
            lines,
            own,
            books,
            seen: Seen::read(&recording, tls.is_none().then_some(driver.user))?,
            requests,
            queries,
        })
    }
}

fn server(scratch: &Path, what: For, tls: Option<Tls>) -> Result<Server> {
    let secured = tls.is_some();
    let rules = scratch.join("pg_hba.conf");
    fs::write(&rules, if secured { SECURED_RULES } else { RULES })?;
    place::open_to_all(&rules)?;
    let mut settings = vec![format!("hba_file={}", rules.display())];
    if what == For::Calls {
        settings.extend(BOOKS.map(str::to_owned));
    }
    if secured {
        settings.extend(certificate::settings(scratch)?);
    }
    let begins = tls.map(|tls| tls.begins);
    if begins == Some(Begins::AskedOlder) {
        settings.push("ssl_max_protocol_version=TLSv1.2".to_owned());
    }
    if begins == Some(Begins::Direct) {
        return Server::start_newer(&settings);
    }
    Server::start_with(&settings)
}

fn prepare(server: &Server, driver: &Driver) -> Result<()> {
    let user = driver.user;
    server.psql("postgres", "create extension pg_stat_statements")?;
    server.psql("postgres", &format!("create role {user} login password '{PASSWORD}'"))?;
    server.psql("postgres", &format!("create database {user} owner {user}"))?;
    server.psql(user, &format!("set role {user}; {SCHEMA}"))?;
    if matches!(driver.runs, Runs::Shell(_)) {
        server.bench_tables(user, user)?;
    }
    Ok(())
}

fn command(server: &Server, driver: &Driver, what: For, tls: Option<Tls>) -> Result<Command> {
    let mut command = driver.command()?;
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
        .env("PGHOST", server.host(tls.map_or(driver.way, |_| Way::Tcp4)))
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", driver.user)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", driver.user)
        .env("PGSSLMODE", tls.map_or("disable", |_| driver.unverified()))
        .env(
            "PGSSLNEGOTIATION",
            tls.filter(|tls| tls.begins == Begins::Direct).map_or("postgres", |_| "direct"),
        )
        .env("WIRE_TLS", tls.map_or("", |tls| tls.library))
        .env("WIRE_SEED", SEED)
        .env("WIRE_CALLS", driver.calls.to_string())
        .env("WIRE_WHAT", if what == For::Durations { "durations" } else { "calls" });
    Ok(command)
}

fn watch(recording: &Path, pid: u32, tls: Option<Tls>) -> Result<Agent> {
    let pid = pid.to_string();
    Agent::start([
        OsStr::new("record"),
        OsStr::new("-o"),
        recording.as_os_str(),
        "--pid".as_ref(),
        pid.as_ref(),
        "--tls".as_ref(),
        tls.map_or("auto", |tls| tls.how).as_ref(),
    ])
}

/// Waits until the page has the end of all connections; its number of requests.
fn settled(agent: &Agent, driver: &Driver, tls: Option<Tls>) -> Result<f64> {
    // Of an encrypted connection nobody knows where it leads to.
    let ours = [("db_namespace", driver.user)];
    let ours = if tls.is_some() { &[][..] } else { &ours[..] };
    let page = agent.metrics_when("the end of all connections", |page| {
        let opened = page.sum("poolwatch_connections_opened_total", ours);
        opened > 0.0 && page.sum("poolwatch_connections_closed_total", ours) >= opened
    })?;
    Ok(page.sum("db_client_operation_duration_seconds_count", ours))
}

/// The program's lines, and its own count in the last.
fn printed(program: &Process) -> Result<(Vec<String>, Own)> {
    // The pipe is read by a thread of its own, which may be a moment behind the end of the process.
    let own = clock::until(Duration::from_secs(5), "the program's own count", || {
        Ok(program.output().lines().last().and_then(|line| serde_json::from_str(line).ok()))
    });
    let own = own.with_context(|| format!("{}{}", program.output(), program.errors()))?;
    Ok((program.output().lines().map(str::to_owned).collect(), own))
}

fn books(server: &Server, driver: &Driver) -> Result<Books> {
    let user = driver.user;
    let rows = server.psql(
        "postgres",
        &format!(
            "select coalesce(json_agg(json_build_object('calls', calls, 'text', query)), '[]') \
         from pg_stat_statements where toplevel and userid = '{user}'::regrole \
         and dbid = (select oid from pg_database where datname = '{user}')"
        ),
    )?;
    let rows: Vec<Row> = serde_json::from_str(&rows).context("pg_stat_statements as JSON")?;
    // The log has its own process, which is a moment behind.
    server.psql("postgres", &format!("select '{LAST}'"))?;
    let file = server.data().join("log/log.json");
    let text = clock::until(Duration::from_secs(20), "the end of the log", || {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(text.contains(LAST).then_some(text))
    })?;
    let ours = text.lines().skip_while(|line| !line.contains(FIRST)).take_while(|line| !line.contains(LAST));
    Books::read(&log::entries(ours, user)?, &rows)
}
