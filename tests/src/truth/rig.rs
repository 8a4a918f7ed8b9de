//! The rigs: which server with which pool, how it is started, and what class of accuracy is asked of it.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{books::Books, load::Target, run::Plan};
use crate::{
    need::{self, Feature},
    place,
    postgres::{Server, Way},
    process::Process,
};

/// A server with a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rig {
    /// node-pg on one event loop.
    NodePg,
    /// `SQLAlchemy`'s `QueuePool` over psycopg2, a thread for each inbound connection.
    SqlAlchemy,
    /// The same behind an event loop, which has workers do all but read and answer.
    Workers,
    /// HikariCP over pgjdbc, a pool of threads.
    Hikari,
    /// Ruby's `connection_pool` over pg, a thread for each inbound connection.
    Ruby,
    /// asyncpg's pool on aiohttp.
    Asyncpg,
    /// Go's database/sql over lib/pq.
    GoSql,
    /// sqlx on tokio.
    Sqlx,
    /// Prisma 7 over node-pg.
    Prisma,
    /// pgxpool.
    PgxPool,
    /// `psycopg_pool`, asynchronous, on aiohttp.
    Psycopg,
    /// deadpool-postgres on tokio.
    Deadpool,
    /// PgBouncer in transaction mode: it is the process that is watched.
    PgBouncer,
}

/// What is asked of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Borrowers are threads.
    Threads,
    /// Borrowers are tasks, and what goes over the wire marks the end of a lease.
    Marked,
    /// Borrowers are tasks, and nothing does.
    Unmarked,
    /// Both sides are on the wire.
    Pooler,
}

impl Rig {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NodePg,
        Self::SqlAlchemy,
        Self::Workers,
        Self::Hikari,
        Self::Ruby,
        Self::Asyncpg,
        Self::GoSql,
        Self::Sqlx,
        Self::Prisma,
        Self::PgxPool,
        Self::Psycopg,
        Self::Deadpool,
        Self::PgBouncer,
    ];

    /// Its name on the command line and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodePg => "node-pg",
            Self::SqlAlchemy => "sqlalchemy",
            Self::Workers => "sqlalchemy-workers",
            Self::Hikari => "hikari",
            Self::Ruby => "connection-pool",
            Self::Asyncpg => "asyncpg",
            Self::GoSql => "database-sql",
            Self::Sqlx => "sqlx",
            Self::Prisma => "prisma",
            Self::PgxPool => "pgxpool",
            Self::Psycopg => "psycopg-pool",
            Self::Deadpool => "deadpool",
            Self::PgBouncer => "pgbouncer",
        }
    }

    /// The rig of that name.
    pub fn named(name: &str) -> Result<Self> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|rig| rig.name() == name)
            .with_context(|| format!("no rig {name}: {}", names()))
    }

    /// The evidence by which its waits are known at best.
    pub const fn evidence(self) -> &'static str {
        match self {
            Self::GoSql | Self::PgxPool => "uprobe",
            Self::SqlAlchemy | Self::Hikari | Self::Ruby => "futex",
            Self::PgBouncer => "pooler",
            _ => "causal",
        }
    }

    /// What is asked of its figures.
    pub const fn class(self) -> Class {
        match self {
            Self::SqlAlchemy | Self::Hikari | Self::Ruby => Class::Threads,
            Self::Asyncpg | Self::Sqlx => Class::Marked,
            Self::PgBouncer => Class::Pooler,
            _ => Class::Unmarked,
        }
    }

    /// What it needs from the machine.
    pub const fn feature(self) -> Feature {
        match self {
            Self::NodePg => Feature::Node,
            Self::Prisma => Feature::Prisma,
            Self::SqlAlchemy => Feature::PythonPool,
            Self::Workers | Self::Asyncpg | Self::Psycopg => Feature::PythonWeb,
            Self::Hikari => Feature::Hikari,
            Self::Ruby => Feature::RubyPool,
            Self::GoSql | Self::PgxPool => Feature::GoRigs,
            Self::Sqlx | Self::Deadpool => Feature::Postgres,
            Self::PgBouncer => Feature::PgBouncer,
        }
    }

    /// The mode of TLS without a look at the server's certificate, as it is called here.
    const fn unverified(self) -> &'static str {
        if matches!(self, Self::NodePg | Self::Prisma) { "no-verify" } else { "require" }
    }

    fn command(self) -> Result<Command> {
        let apps = place::apps();
        let python = |script: &str| -> Result<Command> {
            let mut command = Command::new(need::python()?);
            command.arg(apps.join("python").join(script));
            Ok(command)
        };
        let node = |script: &str| {
            let mut command = Command::new("node");
            command.arg(apps.join(script));
            command
        };
        Ok(match self {
            Self::NodePg => node("node/rig_pg.js"),
            Self::Prisma => node("prisma/rig_prisma.js"),
            Self::SqlAlchemy => python("rig_sqlalchemy.py")?,
            Self::Workers => python("rig_workers.py")?,
            Self::Asyncpg => python("rig_asyncpg.py")?,
            Self::Psycopg => python("rig_psycopg.py")?,
            Self::Hikari => java("RigHikari.java")?,
            Self::Ruby => {
                let mut command = Command::new("ruby");
                command.arg(apps.join("ruby/rig_pool.rb"));
                command
            }
            Self::GoSql => Command::new(place::target()?.join("go/rig_sql")),
            Self::PgxPool => Command::new(place::target()?.join("go/rig_pgx")),
            Self::PgBouncer => through()?,
            Self::Sqlx => Command::new(place::built("poolwatch-rig-sqlx")?),
            Self::Deadpool => Command::new(place::built("poolwatch-rig-deadpool")?),
        })
    }
}

