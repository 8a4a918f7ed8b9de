//! Who plays beside the demonstration's cast: Prometheus and Alertmanager, with the files that are shipped.
//!
//! Only addresses in these are replaced. Each ends when it is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    demo::{cast::get, guard::Running, server, stop::Stop},
    place,
};

/// What Alertmanager cannot start without.
const TEMPLATE: &str = "/usr/share/prometheus/alertmanager/default.tmpl";
/// `$1` is laid over `/usr/share`, where only what is started sees it.
const LAID_OVER: &str =
    "mount -t overlay overlay -o \"lowerdir=$1:/usr/share\" /usr/share && shift && exec \"$@\"";
/// How long either may take to answer.
const READY: Duration = Duration::from_secs(30);

/// Prometheus.
pub struct Prometheus {
    pub running: Running,
    port: u16,
}

/// Alertmanager.
pub struct Alertmanager {
    pub running: Running,
    port: u16,
}

impl Prometheus {
    /// Starts it on this agent, with the rules of this tree.
    pub fn start(agent: &str, alertmanager: &Alertmanager, logs: &Path, stop: &Stop) -> Result<Self> {
        let port = server::free_port()?;
        let rules = format!("{}/", place::root().join("alerts").display());
        let scraped = agent.trim_start_matches("http://").trim_end_matches('/');
        let config = shipped(
            "deploy/prometheus/prometheus.yml",
            &[
                ("../../alerts/", &rules),
                ("localhost:9762", scraped),
                ("localhost:9093", &format!("127.0.0.1:{}", alertmanager.port)),
            ],
            logs,
        )?;
        let mut command = Command::new(program("prometheus")?);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", logs.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=warn");
        let running =
            Running::start("Prometheus", &mut command, Signal::SIGTERM, logs.join("prometheus.log"))?;
        let prometheus = Self { running, port };
        ready("Prometheus", &prometheus.url("-/ready"), &prometheus.running, stop)?;
        Ok(prometheus)
    }

    /// One of its pages.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }
}

impl Alertmanager {
    /// Starts it with the example's routes.
    pub fn start(logs: &Path, stop: &Stop) -> Result<Self> {
        let port = server::free_port()?;
        let config = shipped("deploy/alertmanager/alertmanager.yml", &[], logs)?;
        let mut command = with_templates(&program("prometheus-alertmanager")?)?;
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", logs.join("alertmanager").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.args(["--cluster.listen-address=", "--log.level=warn"]);
        let running =
            Running::start("Alertmanager", &mut command, Signal::SIGTERM, logs.join("alertmanager.log"))?;
        let alertmanager = Self { running, port };
        ready("Alertmanager", &alertmanager.url("-/ready"), &alertmanager.running, stop)?;
        Ok(alertmanager)
    }

    /// One of its pages.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }

    /// What shows its alerts: Debian's has no page to look at.
    pub fn look(&self) -> String {
        let tool = place::executable("amtool").unwrap_or_else(|| PathBuf::from("amtool"));
        format!("{} alert --alertmanager.url={}", tool.display(), self.url(""))
    }
}

/// A copy of a file that is shipped, with what is there replaced.
fn shipped(path: &str, replaced: &[(&str, &str)], logs: &Path) -> Result<PathBuf> {
    let path = place::root().join(path);
    let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (theirs, ours) in replaced {
        ensure!(text.contains(theirs), "{} has no {theirs:?}", path.display());
        text = text.replace(theirs, ours);
    }
    let copy = logs.join(path.file_name().context("a file has a name")?);
    fs::write(&copy, text).with_context(|| copy.display().to_string())?;
    Ok(copy)
}

fn program(name: &str) -> Result<PathBuf> {
    let found = place::executable(name).with_context(|| format!("no {name}: run `cargo xtask setup`"))?;
    Ok(found.canonicalize()?)
}

/// Alertmanager reads its own templates from `/usr/share`. Where it is only unpacked it gets a view of that with them.
fn with_templates(program: &Path) -> Result<Command> {
    if Path::new(TEMPLATE).is_file() {
        return Ok(Command::new(program));
    }
    let share = program.ancestors().nth(2).context("a program lies in usr/bin")?.join("share");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", LAID_OVER, "sh"]).arg(share).arg(program);
    Ok(command)
}

fn ready(name: &str, url: &str, running: &Running, stop: &Stop) -> Result<()> {
    stop.until(&format!("{name} is ready"), READY, || {
        running.alive()?;
        Ok(get(url).ok().filter(|(status, _)| *status == 200).map(drop))
    })
}
