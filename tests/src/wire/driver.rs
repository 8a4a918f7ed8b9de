//! The drivers: which program speaks through each, what it needs, and over which way it goes.

use std::{env, process::Command};

use anyhow::{Result, anyhow};

use crate::{
    need::{self, Feature},
    place,
    postgres::Way,
};

/// A driver's program.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The driver's name.
    pub name: &'static str,
    /// Role and database of its own.
    pub user: &'static str,
    /// What it runs on.
    pub runs: Runs,
    /// The way to the server.
    pub way: Way,
    /// What its own count is multiplied with, so that the server counts ten thousand.
    pub calls: u32,
}

/// What a program runs on, and where it lies below `tests/apps`, or its name among the built ones.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// The Python of the test applications.
    Python(&'static str),
    /// node
    Node(&'static str),
    /// java, from its source.
    Java(&'static str),
    /// Go, built by set-up.
    Go(&'static str),
    /// Rust, built with the tests.
    Rust(&'static str),
    /// ruby
    Ruby(&'static str),
    /// php
    Php(&'static str),
    /// A C program, built by set-up.
    C(&'static str),
    /// A shell script.
    Shell(&'static str),
}

const fn driver(name: &'static str, user: &'static str, runs: Runs, way: Way, calls: u32) -> Driver {
    Driver { name, user, runs, way, calls }
}

/// psycopg 3.
pub const PSYCOPG3: Driver =
    driver("psycopg 3", "psycopg3", Runs::Python("wire_psycopg3.py"), Way::Tcp4, 10_000);
/// psycopg2.
pub const PSYCOPG2: Driver =
    driver("psycopg2", "psycopg2", Runs::Python("wire_psycopg2.py"), Way::Unix, 8000);
/// asyncpg.
pub const ASYNCPG: Driver = driver("asyncpg", "asyncpg", Runs::Python("wire_asyncpg.py"), Way::Tcp4, 11_500);
/// node-pg, with pg-cursor.
pub const NODE_PG: Driver = driver("node-pg", "node_pg", Runs::Node("wire_pg.js"), Way::Tcp4, 11_500);
/// postgres.js.
pub const POSTGRES_JS: Driver =
    driver("postgres.js", "postgres_js", Runs::Node("wire_postgres.js"), Way::Tcp4, 12_000);
/// pgjdbc.
pub const PGJDBC: Driver = driver("pgjdbc", "pgjdbc", Runs::Java("WireJdbc.java"), Way::Tcp4, 10_000);
/// pgx.
pub const PGX: Driver = driver("pgx v5", "pgx", Runs::Go("wire_pgx"), Way::Tcp4, 11_000);
/// lib/pq.
pub const LIB_PQ: Driver = driver("lib/pq", "lib_pq", Runs::Go("wire_pq"), Way::Tcp4, 12_000);
/// tokio-postgres.
pub const TOKIO_POSTGRES: Driver = driver(
    "tokio-postgres",
    "tokio_postgres",
    Runs::Rust("poolwatch-wire-tokio-postgres"),
    Way::Tcp4,
    11_000,
);
/// sqlx.
pub const SQLX: Driver = driver("sqlx", "sqlx", Runs::Rust("poolwatch-wire-sqlx"), Way::Tcp4, 13_000);
/// Ruby's pg.
pub const RUBY_PG: Driver = driver("Ruby pg", "ruby_pg", Runs::Ruby("wire_pg.rb"), Way::Unix, 13_000);
/// PHP's `pdo_pgsql`.
pub const PHP_PDO: Driver = driver("PHP pdo_pgsql", "php_pdo", Runs::Php("wire_pdo.php"), Way::Tcp4, 11_000);

/// libpq's own programs.
pub const PSQL: Driver =
    driver("psql, pgbench", "psql_pgbench", Runs::Shell("wire_psql.sh"), Way::Unix, 1800);
/// libpq.
pub const LIBPQ: Driver = driver("libpq", "libpq", Runs::C("wire_libpq"), Way::Tcp4, 11_500);

impl Driver {
    /// What the machine must have.
    pub const fn feature(&self) -> Feature {
        match self.runs {
            Runs::Python(_) => Feature::PythonPool,
            Runs::Node(_) => Feature::Node,
            Runs::Java(_) => Feature::Jdbc,
            Runs::Go(_) => Feature::GoDrivers,
            Runs::Ruby(_) => Feature::RubyPg,
            Runs::Php(_) => Feature::PhpPgsql,
            Runs::C(_) => Feature::Libpq,
            Runs::Rust(_) | Runs::Shell(_) => Feature::Postgres,
        }
    }

    /// The mode of TLS without a look at the server's certificate, as it is called here.
    pub const fn unverified(&self) -> &'static str {
        if matches!(self.runs, Runs::Node(_)) { "no-verify" } else { "require" }
    }

    /// How it is started. Nothing of it runs before a line comes in, so that the agent can be told of it.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new("sh");
        command.args(["-c", "read -r go && exec \"$@\"", "sh"]);
        let apps = place::apps();
        match self.runs {
            Runs::Python(script) => command.arg(need::python()?).arg(apps.join("python").join(script)),
            Runs::Node(script) => command.arg("node").arg(apps.join("node").join(script)),
            Runs::Java(script) => {
                // Little is compiled twice in a run of seconds.
                command.args(["java", "-XX:TieredStopAtLevel=1", "-cp"]);
                command.arg(place::target()?.join("java").join("*")).arg(apps.join("java").join(script))
            }
            Runs::Go(name) => command.arg(place::target()?.join("go").join(name)),
            Runs::C(name) => command.arg(place::target()?.join("c").join(name)),
            Runs::Rust(name) => command.arg(place::built(name)?),
            Runs::Ruby(script) => command.arg("ruby").arg(apps.join("ruby").join(script)),
            Runs::Php(script) => command.arg("php").arg(apps.join("php").join(script)),
            Runs::Shell(script) => {
                let tools = need::postgres().map_err(|reason| anyhow!(reason))?;
                let path = env::var_os("PATH").unwrap_or_default();
                command.env("PATH", env::join_paths([tools].into_iter().chain(env::split_paths(&path)))?);
                command.arg("sh").arg(apps.join("libpq").join(script))
            }
        };
        Ok(command)
    }
}
