//! What the test applications need: packages for Node and for Python, kept inside the workspace.
//!
//! A language that is not on this machine comes from Debian's packages. Where there are none it is reported,
//! and the tests that want it skip with that reason.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Item, State, packages};
use crate::{command, place};

/// The rows for the applications.
pub fn items() -> Vec<Item> {
    vec![node_item(), newer_item(), python_item()]
}

/// The row for Prisma: its packages, then its client, which it makes from a schema.
pub fn prisma_item() -> Item {
    let app = place::apps().join("prisma");
    let state = match node_state(&app) {
        State::Found(packages) => {
            let client = app.join("client/index.js");
            if newer(&client, &[app.join("schema.prisma"), app.join("package-lock.json")]) {
                State::Found(packages)
            } else {
                State::Steps(vec![prisma_client(&app)])
            }
        }
        State::Steps(mut steps) => {
            steps.push(prisma_client(&app));
            State::Steps(steps)
        }
        other => other,
    };
    Item { name: "Prisma and its client", state, optional: true }
}

fn prisma_client(app: &Path) -> Command {
    let mut node = Command::new("node");
    node.args(["node_modules/prisma/build/index.js", "generate", "--no-hints"]).current_dir(app);
    // It tells its makers of itself, and fetches an engine for migrations, which nothing here does: any program
    // that is there keeps it from both.
    node.env("CHECKPOINT_DISABLE", "1").env("PRISMA_SCHEMA_ENGINE_BINARY", "/bin/true");
    node
}

fn node_item() -> Item {
    Item { name: "Node and its packages", state: node_state(&place::apps().join("node")), optional: true }
}

/// PostgreSQL as an archive, since Debian's own may be older than the newest protocol.
fn newer_item() -> Item {
    Item { name: "A newer PostgreSQL", state: node_state(&place::apps().join("newer")), optional: true }
}

/// The state of an application's packages for Node.
pub fn node_state(app: &Path) -> State {
    let manifest = app.join("package.json");
    if !manifest.is_file() {
        return State::Absent(format!("{} is not in this tree", app.display()));
    }
    if place::executable("node").is_none() || place::executable("npm").is_none() {
        return language_packages(&["nodejs", "npm"], "no node and npm on PATH");
    }
    let installed = app.join("node_modules/.package-lock.json");
    if newer(&installed, &[manifest, app.join("package-lock.json")]) {
        return State::Found(app.join("node_modules").display().to_string());
    }
    let mut npm = Command::new("npm");
    npm.arg(if app.join("package-lock.json").is_file() { "ci" } else { "install" });
    npm.args(["--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(app);
    State::Steps(vec![npm])
}

fn python_item() -> Item {
    let wanted = place::apps().join("python/requirements.txt");
    Item { name: "Python and its packages", state: python_state(&wanted), optional: true }
}

fn python_state(wanted: &Path) -> State {
    if !wanted.is_file() {
        return State::Absent("tests/apps/python is not in this tree".into());
    }
    if command::answer(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_none() {
        return language_packages(&["python3", "python3-venv"], "no python3 with its venv module on PATH");
    }
    let home = place::target().join("python");
    let installed = home.join("installed.txt");
    if place::python().exists() && newer(&installed, &[wanted.to_path_buf()]) {
        return State::Found(home.display().to_string());
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&home);
    let mut pip = Command::new(place::python());
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(wanted);
    // The last step: a broken installation is not taken for a whole one.
    let mut note = Command::new("cp");
    note.arg(wanted).arg(&installed);
    State::Steps(vec![venv, pip, note])
}

/// A language as Debian has it, where there is apt.
pub fn language_packages(names: &[&str], without: &str) -> State {
    if packages::usable() {
        return State::Packages(names.iter().map(|name| (*name).to_owned()).collect());
    }
    State::Absent(format!("{without}: what wants it is skipped"))
}

/// Whether `made` is there and not older than what it was made from.
pub fn newer(made: &Path, from: &[PathBuf]) -> bool {
    let time = |file: &Path| fs::metadata(file).and_then(|m| m.modified()).ok();
    let Some(made) = time(made) else { return false };
    from.iter().filter_map(|file| time(file)).all(|source| source <= made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_never_up_to_date() {
        let here = place::root().join("Cargo.toml");
        assert!(newer(&here, std::slice::from_ref(&here)));
        assert!(!newer(Path::new("/nonexistent"), &[here]));
    }

    #[test]
    fn an_application_outside_this_tree_is_reported() {
        assert!(matches!(node_state(Path::new("/nonexistent")), State::Absent(_)));
        assert!(matches!(python_state(Path::new("/nonexistent")), State::Absent(_)));
    }
}
