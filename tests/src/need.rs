//! What a test needs from the machine. A test that lacks something says what, and is not counted as failed.
//!
//! `POOLWATCH_TESTS_STRICT=1` turns each skip into a failure: set it wherever the set-up has run, so that
//! nothing is missing there unnoticed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::place;

/// Something that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Root, and a kernel that describes itself (BTF): without them no probe can be attached.
    Probes,
    /// The newer probes' hooks: what every socket call of TCP and UNIX reports.
    SocketTier,
    /// The older probes' hooks: raw tracepoints on system calls.
    SystemCallTier,
    /// PostgreSQL's server and tools.
    Postgres,
    /// A PostgreSQL that is newer than the system's, and speaks version 3.2 of the protocol.
    NewerPostgres,
    /// node and the packages of `apps/node`.
    Node,
    /// Python.
    Python,
    /// Python with the packages of `apps/python/requirements.txt`.
    PythonPool,
    /// java and the driver of `apps/java/pom.xml`.
    Jdbc,
    /// The programs of `apps/go`, which set-up builds.
    GoDrivers,
    /// One of them linked in other ways, and `strip`.
    GoLinked,
    /// The program of `apps/go` that encrypts, which set-up builds, with and without its symbols.
    GoTls,
    /// Python with pg8000, and GnuTLS of the system.
    GnuTls,
    /// ruby with its package pg.
    RubyPg,
    /// ruby with its packages pg and `connection_pool`.
    RubyPool,
    /// php with `pdo_pgsql`.
    PhpPgsql,
    /// The program of `apps/c`, which set-up builds.
    Libpq,
    /// Python with aiohttp and `psycopg_pool`.
    PythonWeb,
    /// java and HikariCP.
    Hikari,
    /// The rigs of `apps/go`, which set-up builds.
    GoRigs,
    /// node and the packages of `apps/prisma`, with its client, which set-up makes.
    Prisma,
    /// PgBouncer, and the rig of `apps/go` that speaks through it.
    PgBouncer,
    /// promtool.
    Promtool,
    /// The Prometheus server.
    Prometheus,
    /// Alertmanager with amtool, and what it takes to start it unpacked.
    Alertmanager,
    /// Grafana's types and SDK: node with the packages of `apps/dashboards`, and Python's.
    Grafana,
    /// helm, kubectl and kubernetes-validate.
    Kubernetes,
    /// containerd, runc and the program of the tests' image; root, who may mount.
    Containers,
    /// The same and Debian's Docker, unpacked.
    Docker,
    /// The same and Debian's Podman, unpacked.
    Podman,
    /// The machine's file system, below the root of process 1.
    MachineRoot,
    /// The next process number can be chosen.
    PidChoice,
    /// Root, so that other users can be tried out.
    OtherUsers,
    /// The object with the probes.
    ProbeObject,
    /// The workspace that the tests were built from.
    Sources,
    /// The kernel's list of tracepoints.
    Tracing,
    /// perf.
    Perf,
}

/// Leaves the test with a printed reason when the machine lacks one of the features.
#[macro_export]
macro_rules! need {
    ($($feature:expr),+ $(,)?) => {{
        fn here() {}
        let test = ::std::any::type_name_of_val(&here).trim_end_matches("::here");
        let missing: Vec<String> =
            [$($feature),+].into_iter().filter_map(|feature| $crate::need::lack(feature)).collect();
        if !missing.is_empty() {
            return $crate::need::skip(test, &missing.join("; "));
        }
    }};
}

/// Tells why `test` is skipped; an error where nothing may be.
pub fn skip(test: &str, reason: &str) -> anyhow::Result<()> {
    if env::var_os("POOLWATCH_TESTS_STRICT").is_some_and(|strict| strict == "1") {
        anyhow::bail!("{test} may not be skipped here, but: {reason}");
    }
    println!("SKIP {test}: {reason}");
    Ok(())
}

