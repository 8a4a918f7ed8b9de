//! Where things are: the workspace, its target directory, and what lies in them.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The workspace's directory.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's target directory, as the environment or the default says.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |directory| root().join(directory))
}

/// What the project installs for itself alone.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The probes, linked.
pub fn bpf_object() -> PathBuf {
    target().join("bpf/poolwatch.bpf.o")
}

/// The agent.
pub fn agent(release: bool) -> PathBuf {
    target().join(if release { "release" } else { "debug" }).join("poolwatch")
}

/// Python with the packages of the test applications.
pub fn python() -> PathBuf {
    target().join("python/bin/python")
}

/// The test applications.
pub fn apps() -> PathBuf {
    root().join("tests/apps")
}

/// The first executable of this name: the project's own tools before `PATH`.
pub fn executable(name: &str) -> Option<PathBuf> {
    let own = tools().join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(own).chain(env::split_paths(&path)).map(|d| d.join(name)).find(|file| file.is_file())
}

/// `PATH` with this directory in front.
pub fn path_with(first: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(env::split_paths(&path));
    env::join_paths(all).unwrap_or(path)
}
