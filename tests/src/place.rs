//! Where things are: the agent, the probes, the built helpers, the applications and their libraries.

use std::{
    env, fs,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// Cargo's target directory.
pub fn target() -> Result<PathBuf> {
    profile()?.parent().map(Path::to_path_buf).context("a profile lies in the target directory")
}

/// Where programs of this package are: this one lies there too, or, as a test, in `deps` below.
fn profile() -> Result<PathBuf> {
    let this = env::current_exe().context("where am I?")?;
    let directory = this.parent().context("a program lies in a directory")?;
    let profile = if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    profile.map(Path::to_path_buf).context("tests lie in <target>/<profile>/deps")
}

/// The agent: `POOLWATCH_BIN`, else the release build.
pub fn agent() -> Result<PathBuf> {
    let binary = match env::var_os("POOLWATCH_BIN") {
        Some(path) => PathBuf::from(path),
        None => target()?.join("release/poolwatch"),
    };
    ensure!(
        binary.is_file(),
        "no agent at {}: build it (cargo xtask build) or set POOLWATCH_BIN",
        binary.display()
    );
    Ok(binary)
}

/// The object with the probes: `POOLWATCH_BPF`, else where `cargo xtask build` puts it.
pub fn probes() -> Result<PathBuf> {
    Ok(match env::var_os("POOLWATCH_BPF") {
        Some(path) => PathBuf::from(path),
        None => target()?.join("bpf/poolwatch.bpf.o"),
    })
}

/// A program of this package.
pub fn built(name: &str) -> Result<PathBuf> {
    let path = profile()?.join(name);
    ensure!(path.is_file(), "no {}", path.display());
    Ok(path)
}

/// This package's directory.
pub fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The small real applications.
pub fn apps() -> PathBuf {
    here().join("apps")
}

/// A directory of this test's own that every user can read, removed when dropped.
pub fn scratch() -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("poolwatch-").tempdir().context("a scratch directory")?;
    open_to_all(directory.path())?;
    Ok(directory)
}

/// Lets every user read and enter or run `path`.
pub fn open_to_all(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("permissions of {}", path.display()))
}

/// Copies a file to where every user can read and run it: build directories may be private.
pub fn copy_for_all(file: &Path, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join(file.file_name().context("a file has a name")?);
    fs::copy(file, &copy).with_context(|| format!("copying {}", file.display()))?;
    open_to_all(&copy)?;
    Ok(copy)
}

/// A port that is free on both loopback addresses.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        let port = four.local_addr()?.port();
        if TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port is free on both 127.0.0.1 and ::1; is IPv6 off?")
}
