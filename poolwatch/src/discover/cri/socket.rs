//! Where container runtimes listen.
//!
//! In a container the machine's own sockets are not there; but with the machine's process numbers its file system is,
//! below the root of process 1, for whoever may trace that process. So nothing needs to be mounted.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::config::Cri;

/// Sockets that are tried: containerd's, CRI-O's, cri-dockerd's; those of k3s and RKE2, k0s, and Canonical's snap.
pub(super) const SOCKETS: [&str; 6] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];

/// The machine's own file system, seen from a container.
const MACHINE: &str = "/proc/1/root";

/// What to try, in this order: sockets that are there, each once.
pub(super) fn candidates(wanted: &Cri) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = match wanted {
        Cri::Off => Vec::new(),
        Cri::Auto => SOCKETS.iter().map(PathBuf::from).collect(),
        Cri::At(path) => vec![path.clone()],
    };
    let mut seen = BTreeSet::new();
    let mut is_new = |path: &PathBuf| {
        let file = path.metadata().ok();
        file.is_some_and(|file| seen.insert((file.dev(), file.ino())))
    };
    paths.iter().flat_map(|path| [path.clone(), outside(path)]).filter(|path| is_new(path)).collect()
}

fn outside(path: &Path) -> PathBuf {
    let inner = path.strip_prefix("/").unwrap_or(path);
    Path::new(MACHINE).join(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_looked_for_here_and_on_the_machine() {
        assert_eq!(outside(Path::new("/run/a.sock")), Path::new("/proc/1/root/run/a.sock"));
        assert!(candidates(&Cri::Off).is_empty());
        assert!(candidates(&Cri::At("/nowhere/a.sock".into())).is_empty());
        let here = candidates(&Cri::At("/proc/self/exe".into()));
        assert_eq!(here.first(), Some(&PathBuf::from("/proc/self/exe")));
    }
}
