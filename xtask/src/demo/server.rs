//! A private PostgreSQL: its own data, its own port, gone afterwards. Existing clusters are not touched.
//!
//! PostgreSQL refuses to run as root, so there it runs as `postgres` or `nobody`, in a directory of theirs.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::Signal,
    unistd::{User, geteuid},
};

use super::{
    guard::{Directory, Running},
    stop::Stop,
};
use crate::{command, place, setup::system};

/// The server, while it lives.
pub struct Server {
    // Dropped in this order: first the process, then its data.
    running: Running,
    _directory: Directory,
    /// On 127.0.0.1.
    pub port: u16,
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Server {
    /// Makes a cluster and starts it.
    pub fn start(logs: &Path, stop: &Stop) -> Result<Self> {
        let programs = system::postgres_bin().context("no PostgreSQL: run `cargo xtask setup`")?;
        let owner = owner()?;
        let directory = data_directory(owner.as_ref())?;
        let data = directory.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--pgdata"]);
        initdb.arg(&data).current_dir(directory.path()).stdout(fs::File::create(logs.join("initdb.log"))?);
        command::run(as_owner(&mut initdb, owner.as_ref()))?;

        let port = free_port()?;
        let mut postgres = Command::new(programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(directory.path()).args(["-p", &port.to_string()]);
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]).current_dir(directory.path());
        // SIGINT: end sessions and stop, without waiting for clients.
        let postgres = as_owner(&mut postgres, owner.as_ref());
        let running = Running::start("PostgreSQL", postgres, Signal::SIGINT, logs.join("postgres.log"))?;
        let server = Self { running, _directory: directory, port };
        stop.until("PostgreSQL is ready", Duration::from_secs(30), || {
            server.running.alive()?;
            Ok(server.running.output().contains("ready to accept connections").then_some(()))
        })?;
        Ok(server)
    }
}

/// Who it runs as; `None` for ourselves.
fn owner() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    known.map(Some).context("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
}

fn as_owner<'a>(command: &'a mut Command, owner: Option<&User>) -> &'a mut Command {
    match owner {
        Some(user) => command.uid(user.uid.as_raw()).gid(user.gid.as_raw()),
        None => command,
    }
}

/// Below `target/`, or where the owner cannot get there (a root-only home) in the system's place for
/// temporary files.
fn data_directory(owner: Option<&User>) -> Result<Directory> {
    let name = format!("poolwatch-demo-{}", std::process::id());
    let ours = Directory::create(place::target().join("demo").join(&name))?;
    if usable(&ours, owner)? {
        return Ok(ours);
    }
    let elsewhere = Directory::create(env::temp_dir().join(&name))?;
    usable(&elsewhere, owner)?;
    Ok(elsewhere)
}

fn usable(directory: &Directory, owner: Option<&User>) -> Result<bool> {
    let Some(user) = owner else { return Ok(true) };
    chown(directory.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    let mut test = Command::new("test");
    test.arg("-w").arg(directory.path()).current_dir("/");
    Ok(as_owner(&mut test, owner).status()?.success())
}
