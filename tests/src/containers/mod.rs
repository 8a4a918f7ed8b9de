//! A container runtime of a test's own, containerd with runc, and pods in it, asked for as the kubelet asks.
//!
//! Pods have the machine's network, so that no plugin is needed, and see the machine's programs, so that the image
//! can be empty. Their cgroups have the kubelet's names below one of the tests' own.

pub mod engine;
mod image;
mod message;

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use prost::Message;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;

use self::message::{
    ContainerConfig, ContainerMetadata, ContainerSecurity, CreateContainer, Id, Image, LinuxContainer,
    LinuxPod, Metadata, Mount, Namespaces, Nothing, PodConfig, PodSecurity, RunPod,
};
use crate::{
    clock, place,
    process::{self, Process, TERMINATE},
};

/// The cgroup above all pods of tests.
const PARENT: &str = "/poolwatch-tests";
const STARTUP: Duration = Duration::from_secs(30);
const CALL: Duration = Duration::from_mins(1);
/// The machine's own namespace.
const NODE: i32 = 2;

/// A pod, as Kubernetes would describe it.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its UID.
    pub uid: &'a str,
    /// Its labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// It has the machine's processes and all privileges, as an agent may.
    pub host: bool,
}

/// A running runtime; its pods end with it.
pub struct Runtime {
    process: Process,
    directory: TempDir,
    calls: Calls,
    pods: Vec<String>,
}

/// Where set-up has unpacked the runtime.
pub fn programs() -> Result<PathBuf> {
    Ok(place::target()?.join("tools/containerd/usr"))
}

impl Runtime {
    /// Starts one in a directory of its own.
    pub fn start() -> Result<Self> {
        let directory = place::scratch()?;
        fs::write(directory.path().join("config.toml"), settings(directory.path())?)?;
        let (process, calls) = launch(directory.path())?;
        let runtime = Self { process, directory, calls, pods: Vec::new() };
        let (archive, socket) = (image::write(runtime.directory.path())?, runtime.socket());
        let mut import = with_programs("bin/ctr")?;
        import.arg("--address").arg(&socket).args(["--namespace", "k8s.io", "images", "import"]).arg(archive);
        process::run("ctr", &mut import, CALL)?.success("ctr images import")?;
        Ok(runtime)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        socket_in(self.directory.path())
    }

    /// Runs a command as the container `name` of a new pod, which sees the machine's programs and `more` directories.
    pub fn run(&mut self, pod: &Pod<'_>, name: &str, command: &[String], more: &[&Path]) -> Result<()> {
        let config = pod_config(pod, self.directory.path());
        let made: Id = self.calls.call("RunPodSandbox", RunPod { config: Some(config.clone()) })?;
        self.pods.push(made.id.clone());
        let container = CreateContainer {
            pod: made.id,
            config: Some(container_config(pod, name, command, more)),
            pod_config: Some(config),
        };
        let made: Id = self.calls.call("CreateContainer", container)?;
        self.calls.call::<_, Nothing>("StartContainer", made).map(drop)
    }

    /// What the container of this name has printed.
    pub fn log(&self, name: &str) -> String {
        let log = self.directory.path().join(format!("{name}.log"));
        fs::read_to_string(log).unwrap_or_else(|error| error.to_string())
    }

    /// Ends it and starts it again; its pods go on.
    pub fn restart(&mut self) -> Result<()> {
        self.process.stop(TERMINATE, STARTUP)?;
        (self.process, self.calls) = launch(self.directory.path())?;
        Ok(())
    }
}

fn launch(directory: &Path) -> Result<(Process, Calls)> {
    let mut command = with_programs("bin/containerd")?;
    command.arg("--config").arg(directory.join("config.toml"));
    let process = Process::start("containerd", &mut command)?;
    let socket = socket_in(directory);
    // It listens a moment before it answers.
    let calls = clock::until(STARTUP, "containerd", || Ok(Calls::open(&socket).ok().filter(Calls::answered)));
    let calls = calls.with_context(|| process.errors())?;
    Ok((process, calls))
}

