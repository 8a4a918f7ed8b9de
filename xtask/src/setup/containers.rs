//! What a container is run with: containerd and runc, and the one program that the tests' image holds.
//!
//! Debian's packages would start a service on this machine: they are unpacked below `target/`, not installed.

use std::{path::Path, process::Command};

use super::{Item, State, apps::newer, packages};
use crate::place;

/// The rows.
pub fn items() -> Vec<Item> {
    let home = place::tools().join("containerd");
    vec![
        Item { name: "containerd and runc", state: runtime(&home), optional: true },
        Item { name: "the program of the tests' image", state: waiting(), optional: true },
    ]
}

fn runtime(home: &Path) -> State {
    let programs = ["usr/bin/containerd", "usr/sbin/runc"].map(|program| home.join(program));
    if programs.iter().all(|program| program.is_file()) {
        return State::Found(home.display().to_string());
    }
    if !packages::usable() {
        return State::Absent("no apt: what wants containers is skipped".into());
    }
    State::Steps(vec![unpack(home)])
}

fn unpack(home: &Path) -> Command {
    let mut unpack = Command::new("sh");
    unpack.arg("-ec").current_dir(place::root()).arg(format!(
        "mkdir -p '{0}' && cd '{0}' && apt-get download -q containerd runc && \
         for package in *.deb; do dpkg-deb --extract \"$package\" .; done",
        home.display()
    ));
    unpack
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
        let line = command::shown(&unpack(Path::new("/tmp/tools")));
        assert!(line.contains("apt-get download -q containerd runc"), "{line}");
        assert!(!line.contains("apt-get install"), "{line}");
    }
}
