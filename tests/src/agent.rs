//! The agent as its users run it: a process, its port and its pages.

use std::{ffi::OsStr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    clock, http,
    page::Page,
    place,
    process::{Process, TERMINATE},
};

/// A running agent; it is killed when dropped.
pub struct Agent {
    process: Process,
    port: u16,
}

/// How long loading the probes and the first scan may take on a busy machine.
const READY: Duration = Duration::from_secs(30);

/// How late the page may be: one second by the contract, and the time to ask.
const SETTLE: Duration = Duration::from_millis(1200);

impl Agent {
    /// Starts the agent with these arguments and `--listen`, and waits until it is ready.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut agent = Self::launch(arguments)?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// The same by a command that becomes the agent.
    pub fn start_by(command: Command) -> Result<Self> {
        let mut agent = Self::launch_by(command)?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// [`start`](Self::start) without the wait.
    pub fn launch<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut command = command()?;
        command.args(arguments);
        Self::launch_by(command)
    }

    fn launch_by(mut command: Command) -> Result<Self> {
        let port = place::free_port()?;
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        Ok(Self { process: Process::start("poolwatch", &mut command)?, port })
    }

    /// Starts it in a directory of its own, which also is where it may put files that nobody is to keep.
    pub fn start_in<A: AsRef<OsStr>>(home: &Path, arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let port = place::free_port()?;
        let mut command = command()?;
        command.args(arguments).args(["--listen", &format!("127.0.0.1:{port}")]);
        command.current_dir(home).env("TMPDIR", home);
        let mut agent = Self { process: Process::start("poolwatch", &mut command)?, port };
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// Waits for `/readyz`.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = clock::Deadline::after(READY * clock::patience());
        loop {
            if let Some(status) = self.process.ended()? {
                bail!("the agent ended before it was ready ({status}):\n{}", self.errors());
            }
            let answer = http::get_in(&self.url("/readyz"), Duration::from_secs(2));
            match answer {
                Ok((200, _)) => return Ok(()),
                _ if deadline.passed() => {
                    bail!("not ready in {READY:?}: /readyz answers {answer:?}\n{}", self.errors())
                }
                _ => clock::pause(Duration::from_millis(5)),
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Status and body of a page.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        http::get(&self.url(path)).with_context(|| self.errors())
    }

    /// A page of JSON, whatever its status.
    pub fn json(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        serde_json::from_str(&body).with_context(|| format!("{path} ({status}) is no JSON:\n{body}"))
    }

    /// `/metrics`, read strictly.
    pub fn metrics(&self) -> Result<Page> {
        let (status, body) = self.get("/metrics")?;
        ensure!(status == 200, "/metrics answers {status}: {body}");
        Page::parse(&body)
    }

    /// `/metrics` as soon as it says what a test waits for: a record takes some milliseconds on its way, and
    /// the contract allows the end of a connection one second.
    pub fn metrics_when(&self, what: &str, is: impl Fn(&Page) -> bool) -> Result<Page> {
        let mut last = String::new();
        let page = clock::until(SETTLE, what, || {
            let page = self.metrics()?;
            last.clone_from(&page.text);
            Ok(is(&page).then_some(page))
        });
        page.with_context(|| format!("the page:\n{last}"))
    }

    /// What it has logged so far.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Sends it a signal that should end it; its exit code.
    pub fn stop(&mut self, signal: i32) -> Result<i32> {
        self.process.stop(signal, Duration::from_secs(20))
    }

    /// Waits for its end; its exit code.
    pub fn wait(&mut self, wait: Duration) -> Result<i32> {
        self.process.wait(wait)
    }

    /// Asks it to end; its exit code and what it logged.
    pub fn terminate(mut self) -> Result<(i32, String)> {
        let code = self.process.stop(TERMINATE, Duration::from_secs(20))?;
        Ok((code, self.errors()))
    }
}

/// The agent's binary, without settings from this process's environment.
pub fn command() -> Result<Command> {
    Ok(command_of(&place::agent()?))
}

/// The same for a binary at another place.
pub fn command_of(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("POOLWATCH_") || text.starts_with("RUST_") || text == "OTEL_SERVICE_NAME" {
            command.env_remove(&name);
        }
    }
    command
}
