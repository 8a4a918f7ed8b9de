//! A private PostgreSQL server: own directory, own port, on 127.0.0.1, `::1` and a UNIX socket.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use tempfile::TempDir;

use crate::{
    clock, need, newer, place,
    process::{self, INTERRUPT, Process},
};

/// What `pg_ctl restart -m fast` sends: clients are sent away with 57P01.
pub const RESTART_FAST: i32 = libc::SIGINT;
/// What `pg_ctl restart -m immediate` sends: clients are sent away with 57P02, and data recovers.
pub const RESTART_IMMEDIATE: i32 = libc::SIGQUIT;

/// The way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// 127.0.0.1
    Tcp4,
    /// `::1`
    Tcp6,
    /// The UNIX socket.
    Unix,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp4, Self::Tcp6, Self::Unix];
}

/// A running server; it stops when dropped.
pub struct Server {
    process: Process,
    port: u16,
    directory: TempDir,
    settings: Vec<String>,
}

/// Cost nothing on a throw-away directory, and a test's figures do not depend on the disk.
const SETTINGS: [&str; 9] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_preload_libraries=pg_stat_statements",
    "max_connections=200",
    "listen_addresses=127.0.0.1,::1",
    "autovacuum=off",
    "logging_collector=off",
    "log_destination=stderr",
];

impl Server {
    /// Starts a server and waits until it takes connections.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with further settings, each `name=value`.
    pub fn start_with(more: &[String]) -> Result<Self> {
        let directory = place::scratch()?;
        copy(template()?, &directory.path().join("data"))?;
        Self::start_in(directory, as_postgres("postgres")?, more)
    }

    /// A server of a newer version than the system's.
    pub fn start_newer(more: &[String]) -> Result<Self> {
        let directory = place::scratch()?;
        let programs = newer::unpack(directory.path())?;
        let owned = directory.path().join("owned");
        fs::create_dir(&owned)?;
        give_to_postgres(&owned)?;
        let data = directory.path().join("data");
        initdb(as_user(Command::new(programs.join("initdb")))?, &owned.join("data"))?;
        fs::rename(owned.join("data"), &data)?;
        Self::start_in(directory, as_user(Command::new(programs.join("postgres")))?, more)
    }

    fn start_in(directory: TempDir, mut command: Command, more: &[String]) -> Result<Self> {
        let sockets = directory.path().join("sockets");
        fs::create_dir(&sockets)?;
        give_to_postgres(&sockets)?;
        let port = place::free_port()?;
        let process = launch(&mut command, directory.path(), port, more)?;
        let server = Self { process, port, directory, settings: more.to_vec() };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends it by [`RESTART_FAST`] or [`RESTART_IMMEDIATE`] and starts it again on the same port and data.
    pub fn restart(&mut self, how: i32) -> Result<()> {
        self.process.stop(how, Duration::from_secs(30))?;
        self.process =
            launch(&mut as_postgres("postgres")?, self.directory.path(), self.port, &self.settings)?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Result<()> {
        clock::until(Duration::from_secs(30), "PostgreSQL", || {
            let mut command = tool("pg_isready")?;
            let answer = process::run("pg_isready", self.address(&mut command, Way::Tcp4), SHORT)?;
            Ok((answer.code == 0).then_some(()))
        })
        .with_context(|| self.process.errors())
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Its port, also in the name of the UNIX socket.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What a client gives as host.
    pub fn host(&self, way: Way) -> String {
        match way {
            Way::Tcp4 => "127.0.0.1".to_owned(),
            Way::Tcp6 => "::1".to_owned(),
            Way::Unix => self.directory.path().join("sockets").display().to_string(),
        }
    }

    /// A connection string as libpq and rust-postgres read it.
    pub fn address_of(&self, way: Way, user: &str, database: &str) -> String {
        let host = self.host(way);
        format!("host={host} port={} user={user} dbname={database} sslmode=disable", self.port)
    }

    fn address<'c>(&self, command: &'c mut Command, way: Way) -> &'c mut Command {
        command.args(["-h", &self.host(way), "-p", &self.port.to_string(), "-U", "postgres"])
    }

    /// Runs SQL as the superuser over the UNIX socket; columns are parted by `|`, rows by line ends.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = tool("psql")?;
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        let answer = process::run("psql", self.address(&mut command, Way::Unix), LONG)?;
        Ok(answer.success("psql")?.trim_end().to_owned())
    }

    /// Makes a role that may log in, and a database.
    pub fn role(&self, name: &str) -> Result<()> {
        self.psql("postgres", &format!("create role {name} login")).map(drop)
    }

    /// Makes a database that everybody may use.
    pub fn database(&self, name: &str) -> Result<()> {
        self.psql("postgres", &format!("create database {name}")).map(drop)
    }

    /// Makes pgbench's tables in `database`, owned by `user`.
    pub fn bench_tables(&self, user: &str, database: &str) -> Result<()> {
        let mut command = tool("pgbench")?;
        command.args(["-i", "-q", "-s", "1", "-h", &self.host(Way::Unix), "-p", &self.port.to_string()]);
        command.args(["-U", user, database]);
        process::run("pgbench -i", &mut command, LONG)?.success("pgbench -i").map(drop)
    }

