//! What a container is run with: containerd and runc, Docker, Podman, and the one program that the tests' image holds.
//!
//! Debian's packages would start services on this machine: they are unpacked below `target/`, not installed.

use std::{path::Path, process::Command};

use super::{Item, State, apps::newer, packages};
use crate::place;

/// Packages that are unpacked together.
struct Bundle {
    name: &'static str,
    /// Where, below the project's tools.
    home: &'static str,
    packages: &'static str,
    /// Which of the libraries that they depend on come along, as an expression of `sed`; few machines have these.
    libraries: &'static str,
    /// What is there then.
    programs: &'static [&'static str],
}

const CONTAINERD: Bundle = Bundle {
    name: "containerd and runc",
    home: "containerd",
    packages: "containerd runc",
    libraries: "libbtrfs",
    programs: &["usr/bin/containerd", "usr/sbin/runc"],
};
const DOCKER: Bundle = Bundle {
    name: "Docker",
    home: "docker",
    // Newer releases have its command in a package of its own.
    packages: "docker.io $(apt-cache pkgnames docker-cli | grep -x docker-cli || true)",
    libraries: "libdevmapper",
    programs: &["usr/bin/docker", "usr/sbin/dockerd"],
};
const PODMAN: Bundle = Bundle {
    name: "Podman",
    home: "podman",
    packages: "podman conmon",
    libraries: "lib(assuan|devmapper|glib2|gpgme|subid)",
    programs: &["usr/bin/podman", "usr/bin/conmon"],
};

/// The rows.
pub fn items() -> Vec<Item> {
    let bundles = [CONTAINERD, DOCKER, PODMAN];
    let mut items: Vec<Item> = bundles
        .iter()
        .map(|bundle| Item { name: bundle.name, state: bundle.state(), optional: true })
        .collect();
    items.push(Item { name: "the program of the tests' image", state: waiting(), optional: true });
    items
}

impl Bundle {
    fn state(&self) -> State {
        let home = place::tools().join(self.home);
        if self.programs.iter().all(|program| home.join(program).is_file()) {
            return State::Found(home.display().to_string());
        }
        if !packages::usable() {
            return State::Absent(format!("no apt: what wants {} is skipped", self.name));
        }
        State::Steps(vec![self.unpack(&home)])
    }

    fn unpack(&self, home: &Path) -> Command {
        let Self { packages, libraries, .. } = self;
        let mut unpack = Command::new("sh");
        // A library's own libraries, too: one step down is as far as any of them goes.
        unpack.arg("-ec").current_dir(place::root()).arg(format!(
            "mkdir -p '{0}' && cd '{0}' && packages=\"{packages}\" && \
             needs() {{ apt-cache depends \"$@\" | sed -n -E 's/^ *Depends: ({libraries}[^ ]*)$/\\1/p'; }}; \
             libraries=$(needs $packages) && [ -z \"$libraries\" ] || libraries=\"$libraries $(needs $libraries)\"; \
             apt-get download -q $packages $libraries && \
             for package in *.deb; do dpkg-deb --extract \"$package\" .; done && rm -f -- *.deb",
            home.display()
        ));
        unpack
    }
}

fn waiting() -> State {
    let source = place::apps().join("c/waiting.c");
    let built = place::target().join("c/waiting");
    if place::executable("cc").is_none() {
        return State::Absent("no cc: what wants containers is skipped".into());
    }
    if newer(&built, std::slice::from_ref(&source)) {
        return State::Found(built.display().to_string());
    }
    let mut directory = Command::new("mkdir");
    directory.arg("-p").arg(place::target().join("c"));
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"]).arg(&built).arg(source);
    State::Steps(vec![directory, compile])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    #[test]
    fn packages_are_unpacked_and_not_installed() {
        for (bundle, package) in
            [(CONTAINERD, "containerd runc"), (DOCKER, "docker.io"), (PODMAN, "podman conmon")]
        {
            let line = command::shown(&bundle.unpack(Path::new("/tmp/tools")));
            assert!(line.contains(package) && line.contains("apt-get download -q"), "{line}");
            assert!(!line.contains("apt-get install"), "{line}");
        }
    }
}
