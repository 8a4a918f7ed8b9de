//! The tools, each as it is started by those who use it, and what it has seen in the end.

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock::{self, Deadline},
    http, need,
    page::Page,
    place,
    postgres::{Server, Way},
    process::{INTERRUPT, Process, TERMINATE},
};

use crate::bench::DATABASE;

/// How often a scraper asks.
const EACH: Duration = Duration::from_secs(1);
/// For a tool to start or end, and for what a server's processes did to be on its books.
const LONG: Duration = Duration::from_secs(30);
const BOOKED: Duration = Duration::from_secs(2);
/// The exporter's program.
const EXPORTER: &str = "prometheus-postgres-exporter";

/// What people watch queries with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// This one.
    Poolwatch,
    /// A script that times system calls.
    Bpftrace,
    /// What asks the server for its statistics.
    Exporter,
}

/// What it saw since it was started.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Queries, or what it has in their place.
    pub queries: f64,
    /// Their mean time in seconds, where it has one.
    pub mean: Option<f64>,
}

/// A tool at work.
pub enum Running {
    Poolwatch(Agent),
    Bpftrace(Process),
    /// With its page, and how many transactions that had at first.
    Exporter(Process, String, f64),
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Poolwatch, Self::Bpftrace, Self::Exporter];

    /// How it is called in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poolwatch => "poolwatch",
            Self::Bpftrace => "bpftrace, a script",
            Self::Exporter => "postgres_exporter",
        }
    }

    /// Why it cannot be measured here.
    pub fn lack(self) -> Option<String> {
        let program = match self {
            Self::Poolwatch => return None,
            Self::Bpftrace => "bpftrace",
            Self::Exporter => EXPORTER,
        };
        need::in_path(program).is_none().then(|| format!("no {program} in PATH"))
    }

    /// Starts it; it sees everything from here on.
    pub fn start(self, server: &Server) -> Result<Running> {
        match self {
            Self::Poolwatch => Ok(Running::Poolwatch(Agent::start::<&str>([])?)),
            Self::Bpftrace => bpftrace(),
            Self::Exporter => exporter(server),
        }
    }
}

/// In a mount namespace of its own: what it needs is mounted there where it is nowhere.
fn bpftrace() -> Result<Running> {
    let script: PathBuf = place::here().join("cost/peers/query_time.bt");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec"]);
    command.arg(
        "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; \
         exec bpftrace \"$0\"",
    );
    let mut process = Process::start("bpftrace", command.arg(script))?;
    process.line("ready", LONG)?;
    Ok(Running::Bpftrace(process))
}

fn exporter(server: &Server) -> Result<Running> {
    let port = place::free_port()?;
    let url = format!("http://127.0.0.1:{port}/metrics");
    let mut command = Command::new(EXPORTER);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let address = server.address_of(Way::Tcp4, "postgres", "postgres");
    let mut process = Process::start("exporter", command.env("DATA_SOURCE_NAME", address))?;
    clock::until(LONG, "the exporter", || {
        ensure!(process.ended()?.is_none(), "{}", process.errors());
        Ok(http::get(&url).is_ok_and(|(status, _)| status == 200).then_some(()))
    })?;
    let before = committed(&url)?;
    Ok(Running::Exporter(process, url, before))
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Poolwatch(agent) => agent.pid(),
            Self::Bpftrace(process) | Self::Exporter(process, ..) => process.pid(),
        }
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Poolwatch(agent) => Some(agent.url("/metrics")),
            Self::Bpftrace(_) => None,
            Self::Exporter(_, url, _) => Some(url.clone()),
        }
    }

    /// Does the work while a scraper asks the tool, if it can be asked.
    pub fn scraped<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let scraper = self.url().map(|url| {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let next = Deadline::after(EACH);
                        ensure!(http::get(&url)?.0 == 200, "{url}");
                        thread::park_timeout(next.left());
                    }
                    Ok(())
                })
            });
            let done = work();
            over.store(true, Ordering::Relaxed);
            if let Some(scraper) = scraper {
                scraper.thread().unpark();
                scraper.join().ok().context("the scraper")??;
            }
            done
        })
    }

    /// Ends it; what it has seen.
    pub fn end(self) -> Result<Seen> {
        match self {
            Self::Poolwatch(mut agent) => {
                let page = agent.metrics()?;
                agent.stop(TERMINATE)?;
                let of = |what: &str| {
                    let name = format!("db_client_operation_duration_seconds_{what}");
                    page.sum(&name, &[("db_namespace", DATABASE)])
                };
                Ok(Seen { queries: of("count"), mean: Some(of("sum") / of("count")) })
            }
            Self::Bpftrace(mut process) => {
                process.stop(INTERRUPT, LONG)?;
                let mut number = |begin: &str| -> Result<f64> {
                    let text = process.line(begin, EACH)?;
                    text.trim().parse().with_context(|| text.clone())
                };
                let queries = number("@queries:")?;
                Ok(Seen { queries, mean: Some(number("@time:")? / queries / 1e9) })
            }
            Self::Exporter(mut process, url, before) => {
                clock::pause(BOOKED);
                let queries = committed(&url)? - before;
                process.stop(TERMINATE, LONG)?;
                Ok(Seen { queries, mean: None })
            }
        }
    }
}

/// Transactions that the server counted, as the exporter tells it.
fn committed(url: &str) -> Result<f64> {
    let page = Page::parse(&http::get(url)?.1)?;
    Ok(page.sum("pg_stat_database_xact_commit", &[("datname", DATABASE)]))
}