/// Why this machine lacks the feature; `None` when it has it.
pub fn lack(feature: Feature) -> Option<String> {
    match feature {
        Feature::OtherUsers | Feature::SystemCallTier => lack_root(),
        Feature::Probes => lack_root().or_else(|| lack_file("/sys/kernel/btf/vmlinux")).or_else(lack_loops),
        Feature::SocketTier => lack_hook("sock_send_length"),
        Feature::Postgres => postgres().err(),
        Feature::NewerPostgres => lack_file(crate::newer::archive()),
        Feature::Node => {
            lack_program("node").or_else(|| lack_file(place::apps().join("node/node_modules/pg")))
        }
        Feature::Python => lack_program("python3"),
        Feature::PythonPool => match python() {
            Ok(python) => lack_file(python),
            Err(error) => Some(error.to_string()),
        },
        Feature::Jdbc => lack_program("java").or_else(|| lack_built("java/postgresql.jar")),
        Feature::GoDrivers => lack_built("go/wire_pgx").or_else(|| lack_built("go/wire_pq")),
        Feature::GoLinked => lack_built("go/pie/wire_pq")
            .or_else(|| lack_built("go/external/wire_pq"))
            .or_else(|| lack_program("strip")),
        Feature::GnuTls => lack_python("import ctypes, pg8000; ctypes.CDLL('libgnutls.so.30')"),
        Feature::GoTls => lack_built("go/tls_pgx").or_else(|| lack_built("go/stripped/tls_pgx")),
        Feature::RubyPg => lack_answer("ruby", &["-e", "require 'pg'"]),
        Feature::RubyPool => lack_answer("ruby", &["-e", "require 'pg'; require 'connection_pool'"]),
        Feature::PhpPgsql => lack_answer("php", &["-r", "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"]),
        Feature::Libpq => lack_built("c/wire_libpq"),
        Feature::PythonWeb => lack_python("import aiohttp, asyncpg, psycopg_pool"),
        Feature::Hikari => lack_program("java").or_else(|| lack_built("java/HikariCP.jar")),
        Feature::GoRigs => lack_built("go/rig_sql").or_else(|| lack_built("go/rig_pgx")),
        Feature::Prisma => {
            lack_program("node").or_else(|| lack_file(place::apps().join("prisma/client/index.js")))
        }
        Feature::PgBouncer => {
            lack_built("go/rig_through").or_else(|| lack_built("tools/pgbouncer/usr/sbin/pgbouncer"))
        }
        Feature::Promtool => lack_program("promtool"),
        Feature::Prometheus => prometheus().is_none().then(|| "no prometheus (cargo xtask setup)".to_owned()),
        Feature::Alertmanager => crate::stack::alertmanager::lack(),
        Feature::Grafana => lack_program("node")
            .or_else(|| lack_file(place::apps().join("dashboards/node_modules/ts-json-schema-generator")))
            .or_else(|| lack_python("import grafana_foundation_sdk, jsonschema")),
        Feature::Kubernetes => lack_path("helm")
            .or_else(|| lack_path("kubectl"))
            .or_else(|| lack_python("import kubernetes_validate")),
        Feature::Containers => lack_containers(),
        Feature::Docker => lack_containers().or_else(|| lack_built("tools/docker/usr/sbin/dockerd")),
        Feature::Podman => lack_containers().or_else(|| lack_built("tools/podman/usr/bin/conmon")),
        Feature::Sources => {
            let there = place::here().join("Cargo.toml").is_file();
            (!there).then(|| "the sources are not here".to_owned())
        }
        Feature::Tracing => crate::tracing::lack(),
        Feature::Perf => lack_program("perf"),
        Feature::MachineRoot => fs::metadata("/proc/1/root/.")
            .err()
            .map(|error| format!("the root of process 1 may not be looked into: {error}")),
        Feature::PidChoice => lack_root().or_else(|| lack_file("/proc/sys/kernel/ns_last_pid")),
        Feature::ProbeObject => match place::probes() {
            Ok(object) => lack_file(object),
            Err(error) => Some(error.to_string()),
        },
    }
}

fn lack_root() -> Option<String> {
    // SAFETY: reads a number of the process; cannot fail.
    let user = unsafe { libc::geteuid() };
    (user != 0).then(|| format!("needs root, runs as user {user}"))
}

fn lack_containers() -> Option<String> {
    lack_root()
        .or_else(|| lack_built("tools/containerd/usr/bin/containerd"))
        .or_else(|| lack_built("tools/containerd/usr/sbin/runc"))
        .or_else(|| lack_built("c/waiting"))
        .or_else(lack_mounts)
}

