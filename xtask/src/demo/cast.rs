//! Who plays: an application with a pool, a load on it, and poolwatch beside it.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{App, guard::Running, server, stop::Stop};
use crate::place;

/// Connections that the application's pool may hold.
pub const POOL: u32 = 10;
/// Mean length of a query in milliseconds.
pub const MEAN_MS: f64 = 30.0;

/// The application.
pub struct Application {
    pub running: Running,
    port: u16,
}

impl Application {
    /// Starts it against the server on this port.
    pub fn start(app: App, database: u16, logs: &Path, stop: &Stop) -> Result<Self> {
        let mut command = match app {
            App::Node => program("node", "node/server.js"),
            App::Python => program(&place::python().display().to_string(), "python/server.py"),
        };
        command.env("PORT", "0").env("POOL", POOL.to_string()).env("PGHOST", "127.0.0.1");
        command.env("PGPORT", database.to_string()).env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        let running = Running::start("the application", &mut command, Signal::SIGTERM, logs.join("app.log"))?;
        let port = stop.until("the application listens", Duration::from_secs(20), || {
            running.alive()?;
            Ok(running.output().lines().find_map(|line| line.strip_prefix("listening ")?.parse().ok()))
        })?;
        Ok(Self { running, port })
    }

    /// One of its pages.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }

    /// Begins to ask it for queries, as many a second as use this share of its pool.
    pub fn load(&self, share: f64, seconds: f64, logs: &Path) -> Result<Running> {
        let rate = share * f64::from(POOL) / (MEAN_MS / 1000.0);
        let mut load = program("python3", "load.py");
        load.args(["--url", &self.url("query"), "--rate", &format!("{rate:.1}")]);
        load.args(["--mean-ms", &MEAN_MS.to_string(), "--seconds", &format!("{seconds:.1}")]);
        Running::start("the load", &mut load, Signal::SIGTERM, logs.join("load.log"))
    }
}

fn program(interpreter: &str, file: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(place::apps().join(file));
    command
}

/// poolwatch.
pub struct Agent {
    pub running: Running,
    port: u16,
}

impl Agent {
    /// Starts it on one process, and waits until its probes are attached.
    pub fn start(pid: u32, logs: &Path, stop: &Stop) -> Result<Self> {
        let port = server::free_port()?;
        let mut command = Command::new(place::agent(true));
        command.args(["--pid", &pid.to_string(), "--pool-max", &POOL.to_string()]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let running = Running::start("poolwatch", &mut command, Signal::SIGTERM, logs.join("poolwatch.log"))?;
        let agent = Self { running, port };
        stop.until("poolwatch is ready", Duration::from_secs(30), || {
            agent.running.alive()?;
            Ok(get(&agent.url("readyz")).ok().filter(|(status, _)| *status == 200).map(drop))
        })?;
        Ok(agent)
    }

    /// One of its pages.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }
}

/// Status and text of a page. A page of bad news (503) is still a page.
pub fn get(url: &str) -> Result<(u16, String)> {
    let client = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .new_agent();
    let mut response = client.get(url).call().with_context(|| format!("cannot read {url}"))?;
    let status = response.status().as_u16();
    Ok((status, response.body_mut().read_to_string().with_context(|| format!("cannot read {url}"))?))
}

/// A page of JSON.
pub fn json(url: &str) -> Result<Value> {
    let (_, text) = get(url)?;
    serde_json::from_str(&text).with_context(|| format!("{url} is no JSON: {text}"))
}
