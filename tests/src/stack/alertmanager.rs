//! A private Alertmanager with the configuration that is shipped.
//!
//! Debian's is unpacked, not installed, and reads its own templates from `/usr/share`: where they are not there, it runs in a
//! mount namespace of its own, in which they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{receiver::Receiver, shipped::Shipped};
use crate::{
    clock, http, need, place,
    process::{self, Process},
};

/// The server.
pub const SERVER: &str = "prometheus-alertmanager";
/// Its tool.
pub const TOOL: &str = "amtool";
/// Where it stands in the project.
pub const CONFIG: &str = "deploy/alertmanager/alertmanager.yml";
/// What it cannot start without.
const TEMPLATE: &str = "/usr/share/prometheus/alertmanager/default.tmpl";
/// `$1` is laid over `/usr/share`, where only what is started sees it.
const LAID_OVER: &str =
    "mount -t overlay overlay -o \"lowerdir=$1:/usr/share\" /usr/share && shift && exec \"$@\"";
/// What the webhook's receiver is shown.
pub const TOKEN: &str = "a-token";

/// One of its programs, able to find its templates.
pub fn program(name: &str) -> Result<Command> {
    let found = need::in_path(name).with_context(|| format!("no {name} in PATH"))?;
    let file = fs::canonicalize(&found).with_context(|| found.display().to_string())?;
    let share = file.ancestors().nth(2).context("a program lies in usr/bin")?.join("share");
    if Path::new(TEMPLATE).is_file() {
        return Ok(Command::new(file));
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", LAID_OVER, "sh"]).arg(share).arg(file);
    Ok(command)
}

/// Why it does not run on this machine; `None` when it does.
pub fn lack() -> Option<String> {
    [SERVER, TOOL].into_iter().find_map(|name| {
        let answer = program(name).and_then(|mut command| {
            process::run(name, command.arg("--version"), Duration::from_secs(10))?.success(name)
        });
        answer.err().map(|error| format!("no {name} that runs ({error:#}; cargo xtask setup)"))
    })
}

/// What `amtool check-config` says of a file; an error when it does not take it.
pub fn check(config: &Path) -> Result<String> {
    let mut command = program(TOOL)?;
    command.arg("check-config").arg(config);
    process::run(TOOL, &mut command, Duration::from_secs(20))?.success("amtool check-config")
}

/// It runs; it is killed when dropped.
pub struct Alertmanager {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Alertmanager {
    /// Starts it and waits until it answers. Its messages for chat and webhook go to the receiver; the mail server that it
    /// is told of takes none, which must hold nothing else up.
    pub fn start(receiver: &Receiver) -> Result<Self> {
        let directory = place::scratch()?;
        let config = directory.path().join("alertmanager.yml");
        configuration(&secrets(directory.path(), receiver)?, receiver)?.leave(&config)?;
        let port = place::free_port()?;
        let mut command = program(SERVER)?;
        command.arg("--config.file").arg(&config).arg("--storage.path").arg(directory.path().join("data"));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        // It is alone.
        command.args(["--cluster.listen-address=", "--log.level=warn"]);
        let alertmanager =
            Self { process: Process::start(SERVER, &mut command)?, port, _directory: directory };
        clock::until(Duration::from_secs(30), "Alertmanager", || {
            let answer = http::get(&format!("http://127.0.0.1:{port}/-/ready"));
            Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
        })
        .with_context(|| alertmanager.errors())?;
        Ok(alertmanager)
    }

    /// Where Prometheus sends alerts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn errors(&self) -> String {
        self.process.errors()
    }
}

fn configuration(secrets: &Path, receiver: &Receiver) -> Result<Shipped> {
    Shipped::read(CONFIG)?
        .with("/etc/alertmanager/secrets", secrets.to_str().context("a path in UTF-8")?)?
        .with("http://localhost:9095", &receiver.url(""))?
        .with("smtp.example.com:587", "127.0.0.1:1")
}

fn secrets(directory: &Path, receiver: &Receiver) -> Result<PathBuf> {
    let secrets = directory.join("secrets");
    fs::create_dir(&secrets)?;
    let chat = receiver.url("/slack");
    for (name, text) in
        [("slack_url", chat.as_str()), ("smtp_password", "a password"), ("webhook_token", TOKEN)]
    {
        fs::write(secrets.join(name), text)?;
    }
    Ok(secrets)
}
