//! Debian's packages: what is on offer, and how missing ones are installed.
//!
//! Nothing is ever removed (`--no-remove`), and no service or configuration is touched beyond what a
//! package's own installation does.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
    process::Command,
};

use anyhow::{Result, bail};

use crate::{command, place};

/// Whether this system installs packages by apt.
pub fn usable() -> bool {
    place::executable("apt-get").is_some()
}

/// Whether apt knows a version of this package. Before the first `apt-get update` of a machine it
/// knows none: then Debian itself is taken to offer it.
pub fn offered(package: &str) -> bool {
    if !usable() {
        return false;
    }
    if !lists_present() {
        return Path::new("/etc/debian_version").is_file();
    }
    command::answer(Command::new("apt-cache").args(["policy", package])).is_some_and(|text| candidate(&text))
}

fn candidate(policy: &str) -> bool {
    policy.lines().any(|line| line.trim().strip_prefix("Candidate:").is_some_and(|v| v.trim() != "(none)"))
}

fn lists_present() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains("_Packages"))
}

/// What [`install`] will run.
pub fn plan(packages: &[String]) -> Vec<Command> {
    let mut plan = Vec::new();
    if !packages.iter().all(|package| lists_present() && offered(package)) {
        plan.push(update());
    }
    plan.push(apt_install(packages));
    plan
}

fn update() -> Command {
    let mut apt = command::as_root("apt-get");
    apt.args(["update", "-q"]);
    apt
}

fn apt_install(packages: &[String]) -> Command {
    let mut apt = command::as_root("apt-get");
    apt.args(["install", "-y", "-q", "--no-install-recommends", "--no-remove"]);
    apt.args(["-o", "DPkg::Lock::Timeout=600"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Installs the packages, after an `apt-get update` where the lists are missing or too old.
pub fn install(packages: &[String]) -> Result<()> {
    if !usable() {
        bail!("install by hand what Debian calls: {}", packages.join(" "));
    }
    for mut step in plan(packages) {
        let result = command::run(&mut step);
        let updating = step.get_args().any(|argument| argument == "update");
        match result {
            Ok(()) => {}
            // A foreign source that does not answer must not stop us: the install says what is missing.
            Err(error) if updating => println!("  {error}; going on with the lists that are there"),
            Err(error) => {
                println!("  {error}; once more with fresh lists");
                let _ = command::run(&mut update());
                command::run(&mut apt_install(packages))?;
            }
        }
    }
    Ok(())
}

/// Asks whether to install system packages. Without a terminal nobody can answer, and a build server
/// has to work by one command: there it goes on.
pub fn agreed(yes: bool) -> Result<bool> {
    if yes || !io::stdin().is_terminal() {
        return Ok(true);
    }
    print!("Install these system packages? [y/N] ");
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_candidate_is_not_offered() {
        assert!(candidate("rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0\n"));
        assert!(!candidate("rustc-web:\n  Installed: (none)\n  Candidate: (none)\n"));
        assert!(!candidate(""));
    }

    #[test]
    fn an_installation_never_removes_and_never_asks() {
        let line = command::shown(&apt_install(&["g++".to_owned()]));
        assert!(line.contains("--no-remove") && line.contains(" -y "), "{line}");
    }
}
