//! Which service a process belongs to (contract §1): `OTEL_SERVICE_NAME`, else the Kubernetes workload, else the
//! systemd unit, else the container, else the process's own name.
//!
//! Bytes of `/proc/PID/environ` and what others found come in. Of the environment only that one value goes out;
//! no other name or value is stored anywhere.

/// What is known about a process's surroundings, in the order in which it names the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// `OTEL_SERVICE_NAME` of its environment.
    pub declared: Option<String>,
    /// Kubernetes workload: Deployment, StatefulSet, …
    pub workload: Option<String>,
    /// systemd unit without its ending.
    pub unit: Option<String>,
    /// Container name.
    pub container: Option<String>,
}

impl Surroundings {
    /// The service; the process's own name where nothing else is known.
    pub(super) fn service(self, name: &str) -> String {
        self.declared.or(self.workload).or(self.unit).or(self.container).unwrap_or_else(|| name.to_owned())
    }
}

/// The one value that is taken from an environment as text.
pub(super) fn declared(environment: &[u8]) -> Option<String> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"OTEL_SERVICE_NAME="))?;
    let value = String::from_utf8_lossy(value);
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_name_is_found_among_other_variables() {
        let check = |environment: &[u8], expected: Option<&str>| {
            assert_eq!(declared(environment).as_deref(), expected, "{environment:?}");
        };
        check(b"PATH=/bin\0OTEL_SERVICE_NAME=checkout\0HOME=/\0", Some("checkout"));
        check(b"OTEL_SERVICE_NAME= checkout \0", Some("checkout"));
        check(b"OTEL_SERVICE_NAME=\0", None);
        check(b"X_OTEL_SERVICE_NAME=a\0OTEL_SERVICE_NAMES=b\0X=OTEL_SERVICE_NAME=c\0", None);
        check(b"OTEL_SERVICE_NAME=first\0OTEL_SERVICE_NAME=second\0", Some("first"));
        check(b"", None);
    }

    #[test]
    fn the_contracts_order_decides() {
        let all = || Surroundings {
            declared: Some("declared".into()),
            workload: Some("workload".into()),
            unit: Some("unit".into()),
            container: Some("container".into()),
        };
        assert_eq!(all().service("name"), "declared");
        assert_eq!(Surroundings { declared: None, ..all() }.service("name"), "workload");
        let none = Surroundings { declared: None, workload: None, ..all() };
        assert_eq!(none.service("name"), "unit");
        let none = Surroundings { declared: None, workload: None, unit: None, ..all() };
        assert_eq!(none.service("name"), "container");
        let none = Surroundings { declared: None, workload: None, unit: None, container: None };
        assert_eq!(none.service("name"), "name");
    }
}