/// A container begins with mounts of its own.
fn lack_mounts() -> Option<String> {
    let mut mount = Command::new("unshare");
    mount.args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
    let good = mount.output().is_ok_and(|answer| answer.status.success());
    (!good).then(|| "nothing may be mounted here".to_owned())
}

/// A tracepoint that this kernel may not have.
fn lack_hook(name: &str) -> Option<String> {
    let known = kernel_names(&format!("btf_trace_{name}"));
    (!known).then(|| format!("this kernel has no tracepoint {name} (Linux 6.3 brought it)"))
}

/// The helper that messages are walked with.
fn lack_loops() -> Option<String> {
    let known = kernel_names("BPF_FUNC_loop");
    (!known).then(|| "this kernel's BPF has no loops (Linux 5.17 brought them)".to_owned())
}

/// The kernel's BTF has this name, or there is none to tell.
fn kernel_names(name: &str) -> bool {
    let types = fs::read("/sys/kernel/btf/vmlinux").unwrap_or_default();
    types.is_empty() || types.split(|byte| *byte == 0).any(|known| known == name.as_bytes())
}

/// The tiers that this kernel has hooks for.
pub fn tiers() -> Vec<&'static str> {
    ["sock", "syscall"].into_iter().filter(|name| lack(tier(name)).is_none()).collect()
}

/// What a tier of probes hooks.
pub fn tier(name: &str) -> Feature {
    if name == "sock" { Feature::SocketTier } else { Feature::SystemCallTier }
}

fn lack_file(path: impl AsRef<Path>) -> Option<String> {
    let path = path.as_ref();
    (!path.exists()).then(|| format!("no {} (cargo xtask setup)", path.display()))
}

fn lack_program(name: &str) -> Option<String> {
    let ran = Command::new(name).arg("--version").output();
    ran.is_err().then(|| format!("no {name} in PATH (cargo xtask setup)"))
}

/// For a program that does not tell its version in the usual way.
fn lack_path(name: &str) -> Option<String> {
    in_path(name).is_none().then(|| format!("no {name} in PATH (cargo xtask setup)"))
}

/// What the applications' Python must be able to do.
fn lack_python(code: &str) -> Option<String> {
    match python() {
        Ok(python) => lack_file(&python).or_else(|| lack_answer(&python.to_string_lossy(), &["-c", code])),
        Err(error) => Some(error.to_string()),
    }
}

/// What set-up leaves in the target directory.
fn lack_built(path: &str) -> Option<String> {
    match place::target() {
        Ok(target) => lack_file(target.join(path)),
        Err(error) => Some(error.to_string()),
    }
}

/// A program, and what it needs to answer well.
fn lack_answer(name: &str, arguments: &[&str]) -> Option<String> {
    lack_program(name).or_else(|| {
        let good = Command::new(name).args(arguments).output().is_ok_and(|answer| answer.status.success());
        (!good).then(|| format!("{name} {} fails (cargo xtask setup)", arguments.join(" ")))
    })
}

/// The Python with the packages of the applications: `POOLWATCH_PYTHON`, else the one that
/// `cargo xtask setup` makes.
pub fn python() -> anyhow::Result<PathBuf> {
    Ok(match env::var_os("POOLWATCH_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => place::target()?.join("python/bin/python"),
    })
}

/// The Prometheus server: in `PATH`, or beside promtool, which may be a link into an unpacked package.
pub fn prometheus() -> Option<PathBuf> {
    in_path("prometheus").or_else(|| {
        let beside = fs::canonicalize(in_path("promtool")?).ok()?.with_file_name("prometheus");
        beside.is_file().then_some(beside)
    })
}

/// The program of this name in `PATH`.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file())
}

/// The directory of PostgreSQL's programs: `POOLWATCH_PG_BIN`, else the newest that Debian installed.
pub fn postgres() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("POOLWATCH_PG_BIN") {
        return Ok(PathBuf::from(path));
    }
    let home = Path::new("/usr/lib/postgresql");
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let installed = fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    installed
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"))
        .ok_or_else(|| format!("no PostgreSQL in {} (cargo xtask setup)", home.display()))
}
