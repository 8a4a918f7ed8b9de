//! Docker or Podman of a test's own, by their command lines, which are alike: nothing of the machine's own is used or changed.
//!
//! Docker has a daemon, which ends with the engine; Podman has none. Containers see the machine's programs, so that the
//! image can be empty, and their cgroups lie below one of the tests' own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{PARENT, image, programs, remove_cgroups};
use crate::{
    clock, place,
    process::{self, Process, TERMINATE},
};

/// How long a command may take, and the daemon to start.
const CALL: Duration = Duration::from_mins(1);

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `docker.io`.
    Docker,
    /// Debian's `podman`.
    Podman,
}

/// A usable one; its containers end with it.
pub struct Engine {
    kind: Kind,
    daemon: Option<Process>,
    directory: TempDir,
}

impl Kind {
    /// Its command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// Where set-up has unpacked it.
    pub fn home(self) -> Result<PathBuf> {
        Ok(place::target()?.join("tools").join(self.name()))
    }

    /// The cgroup in which it makes others: the name is the one that it takes unasked.
    const fn parent(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "libpod_parent",
        }
    }
}

impl Engine {
    /// Starts it in a directory of its own, and loads the tests' image.
    pub fn start(kind: Kind) -> Result<Self> {
        let mut engine = Self { kind, daemon: None, directory: place::scratch()? };
        engine.settle()?;
        if kind == Kind::Docker {
            engine.launch()?;
        }
        let archive = image::write(engine.directory.path())?;
        engine.call(["load", "--input", &archive.to_string_lossy()])?;
        Ok(engine)
    }

    /// Runs a command as the container of this name, in the machine's network unless `more` says otherwise; its identity.
    pub fn run(&self, name: &str, more: &[&str], command: &[String]) -> Result<String> {
        let seen: Vec<String> = image::SEEN
            .iter()
            .filter(|path| Path::new(path).exists())
            .flat_map(|path| ["--volume".to_owned(), format!("{path}:{path}:ro")])
            .collect();
        let (program, arguments) = command.split_first().context("a command begins with a program")?;
        let seen = seen.iter().map(String::as_str);
        let more: Vec<&str> = seen.chain(more.iter().copied()).chain(["--entrypoint", program]).collect();
        self.run_image(name, &more, image::NAME, arguments)
    }

    /// The same with another image's own program, and nothing of the machine.
    pub fn run_image(&self, name: &str, more: &[&str], image: &str, command: &[String]) -> Result<String> {
        let parent = format!("{PARENT}/{}", self.kind.parent());
        let mut run = self.command()?;
        run.args(["run", "--detach", "--name", name, "--cgroup-parent", &parent]);
        if !more.contains(&"--network") {
            run.args(["--network", "host"]);
        }
        self.said(run.args(more).arg(image).args(command))
    }

    /// What the machine calls a container's first process.
    pub fn pid(&self, container: &str) -> Result<u32> {
        let pid = self.call(["inspect", "--format", "{{.State.Pid}}", container])?;
        pid.parse().with_context(|| format!("{pid:?} is no process"))
    }

    /// What a container has printed.
    pub fn log(&self, container: &str) -> String {
        let logs =
            self.command().and_then(|mut logs| process::run("logs", logs.args(["logs", container]), CALL));
        logs.map_or_else(|error| format!("{error:#}"), |said| said.output + &said.errors)
    }

    /// Its command line.
    pub fn command(&self) -> Result<Command> {
        let program = self.kind.home()?.join("usr/bin").join(self.kind.name());
        let mut command = Command::new(program);
        for (name, value) in self.environment()? {
            command.env(name, value);
        }
        Ok(command)
    }

    /// Runs one of its commands; what it printed.
    pub fn call<const N: usize>(&self, arguments: [&str; N]) -> Result<String> {
        self.said(self.command()?.args(arguments))
    }

    fn said(&self, command: &mut Command) -> Result<String> {
        let answer = process::run(self.kind.name(), command, CALL)?;
        let name = format!("{} {:?}", self.kind.name(), command.get_args());
        Ok(answer.success(&name)?.trim().to_owned())
    }

