//! A server that speaks TLS, a program that speaks to it in steps, and the agent that watches the program alone.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch::postgres::sql::Reader;
use poolwatch_tests::{
    agent::Agent,
    clock, place,
    postgres::{Server, Way},
    process::Process,
    wire::{
        books::{Calls, Row},
        certificate,
        seen::Queries,
    },
};
use tempfile::TempDir;

/// Of the role `app`; nothing of it may ever be told.
pub const PASSWORD: &str = "planted-password-7d1f";
/// Over TCP nobody speaks in the clear; one role sends its password as it is.
const RULES: &str =
    "local all all trust\nhostssl all plain all password\nhostssl all all all scram-sha-256\n";
const STEP: Duration = Duration::from_mins(1);
/// The agent looks at its ring 16 times a second, and a large program's symbols take their time on a busy machine.
const ATTACHED: Duration = Duration::from_secs(20);

/// See the module's head.
pub struct Stand {
    pub server: Server,
    directory: TempDir,
}

impl Stand {
    /// Starts the server.
    pub fn start() -> Result<Self> {
        let directory = place::scratch()?;
        let file = |name: &str| directory.path().join(name);
        fs::write(file("hba.conf"), RULES)?;
        place::open_to_all(&file("hba.conf"))?;
        let mut settings = certificate::settings(directory.path())?;
        settings.push(format!("hba_file={}", file("hba.conf").display()));
        let server = Server::start_with(&settings)?;
        server.psql("postgres", "create extension pg_stat_statements")?;
        for role in ["app", "plain"] {
            server.psql("postgres", &format!("create role {role} login password '{PASSWORD}'"))?;
            server.psql("postgres", &format!("create database {role} owner {role}"))?;
        }
        Ok(Self { server, directory })
    }

    /// A place for files of this run.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Lets a program speak to the server as this role.
    pub fn address(&self, command: &mut Command, role: &str) {
        command
            .env("PGHOST", self.server.host(Way::Tcp4))
            .env("PGPORT", self.server.port().to_string())
            .env("PGUSER", role)
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", role)
            .env("PGSSLMODE", "require")
            .env("PGGSSENCMODE", "disable")
            // The server answers what is no PostgreSQL by closing the connection.
            .env("OTHER", format!("https://127.0.0.1:{}/", self.server.port()));
    }

    /// Calls of a role by fingerprint, as the server counts them.
    pub fn statistics(&self, role: &str) -> Result<Calls> {
        let rows = self.server.psql(
            "postgres",
            &format!(
                "select coalesce(json_agg(json_build_object('calls', calls, 'text', query)), '[]') \
                 from pg_stat_statements where toplevel and userid = '{role}'::regrole"
            ),
        )?;
        let rows: Vec<Row> = serde_json::from_str(&rows).context("pg_stat_statements as JSON")?;
        let mut reader = Reader::new();
        let mut calls = Calls::new();
        for row in rows {
            for spoken in &reader.read(row.text.as_bytes(), false).statements {
                *calls.entry(spoken.query.id.to_string()).or_default() += row.calls;
            }
        }
        Ok(calls)
    }
}

/// A program that does what it is told, step by step.
pub struct Speaker(Process);

impl Speaker {
    /// Starts it; it opens nothing before it is told to.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        Process::start(name, command).map(Self)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Tells it a step, and waits for its end.
    pub fn step(&mut self, name: &str) -> Result<()> {
        self.0.tell(name)?;
        self.0.line(name, STEP).map(drop).with_context(|| self.0.errors())
    }
}

/// Waits until the probes of TLS libraries are attached somewhere, or nowhere any more.
pub fn wait_until_attached(agent: &Agent, attached: bool) -> Result<()> {
    let wanted = if attached { 1.0 } else { 0.0 };
    clock::until(ATTACHED, "probes in the TLS library", || {
        let page = agent.metrics()?;
        let is = page.sum("poolwatch_probe_attached", &[("probe", "plain_done")]);
        Ok(((is - wanted).abs() < 0.5).then_some(()))
    })
    .with_context(|| agent.errors())
}

/// What completed between two looks at the page.
pub fn between(before: &Queries, after: &Queries) -> Calls {
    let since = |(name, calls): (&String, &u64)| {
        let more = calls - before.completed.get(name).copied().unwrap_or(0);
        (more > 0).then(|| (name.clone(), more))
    };
    after.completed.iter().filter_map(since).collect()
}

/// The page of queries.
pub fn queries(agent: &Agent) -> Result<Queries> {
    Queries::read(&agent.json("/api/v1/queries?order=total")?)
}

/// Nothing was lost, and nothing could not be read.
pub fn nothing_missing(agent: &Agent) -> Result<()> {
    let page = agent.metrics()?;
    for name in ["poolwatch_unparsed_total", "poolwatch_events_lost_total"] {
        ensure!(page.sum(name, &[]) == 0.0, "{name} of:\n{}", page.text);
    }
    Ok(())
}