impl Drop for Runtime {
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.pods) {
            let gone = self.calls.call::<_, Nothing>("StopPodSandbox", Id { id: id.clone() });
            let gone = gone.and_then(|_| self.calls.call::<_, Nothing>("RemovePodSandbox", Id { id }));
            if let Err(error) = gone {
                println!("a pod is left behind: {error:#}");
            }
        }
        let _ = self.process.stop(TERMINATE, Duration::from_secs(20));
        remove_cgroups();
    }
}

/// Where a runtime in this directory listens.
pub fn socket_in(directory: &Path) -> PathBuf {
    directory.join("containerd.sock")
}

fn with_programs(program: &str) -> Result<Command> {
    let home = programs()?;
    let mut places = vec![home.join("bin"), home.join("sbin")];
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(home.join(program));
    command.env("PATH", env::join_paths(places)?);
    Ok(command)
}

/// The plainest that works everywhere: files are copied, not laid over one another.
fn settings(directory: &Path) -> Result<String> {
    let (here, home, image) = (directory.display(), programs()?, image::NAME);
    Ok(format!(
        r#"version = 2
root = "{here}/root"
state = "{here}/state"
[grpc]
address = "{here}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{image}"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{here}/none"
conf_dir = "{here}/none"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"
"#,
        runc = home.join("sbin/runc").display()
    ))
}

fn pod_config(pod: &Pod<'_>, logs: &Path) -> PodConfig {
    let own = |text: &str| text.to_owned();
    let labels: HashMap<_, _> = pod.labels.iter().map(|(name, value)| (own(name), own(value))).collect();
    let (name, uid, namespace) = (own(pod.name), own(pod.uid), own(pod.namespace));
    let cgroup_parent = format!("{PARENT}/kubepods/burstable/pod{uid}");
    let security = Some(PodSecurity { namespaces: Some(namespaces(pod)), privileged: pod.host });
    PodConfig {
        metadata: Some(Metadata { name, uid, namespace }),
        log_directory: logs.display().to_string(),
        labels,
        linux: Some(LinuxPod { cgroup_parent, security }),
    }
}

fn namespaces(pod: &Pod<'_>) -> Namespaces {
    Namespaces { network: NODE, processes: if pod.host { NODE } else { 0 } }
}

fn container_config(pod: &Pod<'_>, name: &str, command: &[String], more: &[&Path]) -> ContainerConfig {
    let seen = image::SEEN.iter().map(Path::new).chain(more.iter().copied());
    let mount = |path: &Path| {
        let path = path.display().to_string();
        Mount { inside: path.clone(), outside: path, readonly: true }
    };
    let security = ContainerSecurity { privileged: pod.host, namespaces: Some(namespaces(pod)) };
    ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.to_owned() }),
        image: Some(Image { image: image::NAME.to_owned() }),
        command: command.to_vec(),
        mounts: seen.filter(|path| path.exists()).map(mount).collect(),
        log_path: format!("{name}.log"),
        linux: Some(LinuxContainer { security: Some(security) }),
    }
}

/// Empty groups are all that is left: the deepest goes first.
fn remove_cgroups() {
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &format!("*{PARENT}*"), "-delete"]);
    let _ = process::run("find", &mut find, CALL);
}

/// Calls of the interface.
struct Calls {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
}

impl Calls {
    fn open(socket: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let channel = runtime.block_on(endpoint.connect())?;
        Ok(Self { runtime, channel })
    }

    fn answered(&self) -> bool {
        self.call::<_, Nothing>("ListPodSandbox", Nothing {}).is_ok()
    }

    fn call<Q, A>(&self, method: &str, question: Q) -> Result<A>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path: Uri = path.parse()?;
        let path = path.into_parts().path_and_query.context("a method has a path")?;
        let mut calls = Grpc::new(self.channel.clone());
        let ask = async {
            calls.ready().await?;
            Ok(calls.unary(Request::new(question), path, ProstCodec::<Q, A>::default()).await?.into_inner())
        };
        let answer: Result<A> = self.runtime.block_on(async { timeout(CALL, ask).await })?;
        answer.map_err(|error| anyhow!("{method}: {error:#}"))
    }
}