    /// Where it looks for programs, libraries, settings and its daemon.
    pub fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let (home, here) = (self.kind.home()?, self.directory.path().display());
        let unpacked = programs()?;
        let own = ["usr/bin", "usr/sbin"].map(|place| home.join(place));
        let others = [unpacked.join("bin"), unpacked.join("sbin")];
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(own.into_iter().chain(others).chain(env::split_paths(&path)))?;
        let libraries = format!("{}-linux-gnu", env::consts::ARCH);
        let libraries = env::join_paths(["usr/lib", "lib"].map(|place| home.join(place).join(&libraries)))?;
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Ok(vec![
            ("PATH", text(path)),
            ("LD_LIBRARY_PATH", text(libraries)),
            ("HOME", here.to_string()),
            ("DOCKER_HOST", format!("unix://{here}/docker.sock")),
            ("CONTAINERS_CONF", format!("{here}/containers.conf")),
            ("CONTAINERS_STORAGE_CONF", format!("{here}/storage.conf")),
            ("CONTAINERS_REGISTRIES_CONF", format!("{here}/registries.conf")),
        ])
    }

    /// Writes the settings of both. Podman copies files and does not lay them over one another: that works everywhere.
    fn settle(&self) -> Result<()> {
        let (directory, here) = (self.directory.path(), self.directory.path().display());
        let conmon = self.kind.home()?.join("usr/bin/conmon");
        let runc = programs()?.join("sbin/runc");
        // Podman would raise limits as far as root may elsewhere.
        let containers = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"runc\"\n\
             conmon_path = [\"{}\"]\ntmp_dir = \"{here}/tmp\"\n[engine.runtimes]\nrunc = [\"{}\"]\n",
            conmon.display(),
            runc.display()
        );
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{here}/root\"\nrunroot = \"{here}/run\"\n");
        fs::create_dir_all(directory.join(".config/containers"))?;
        for (name, text) in [
            ("containers.conf", containers.as_str()),
            ("storage.conf", storage.as_str()),
            ("registries.conf", ""),
            (".config/containers/policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#),
            ("daemon.json", "{}"),
        ] {
            fs::write(directory.join(name), text).with_context(|| name.to_owned())?;
        }
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let here = self.directory.path().display();
        let mut dockerd = Command::new(self.kind.home()?.join("usr/sbin/dockerd"));
        dockerd.args(["--log-level=warn", "--iptables=false", "--ip6tables=false", "--bridge=none"]);
        for (option, file) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "root"),
            ("--exec-root", "run"),
            ("--pidfile", "docker.pid"),
        ] {
            dockerd.arg(format!("{option}={here}/{file}"));
        }
        for (name, value) in self.environment()? {
            dockerd.env(name, value);
        }
        self.daemon =
            Some(Process::start("dockerd", dockerd.arg(format!("--host=unix://{here}/docker.sock")))?);
        let up = clock::until(CALL, "dockerd", || Ok(self.call(["version"]).ok()));
        up.map(drop).with_context(|| self.daemon.as_ref().map_or_else(String::new, Process::errors))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let all = self.call(["ps", "--all", "--quiet", "--no-trunc"]).unwrap_or_default();
        let gone = self.command().and_then(|mut remove| {
            // Podman would first ask them to end; Docker does not.
            let at_once: &[&str] = if self.kind == Kind::Podman { &["--time", "0"] } else { &[] };
            self.said(remove.args(["rm", "--force"]).args(at_once).args(all.lines()))
        });
        if let Some(error) = gone.err().filter(|_| !all.is_empty()) {
            println!("containers are left behind: {error:#}");
        }
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.stop(TERMINATE, Duration::from_secs(20));
        }
        // Docker leaves these mounted, and with them its directory could not be removed.
        let networks = fs::read_dir(self.directory.path().join("run/netns"));
        for network in networks.into_iter().flatten().flatten() {
            let _ = process::run("umount", Command::new("umount").arg(network.path()), CALL);
        }
        remove_cgroups();
    }
}
