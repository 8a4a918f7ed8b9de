//! The scripted client (`apps/rust/client.rs`): connections that do exactly what a test says, when it says it.

use std::{collections::HashMap, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    place,
    process::{KILL, Process, TERMINATE},
};

/// A running client; it is killed when dropped.
pub struct Client {
    process: Process,
    /// The output line from which each connection's next answer may come.
    read: HashMap<String, usize>,
}

/// What the client measured of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Nanoseconds from before the call to after it.
    pub took: u64,
    /// Rows received.
    pub rows: u64,
}

/// The longest that a test lets a command take.
const ANSWER: Duration = Duration::from_secs(30);

impl Client {
    /// Starts it, with `service` as its `OTEL_SERVICE_NAME`, or none.
    pub fn start(service: Option<&str>) -> Result<Self> {
        Self::start_at(&place::built("poolwatch-client")?, service)
    }

    /// The same from another place, and so under another name.
    pub fn start_at(binary: &Path, service: Option<&str>) -> Result<Self> {
        let mut command = Command::new(binary);
        command.env_remove("OTEL_SERVICE_NAME");
        if let Some(service) = service {
            command.env("OTEL_SERVICE_NAME", service);
        }
        Self::start_by(&mut command)
    }

    /// The same by a command that becomes it: as another user, or in another namespace.
    pub fn start_by(command: &mut Command) -> Result<Self> {
        Ok(Self { process: Process::start("poolwatch-client", command)?, read: HashMap::new() })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Opens a connection under a name.
    pub fn open(&mut self, name: &str, address: &str) -> Result<Timing> {
        self.begin(name, &format!("open {address}"))?;
        self.wait(name)
    }

    /// Sends SQL as one `Query` and reads the answer to its end.
    pub fn query(&mut self, name: &str, sql: &str) -> Result<Timing> {
        self.begin(name, &format!("query {sql}"))?;
        self.wait(name)
    }

    /// Parses, binds and executes one statement, and reads the answer to its end.
    pub fn execute(&mut self, name: &str, sql: &str) -> Result<Timing> {
        self.begin(name, &format!("execute {sql}"))?;
        self.wait(name)
    }

    /// Closes a connection in good order.
    pub fn close(&mut self, name: &str) -> Result<Timing> {
        self.begin(name, "close")?;
        self.wait(name)
    }

    /// Begins a command (`query …`, `execute …`) and does not wait.
    pub fn begin(&mut self, name: &str, command: &str) -> Result<()> {
        self.process.tell(&format!("{name} {command}"))
    }

    /// Waits for the answer to the oldest command of this connection that was not waited for.
    pub fn wait(&mut self, name: &str) -> Result<Timing> {
        let from = self.read.get(name).copied().unwrap_or(0);
        let (line, answer) = self.process.line_from(from, &format!("{name} "), ANSWER)?;
        self.read.insert(name.to_owned(), line + 1);
        let mut words = answer.split(' ');
        if words.next() != Some("ok") {
            bail!("{name}: {answer}");
        }
        let mut number = || words.next().and_then(|word| word.parse().ok()).context("two numbers");
        Ok(Timing { took: number()?, rows: number()? })
    }

    /// Ends it; it closes no connection in good order.
    pub fn terminate(mut self) -> Result<i32> {
        self.process.stop(TERMINATE, Duration::from_secs(10))
    }

    /// Ends its input: it closes every connection in good order and ends.
    pub fn leave(mut self) -> Result<i32> {
        self.process.wait(Duration::from_secs(10))
    }

    /// kill -9
    pub fn kill(mut self) -> Result<i32> {
        self.process.stop(KILL, Duration::from_secs(10))
    }
}