/// PgBouncer is unpacked, not installed: it brings its libraries along.
fn through() -> Result<Command> {
    let home = place::target()?.join("tools/pgbouncer");
    let mut command = Command::new(place::target()?.join("go/rig_through"));
    command.env("PGBOUNCER", home.join("usr/sbin/pgbouncer"));
    let libraries = std::fs::read_dir(home.join("usr/lib"))?.map(|entry| Ok(entry?.path()));
    let libraries: Vec<_> = libraries.collect::<std::io::Result<_>>()?;
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);
    Ok(command)
}

fn java(source: &str) -> Result<Command> {
    let mut command = Command::new("java");
    // Of more than 200 connections it would close those that are idle, a request on its way or not.
    command.arg("-Dsun.net.httpserver.maxIdleConnections=10000");
    // Its own headers are written with one call, and not held back for the body.
    command.args(["-XX:+UseSerialGC", "-Xmx256m", "-Dsun.net.httpserver.nodelay=true", "-cp"]);
    command.arg(place::target()?.join("java").join("*")).arg(place::apps().join("java").join(source));
    Ok(command)
}

/// A rig that runs; it is killed when dropped.
pub struct Running {
    /// Which.
    pub rig: Rig,
    process: Process,
    /// The process with the pool.
    pid: u32,
    /// How long an unhindered message takes to where the pool is and back, in nanoseconds.
    transit: i128,
    /// Where requests go.
    pub target: Arc<Target>,
}

impl Running {
    /// Starts it, as the plan says, against this server.
    pub fn start(plan: &Plan, server: &Server) -> Result<Self> {
        let rig = plan.rig;
        let mut command = rig.command()?;
        command
            .env("PORT", "0")
            .env("OTEL_SERVICE_NAME", rig.name())
            .env("POOL", plan.pool.to_string())
            .env("ACQUIRE_TIMEOUT_MS", plan.patience.to_string())
            .env("PGHOST", server.host(Way::Tcp4))
            .env("PGPORT", server.port().to_string())
            .env("PGUSER", USER)
            .env("PGDATABASE", "postgres")
            .env("SECOND_DATABASE", SECOND)
            .env("PGSSLMODE", if plan.encrypted { rig.unverified() } else { "disable" })
            .envs(plan.environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start(rig.name(), &mut command)?;
        // java compiles its source first.
        let port = process.line("listening ", Duration::from_mins(1))?;
        let target = Target::new(port.parse().context("it prints its port")?, plan.tls.clone())?;
        let pid = match rig {
            Rig::PgBouncer => process.line("pooler ", Duration::from_secs(5))?.parse()?,
            _ => process.pid(),
        };
        Ok(Self { rig, process, pid, transit: 0, target })
    }

    /// The process with the pool.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything that it noted so far.
    pub fn books(&self) -> Result<Books> {
        let (status, body) = self.target.runtime.block_on(self.target.get("/truth"))?;
        ensure!(status == 200, "/truth answers {status}: {body}");
        let mut books = Books::read(&body)?;
        for borrower in &mut books.borrowers {
            borrower.asked = borrower.got.min(borrower.asked + self.transit);
            // The server says when a statement is done, the client when a transaction is.
            if borrower.route == "transaction" {
                borrower.back = borrower.back.min(borrower.got.max(borrower.back - self.transit));
            }
        }
        Ok(books)
    }

    /// Learns from borrowers most of which did not wait how long a message is on its way to a pool in another
    /// process: that is no wait, but looks like one to who sends it. Zero where the pool is in the process.
    pub fn learn_transit(&mut self, books: &Books) {
        let mut ways: Vec<i128> =
            books.borrowers.iter().map(|borrower| borrower.got - borrower.asked).collect();
        ways.sort_unstable();
        if self.rig == Rig::PgBouncer {
            self.transit = ways.get(ways.len() / 2).copied().unwrap_or(0);
        }
    }

    /// How long an unhindered message takes to where the pool is and back, in seconds.
    pub const fn transit(&self) -> f64 {
        self.transit as f64 / 1e9
    }

    /// The rest of the next line that begins so, waited for a few seconds.
    pub fn line(&mut self, begin: &str) -> Result<String> {
        self.process.line(begin, Duration::from_secs(5))
    }

    /// What it has logged.
    pub fn errors(&self) -> String {
        self.process.errors()
    }
}

/// As whom rigs log in.
pub const USER: &str = "app";
/// Where a second pool leads.
pub const SECOND: &str = "second";