    /// Runs `pgbench -S -n` to its end and returns the number of transactions that it says it made.
    pub fn bench(&self, bench: &Bench<'_>) -> Result<u64> {
        let mut command = tool("pgbench")?;
        command.args(["-S", "-n", "-M", bench.mode]);
        command.args(["-c", &bench.clients.to_string(), "-t", &bench.transactions.to_string()]);
        command.args(["-h", &self.host(bench.way), "-p", &self.port.to_string()]);
        command.args(["-U", bench.user, bench.database]);
        let output = process::run("pgbench", &mut command, LONG)?.success("pgbench")?;
        let line = "number of transactions actually processed: ";
        let made = output.lines().find_map(|text| text.strip_prefix(line)?.split('/').next()?.parse().ok());
        made.with_context(|| format!("pgbench did not say what it made:\n{output}"))
    }

    /// Starts pgbench's select-only script over TCP for some seconds.
    pub fn bench_for(&self, mode: &str, user: &str, clients: u32, seconds: u64) -> Result<Process> {
        let mut command = tool("pgbench")?;
        command.args(["-S", "-n", "-M", mode, "-c", &clients.to_string(), "-T", &seconds.to_string()]);
        command.args(["-h", &self.host(Way::Tcp4), "-p", &self.port.to_string(), "-U", user, "bench"]);
        Process::start("pgbench", &mut command)
    }

    /// The postmaster's process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// One run of pgbench.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// How it connects.
    pub way: Way,
    /// As whom.
    pub user: &'a str,
    /// Where to.
    pub database: &'a str,
    /// `simple`, `extended` or `prepared`.
    pub mode: &'a str,
    /// Connections.
    pub clients: u32,
    /// Transactions of each.
    pub transactions: u32,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown: it does not wait for clients, and leaves no shared memory behind.
        let _ = self.process.stop(INTERRUPT, Duration::from_secs(10));
    }
}

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_mins(2);

/// One of PostgreSQL's programs, which finds no settings in its environment.
pub fn tool(name: &str) -> Result<Command> {
    let mut command = Command::new(need::postgres().map_err(|reason| anyhow!(reason))?.join(name));
    // libpq reads some thirty PG… variables; the user's own would lead elsewhere.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command.env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
    Ok(command)
}

/// Starts the server on data that is there.
fn launch(command: &mut Command, directory: &Path, port: u16, more: &[String]) -> Result<Process> {
    command.arg("-D").arg(directory.join("data")).arg("-k").arg(directory.join("sockets"));
    command.args(["-p", &port.to_string()]);
    for setting in SETTINGS.into_iter().chain(more.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    Process::start("postgres", command)
}

/// A server program: PostgreSQL refuses to run as root.
fn as_postgres(name: &str) -> Result<Command> {
    as_user(tool(name)?)
}

fn as_user(mut command: Command) -> Result<Command> {
    if let Some((user, group)) = postgres_user()? {
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    Ok(command)
}

/// User and group to run the server as; `None` when we are an ordinary user ourselves.
fn postgres_user() -> Result<Option<(u32, u32)>> {
    if need::lack(need::Feature::OtherUsers).is_some() {
        return Ok(None);
    }
    let id = |flag| -> Result<u32> {
        let answer = process::run("id", Command::new("id").args([flag, "postgres"]), SHORT)?;
        answer.success("id")?.trim().parse().context("id prints a number")
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

/// Makes the user that the server runs as the owner of `path`.
pub fn give_to_postgres(path: &Path) -> Result<()> {
    if let Some((user, group)) = postgres_user()? {
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .with_context(|| format!("giving {} to postgres", path.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let answer = process::run("cp", Command::new("cp").arg("-a").arg(from).arg(to), LONG)?;
    answer.success("cp").map(drop)
}

/// A fresh database cluster, made once by this process; every server begins with a copy.
fn template() -> Result<&'static Path> {
    static TEMPLATE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| make_template().map_err(|error| format!("{error:#}")));
    made.as_deref().map_err(|error| anyhow!("{error}"))
}

fn make_template() -> Result<PathBuf> {
    let parent = place::scratch()?.keep();
    // SAFETY: the function below is called by exit(3) with nothing of ours still running.
    unsafe { libc::atexit(remove_template) };
    give_to_postgres(&parent)?;
    let data = parent.join("data");
    initdb(as_postgres("initdb")?, &data)?;
    Ok(data)
}

fn initdb(mut command: Command, data: &Path) -> Result<()> {
    command.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
    command.args(["--no-locale", "--no-sync", "--no-instructions"]);
    process::run("initdb", &mut command, LONG)?.success("initdb").map(drop)
}

/// A static is never dropped, so the template is removed at exit.
extern "C" fn remove_template() {
    if let Ok(parent) = template().and_then(|data| data.parent().context("it has a parent")) {
        let _ = fs::remove_dir_all(parent);
    }
}
