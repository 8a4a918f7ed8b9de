//! A server, and an agent for each tier of probes that watch the same clients.
//!
//! Each case has a role of its own: the server's statistics and the agents' page are both read for that role
//! alone. Three counts have to agree: the client's, the server's and poolwatch's.

use std::{collections::HashMap, fmt::Write as _, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, place,
    postgres::{Server, Way},
    process::Process,
};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    counted::{Counted, Page, count, lost},
    row::{Expected, Line, Row, TIERS},
};

/// The longest that a case takes.
const CASE: Duration = Duration::from_mins(1);
const SETTLE: Duration = Duration::from_secs(3);

/// What is under test, and what it is tested with.
pub struct Stand {
    /// The server.
    pub server: Server,
    agents: Vec<(&'static str, Agent)>,
    made: u32,
    done: Vec<Done>,
    _files: TempDir,
}

/// What a client says that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Tally {
    /// Requests answered.
    pub requests: u64,
    /// Those with an error.
    pub failed: u64,
    /// Statements that the server counts.
    pub calls: u64,
    /// Connections.
    pub connections: u64,
}

/// A case that has run.
struct Done {
    row: Row,
    way: Way,
    role: String,
    tally: Tally,
    /// What each agent lost or did not understand meanwhile.
    losses: Vec<Vec<String>>,
    /// Each agent said that the client cannot be read.
    blind: Vec<bool>,
}

/// Logins by group of roles; everybody else is trusted.
const LOGINS: [(&str, &str); 4] =
    [("by_password", "password"), ("by_md5", "md5"), ("by_scram", "scram-sha-256"), ("by_cert", "cert")];

impl Stand {
    /// Starts everything.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with further settings of the server.
    pub fn start_with(settings: &[String]) -> Result<Self> {
        Self::start_on(Server::start_with, settings)
    }

    /// The same on another server.
    pub fn start_on(server: impl FnOnce(&[String]) -> Result<Server>, settings: &[String]) -> Result<Self> {
        let files = place::scratch()?;
        let mut settings = settings.to_vec();
        settings.push(format!("hba_file={}", logins(files.path(), settings.iter().any(|s| s == "ssl=on"))?));
        let server = server(&settings)?;
        server.psql("postgres", "create extension if not exists pg_stat_statements")?;
        for (group, _) in LOGINS {
            server.psql("postgres", &format!("create role {group}"))?;
        }
        let (own, port) = (std::process::id().to_string(), server.port().to_string());
        let mut agents = Vec::new();
        for tier in TIERS {
            // What is seen of encrypted connections by other means is counted elsewhere.
            let arguments =
                ["--probes", tier, "--pid", &own, "--label-user", "--port", &port, "--tls", "off"];
            agents.push((tier, Agent::start(arguments)?));
        }
        Ok(Self { server, agents, made: 0, done: Vec::new(), _files: files })
    }

    /// Runs all rows over all their ways; an error when one is not as expected.
    pub fn rows(mut self, rows: &[Row]) -> Result<()> {
        let plan: Vec<(Row, Way)> =
            rows.iter().flat_map(|row| row.ways.iter().map(|way| (*row, *way))).collect();
        let groups: Vec<_> = plan.iter().map(|(row, _)| row.group).collect();
        let roles = self.roles(&groups)?;
        for ((row, way), role) in plan.into_iter().zip(roles) {
            self.run(row, way, role)?;
        }
        self.end()
    }

    /// A role of its own for a case.
    pub fn role(&mut self, group: Option<&str>) -> Result<String> {
        self.roles(&[group])?.pop().context("one role")
    }

    /// Roles of their own for cases, each in the group that says how it logs in.
    pub fn roles(&mut self, groups: &[Option<&str>]) -> Result<Vec<String>> {
        let (mut roles, mut sql) = (Vec::new(), String::new());
        for group in groups {
            self.made += 1;
            let role = format!("case_{}", self.made);
            let encryption = if *group == Some("by_md5") { "md5" } else { "scram-sha-256" };
            let group = group.map(|group| format!("in role {group}")).unwrap_or_default();
            let _ = write!(
                sql,
                "set password_encryption = '{encryption}'; \
                 create role {role} login replication password 'secret' {group}; "
            );
            roles.push(role);
        }
        self.server.psql("postgres", &sql)?;
        Ok(roles)
    }

