//! A process before it is told: what `/proc` shows of it, and how its container's names make it an [`event::Process`].
//!
//! [`event::Process`]: crate::event::Process

use super::{cgroup::Container, cri::Names, process::cut, service::Surroundings};
use crate::event::{Declared, Process, ProcessId};

/// A process as `/proc` shows it: its container has an identity and no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub id: ProcessId,
    /// Its container.
    pub container: Option<Container>,
    pub(super) name: String,
    pub(super) surroundings: Surroundings,
    pub(super) declared: Declared,
}

impl Seen {
    /// A process in a container, as a test wants it.
    #[cfg(test)]
    pub fn inside(pid: u32, container: Option<Container>) -> Self {
        Self {
            id: ProcessId { pid, started: 1 },
            container,
            name: "psql".into(),
            surroundings: Surroundings { declared: None, workload: None, unit: None, container: None },
            declared: Declared::default(),
        }
    }

    /// The process, with the names of its container where they are known.
    pub fn named(&self, names: Option<&Names>) -> Process {
        let workload = names.and_then(|names| names.workload.clone());
        let container = names.and_then(|names| names.container.clone());
        let surroundings = Surroundings { workload, container, ..self.surroundings.clone() };
        Process {
            id: self.id,
            service: cut(surroundings.service(&self.name)),
            name: self.name.clone(),
            container: names.and_then(|names| names.container.clone()),
            pod: names.map(|names| names.pod.clone()),
            namespace: names.map(|names| names.namespace.clone()),
            declared: self.declared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(workload: Option<&str>) -> Names {
        let workload = workload.map(str::to_owned);
        Names { container: Some("main".into()), pod: "api-1".into(), namespace: "shop".into(), workload }
    }

    #[test]
    fn names_of_the_container_are_labels() {
        let process = Seen::inside(7, None).named(Some(&names(None)));
        assert_eq!((process.name.as_str(), process.service.as_str()), ("psql", "main"));
        let labels = [process.container, process.pod, process.namespace];
        assert_eq!(labels.map(Option::unwrap), ["main", "api-1", "shop"]);
    }

    #[test]
    fn the_workload_names_the_service_before_the_unit_and_after_the_process_itself() {
        let mut seen = Seen::inside(7, None);
        seen.surroundings.unit = Some("unit".into());
        assert_eq!(seen.named(Some(&names(None))).service, "unit");
        assert_eq!(seen.named(Some(&names(Some("api")))).service, "api");
        seen.surroundings.declared = Some("declared".into());
        assert_eq!(seen.named(Some(&names(Some("api")))).service, "declared");
        assert_eq!(Seen::inside(7, None).named(None).service, "psql");
    }
}
