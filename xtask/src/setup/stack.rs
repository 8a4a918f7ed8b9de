//! What poolwatch is shipped for: Prometheus, Alertmanager, and Grafana's own types for the dashboards.
//!
//! Debian's packages of the first two would start services on this machine: they are unpacked below `target/`, not
//! installed. Nothing here is needed to build or run the agent.

use std::process::Command;

use super::{Item, State, apps, packages};
use crate::place;

/// A package and what is wanted of it.
struct Package {
    name: &'static str,
    /// Where it is unpacked, below the project's tools.
    home: &'static str,
    programs: &'static [&'static str],
}

const PROMETHEUS: Package =
    Package { name: "prometheus", home: "prometheus", programs: &["promtool", "prometheus"] };
const ALERTMANAGER: Package = Package {
    name: "prometheus-alertmanager",
    home: "alertmanager",
    programs: &["amtool", "prometheus-alertmanager"],
};

const EXPORTER: Package = Package {
    name: "prometheus-postgres-exporter",
    home: "postgres-exporter",
    programs: &["prometheus-postgres-exporter"],
};

/// The rows for what alerts go through.
pub fn items() -> Vec<Item> {
    vec![
        Item { name: "Prometheus and promtool", state: PROMETHEUS.state(), optional: true },
        Item { name: "Alertmanager and amtool", state: ALERTMANAGER.state(), optional: true },
    ]
}

/// The rows for what others watch PostgreSQL with.
pub fn peer_items() -> Vec<Item> {
    let bpftrace = match place::executable("bpftrace") {
        Some(file) => State::Found(file.display().to_string()),
        None => State::Packages(vec!["bpftrace".into()]),
    };
    vec![
        Item { name: "bpftrace", state: bpftrace, optional: true },
        Item { name: "postgres_exporter", state: EXPORTER.state(), optional: true },
    ]
}

/// The row for the dashboards: Grafana's types in TypeScript, and what makes a schema of them. Its SDK for Python is among the
/// packages of Python.
pub fn grafana_item() -> Item {
    let state = apps::node_state(&place::apps().join("dashboards"));
    Item { name: "Grafana's types", state, optional: true }
}

impl Package {
    fn state(&self) -> State {
        let found: Option<Vec<String>> = self
            .programs
            .iter()
            .map(|program| place::executable(program).map(|file| file.display().to_string()))
            .collect();
        match found {
            Some(files) => State::Found(files.join(", ")),
            None if packages::usable() => State::Steps(vec![self.unpack()]),
            None => State::Absent(format!("put {} on PATH", self.programs.join(" and "))),
        }
    }

    fn unpack(&self) -> Command {
        let tools = place::tools();
        let Self { name, home, programs } = self;
        let home = tools.join(home);
        let links: Vec<String> =
            programs.iter().map(|program| format!("'{}/usr/bin/{program}'", home.display())).collect();
        let links = links.join(" ");
        let mut unpack = Command::new("sh");
        unpack.arg("-ec").current_dir(place::root()).arg(format!(
            "mkdir -p '{0}/bin' '{1}' && cd '{1}' && apt-get download -q {name} && \
             dpkg-deb --extract {name}_*.deb . && ln -sf {links} '{0}/bin'",
            tools.display(),
            home.display(),
        ));
        unpack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    #[test]
    fn a_package_is_unpacked_and_its_programs_linked() {
        let line = command::shown(&ALERTMANAGER.unpack());
        assert!(line.contains("apt-get download -q prometheus-alertmanager"), "{line}");
        assert!(line.contains("usr/bin/amtool") && !line.contains("apt-get install"), "{line}");
    }
}