    fn run(&mut self, row: Row, way: Way, role: String) -> Result<()> {
        let before = self.pages()?;
        let client = self.raw(row.case, way, &role)?;
        self.watch(row, way, role, client, &before)
    }

    /// Watches a client that prints `holding` where its connections are open and it is to be looked at, and
    /// its tally in the end; it goes on with each line that it is told.
    pub fn watch(
        &mut self,
        row: Row,
        way: Way,
        role: String,
        mut client: Process,
        before: &[Page],
    ) -> Result<()> {
        let name = format!("{} over {way:?}", row.case);
        let mut blind = Vec::new();
        if let Expected::Blind(reason) = row.expected {
            client.line("holding", CASE).with_context(|| name.clone())?;
            blind = self.blind(row, client.pid(), reason)?;
            client.tell("")?;
        }
        let tally = client.line("tally ", CASE).with_context(|| name.clone())?;
        self.keep(row, way, role, serde_json::from_str(&tally)?, before, blind)?;
        client.tell("")?;
        let code = client.wait(CASE)?;
        ensure!(code == 0, "{name} ended with {code}: {}", client.errors());
        Ok(())
    }

    /// For each tier, whether it says that the process cannot be read for this reason.
    fn blind(&self, row: Row, pid: u32, reason: &str) -> Result<Vec<bool>> {
        let agents = self.agents.iter();
        agents
            .map(|(tier, agent)| {
                let says = |page: &Page| page.blind(pid).as_deref() == Some(reason);
                Ok(row.tiers.contains(tier) && says(&soon(agent, says)?))
            })
            .collect()
    }

    /// Starts the raw client.
    pub fn raw(&self, case: &str, way: Way, role: &str) -> Result<Process> {
        let mut command = Command::new(place::built("poolwatch-raw")?);
        command.args([case, &self.server.host(way), &self.server.port().to_string(), role, "postgres"]);
        Process::start(case, &mut command)
    }

    /// What both agents say now.
    pub fn pages(&self) -> Result<Vec<Page>> {
        self.agents.iter().map(|(_, agent)| Page::of(agent)).collect()
    }

    /// Keeps what a case came to, as soon as its requests are on the pages.
    pub fn keep(
        &mut self,
        row: Row,
        way: Way,
        role: String,
        tally: Tally,
        before: &[Page],
        blind: Vec<bool>,
    ) -> Result<()> {
        let mut losses = Vec::new();
        for ((_, agent), before) in self.agents.iter().zip(before) {
            let wanted = wanted(row.expected, tally);
            let page = soon(agent, |page| count(page, &role).requests >= wanted.requests)?;
            losses.push(lost(before, &page));
        }
        self.done.push(Done { row, way, role, tally, losses, blind });
        Ok(())
    }

    /// Compares the three counts of each case and keeps a line for each tier.
    pub fn end(self) -> Result<()> {
        let calls = self.calls()?;
        let mut failures = Vec::new();
        for (at, (tier, agent)) in self.agents.iter().enumerate() {
            let closed = |page: &Page| {
                self.done.iter().all(|done| {
                    count(page, &done.role).closed >= wanted(done.row.expected, done.tally).closed
                })
            };
            let page = soon(agent, closed)?;
            for done in self.done.iter().filter(|done| done.row.tiers.contains(tier)) {
                let calls = calls.get(&done.role).copied().unwrap_or(0);
                let counted = count(&page, &done.role);
                let wrong = done.differences(at, calls, counted);
                done.line(tier, calls, counted, &wrong).keep()?;
                if !wrong.is_empty() {
                    failures.push(format!(
                        "{} [{}] {:?} {tier}: {}",
                        done.row.item,
                        done.row.case,
                        done.way,
                        wrong.join("; ")
                    ));
                }
            }
        }
        ensure!(failures.is_empty(), "{} rows:\n{}", failures.len(), failures.join("\n"));
        Ok(())
    }

