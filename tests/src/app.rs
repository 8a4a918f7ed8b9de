//! The small web applications with a pool, and the load on them.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{
    http, need, place,
    postgres::{Server, Way},
    process::{self, Process, TERMINATE},
};

/// Which application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// node-pg
    Node,
    /// SQLAlchemy's `QueuePool` with psycopg2.
    Python,
}

/// Where its pool leads and how large it is.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// How it connects.
    pub way: Way,
    /// As whom.
    pub user: &'a str,
    /// Where to.
    pub database: &'a str,
    /// Most connections.
    pub size: u32,
}

/// A running application; it is killed when dropped.
pub struct App {
    process: Process,
    port: u16,
}

/// What the library itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Own {
    /// Borrowed.
    pub used: u32,
    /// Not borrowed.
    pub idle: u32,
    /// Both.
    pub total: u32,
    /// Borrowers that wait.
    pub waiting: u32,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

impl Kind {
    /// What it needs from the machine.
    pub const fn feature(self) -> need::Feature {
        match self {
            Self::Node => need::Feature::Node,
            Self::Python => need::Feature::PythonPool,
        }
    }

    fn command(self) -> Result<Command> {
        let (program, script) = match self {
            Self::Node => ("node".into(), "node/server.js"),
            Self::Python => (need::python()?, "python/server.py"),
        };
        let mut command = Command::new(program);
        command.arg(place::apps().join(script));
        Ok(command)
    }
}

impl App {
    /// Starts it, with `service` as its `OTEL_SERVICE_NAME`.
    pub fn start(kind: Kind, service: &str, server: &Server, pool: &Pool<'_>) -> Result<Self> {
        let mut command = kind.command()?;
        command
            .env("PORT", "0")
            .env("OTEL_SERVICE_NAME", service)
            .env("POOL", pool.size.to_string())
            .env("PGHOST", server.host(pool.way))
            .env("PGPORT", server.port().to_string())
            .env("PGUSER", pool.user)
            .env("PGDATABASE", pool.database);
        let mut process = Process::start(service, &mut command)?;
        let port = process.line("listening ", Duration::from_secs(20))?;
        Ok(Self { process, port: port.parse().context("it prints its port")? })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The library's own numbers, now.
    pub fn own(&self) -> Result<Own> {
        let (status, body) = http::get(&self.url("/pool"))?;
        ensure!(status == 200, "/pool answers {status}: {body}");
        serde_json::from_str(&body).with_context(|| format!("/pool: {body}"))
    }

    /// Every change of the library's own numbers so far.
    pub fn truth(&self) -> Result<Truth> {
        let (status, body) = http::get(&self.url("/truth"))?;
        ensure!(status == 200, "/truth answers {status}: {body}");
        let rows: Vec<(i128, u32, u32)> = serde_json::from_str(&body).context("/truth")?;
        ensure!(rows.is_sorted_by_key(|row| row.0), "/truth is out of order");
        Ok(Truth { rows })
    }

    /// Borrows `connections` at once, each for `milliseconds`; returns when all are back.
    pub fn borrow_at_once(&self, connections: u32, milliseconds: u32) -> Result<()> {
        let url = self.url(&format!("/query?ms={milliseconds}"));
        std::thread::scope(|scope| {
            let askers: Vec<_> = (0..connections).map(|_| scope.spawn(|| http::get(&url))).collect();
            askers.into_iter().try_for_each(|asker| {
                let (status, body) = asker.join().map_err(|_| anyhow::anyhow!("a panic"))??;
                ensure!(status == 200, "/query answers {status}: {body}");
                Ok(())
            })
        })
    }

    /// Ends it by SIGTERM: its pool is closed in good order.
    pub fn stop(mut self) -> Result<i32> {
        self.process.stop(TERMINATE, Duration::from_secs(10))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }
}

/// A pool's numbers over time, by the library's own count.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Moment in nanoseconds of `CLOCK_MONOTONIC`, used, total; each holds until the next.
    rows: Vec<(i128, u32, u32)>,
}

impl Truth {
    /// Used and total at a moment; `None` before the first row.
    pub fn at(&self, moment: i128) -> Option<(u32, u32)> {
        let after = self.rows.partition_point(|row| row.0 <= moment);
        let (_, used, total) = self.rows.get(after.checked_sub(1)?)?;
        Some((*used, *total))
    }

    /// Nothing changed from `length` nanoseconds before the moment to as long after it.
    pub fn at_rest(&self, moment: i128, length: i128) -> bool {
        let first = self.rows.partition_point(|row| row.0 < moment - length);
        self.rows.get(first).is_none_or(|row| row.0 > moment + length)
    }

    /// How many changes it tells of.
    pub fn changes(&self) -> usize {
        self.rows.len()
    }
}

/// An open-loop load on an application.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    /// Mean length of the exponentially distributed queries.
    pub mean_milliseconds: f64,
    /// How long.
    pub seconds: f64,
    /// Of the random numbers.
    pub seed: u32,
}

/// What the load saw.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// Requests made.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// Requests per second.
    pub rate: f64,
    /// Mean answer time in milliseconds, waiting included.
    pub mean_ms: f64,
    /// Its 95th percentile.
    pub p95_ms: f64,
}

impl Load {
    fn command(&self, app: &App) -> Command {
        let mut command = Command::new("python3");
        command.arg(place::apps().join("load.py")).args(["--url", &app.url("/query")]);
        command.args(["--rate", &self.rate.to_string(), "--seconds", &self.seconds.to_string()]);
        command.args(["--mean-ms", &self.mean_milliseconds.to_string(), "--seed", &self.seed.to_string()]);
        command
    }

    /// Runs it in the background.
    pub fn start(&self, app: &App) -> Result<Process> {
        Process::start("load.py", &mut self.command(app))
    }

    /// Waits for a load that was started, and checks that nothing failed.
    pub fn finish(&self, mut load: Process) -> Result<Summary> {
        let code = load.wait(Duration::from_secs_f64(self.seconds + 60.0))?;
        // The pipe is read by a thread of its own, which may be a moment behind the end of the process.
        ensure!(code == 0, "load.py ended with {code}:\n{}", load.errors());
        let line = crate::clock::until(Duration::from_secs(5), "the load's summary", || {
            Ok(load.output().lines().next().map(str::to_owned))
        })?;
        let summary: Summary = serde_json::from_str(&line).with_context(|| format!("load.py: {line}"))?;
        ensure!(summary.errors == 0, "load.py: {summary:?}");
        Ok(summary)
    }

    /// Runs it to its end.
    pub fn run(&self, app: &App) -> Result<Summary> {
        let wait = Duration::from_secs_f64(self.seconds + 60.0);
        let output = process::run("load.py", &mut self.command(app), wait)?.success("load.py")?;
        let summary: Summary = serde_json::from_str(&output).with_context(|| format!("load.py: {output}"))?;
        ensure!(summary.errors == 0, "load.py: {summary:?}");
        Ok(summary)
    }
}