    /// The statements that the server counted, by role. It counts one when its portal is dropped, which may
    /// be after the answer.
    fn calls(&self) -> Result<HashMap<String, u64>> {
        let deadline = clock::Deadline::after(SETTLE);
        let sums =
            "select rolname, sum(calls) from pg_stat_statements join pg_roles on oid = userid group by 1";
        loop {
            let mut calls = HashMap::new();
            for line in self.server.psql("postgres", sums)?.lines() {
                let (role, sum) = line.split_once('|').context("two columns")?;
                calls.insert(role.to_owned(), sum.parse()?);
            }
            let same = |done: &Done| calls.get(&done.role).copied().unwrap_or(0) == done.tally.calls;
            if self.done.iter().all(same) || deadline.passed() {
                return Ok(calls);
            }
        }
    }
}

impl Done {
    /// What is not as it should be, by the agent with this number.
    fn differences(&self, agent: usize, calls: u64, counted: Counted) -> Vec<String> {
        let wanted = wanted(self.row.expected, self.tally);
        let losses = self.losses.get(agent).map_or(&[][..], Vec::as_slice);
        let mut wrong = Vec::new();
        let mut same = |what: &str, wanted: u64, counted: u64| {
            if wanted != counted {
                wrong.push(format!("{what}: {counted} instead of {wanted}"));
            }
        };
        same("the server's statements", self.tally.calls, calls);
        let detected = match self.row.expected {
            Expected::Unread => !losses.is_empty(),
            Expected::Blind(_) => self.blind.get(agent) == Some(&true),
            _ => {
                same("opened", wanted.opened, counted.opened);
                same("closed", wanted.closed, counted.closed);
                same("requests", wanted.requests, counted.requests);
                same("failed", wanted.failed, counted.failed);
                wrong.extend(losses.iter().cloned());
                true
            }
        };
        if !detected || counted.requests > self.tally.requests || counted.opened != counted.closed {
            wrong.push(format!("not detected, or wrong: {counted:?}, {losses:?}"));
        }
        wrong
    }

    fn line(&self, tier: &'static str, calls: u64, counted: Counted, wrong: &[String]) -> Line {
        let Self { row, way, tally, .. } = self;
        let verdict = match (wrong, row.expected) {
            ([], Expected::Unread | Expected::Blind(_)) => "detected, not counted".to_owned(),
            ([], _) => "exact".to_owned(),
            _ => wrong.join("; "),
        };
        let poolwatch = match row.expected {
            Expected::NoPool => {
                format!("{} requests, {} connections of pools", counted.requests, counted.opened)
            }
            Expected::Unread => format!("{} requests, told as unread", counted.requests),
            Expected::Blind(reason) => format!("{} requests, told as blind: {reason}", counted.requests),
            Expected::Exact => format!("{} requests ({} failed)", counted.requests, counted.failed),
        };
        println!(
            "{} [{}] {way:?} {tier}: {tally:?}, {calls} calls; {poolwatch}: {verdict}",
            row.item, row.case
        );
        Line {
            section: "Framing",
            row: row.item.to_owned(),
            way: if *way == Way::Unix { "UNIX" } else { "TCP" },
            tier,
            server: format!("{} requests ({} failed), {calls} statements", tally.requests, tally.failed),
            poolwatch,
            verdict,
            note: row.note.to_owned(),
        }
    }
}

fn logins(directory: &Path, tls: bool) -> Result<String> {
    let mut text = String::new();
    for (group, method) in LOGINS {
        // Certificates are known on TLS alone.
        if method == "cert" {
            text += if tls { "hostssl all +by_cert all cert\n" } else { "" };
        } else {
            let _ = write!(text, "local all +{group} {method}\nhost all +{group} all {method}\n");
        }
    }
    for database in ["all", "replication"] {
        let _ = write!(text, "local {database} all trust\nhost {database} all all trust\n");
    }
    let path = directory.join("pg_hba.conf");
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

fn wanted(expected: Expected, tally: Tally) -> Counted {
    match expected {
        Expected::Exact => Counted {
            requests: tally.requests,
            failed: tally.failed,
            opened: tally.connections,
            closed: tally.connections,
        },
        _ => Counted::default(),
    }
}

/// The page as soon as it says what is waited for, or else in the end.
fn soon(agent: &Agent, is: impl Fn(&Page) -> bool) -> Result<Page> {
    let deadline = clock::Deadline::after(SETTLE);
    loop {
        let page = Page::of(agent)?;
        if is(&page) || deadline.passed() {
            return Ok(page);
        }
        clock::pause(Duration::from_millis(5));
    }
}
