//! Which service a process belongs to (contract §1): `OTEL_SERVICE_NAME`, else the systemd unit, else
//! the process's own name.
//!
//! Bytes of `/proc/PID/environ` and the text of `/proc/PID/cgroup` come in. Of the environment only
//! that one value goes out; no other name or value is stored anywhere.

/// What is known about a process's surroundings, in the order in which it names the service.
pub(super) struct Surroundings {
    /// `OTEL_SERVICE_NAME` of its environment.
    pub declared: Option<String>,
    /// Kubernetes workload: Deployment, StatefulSet, …
    pub workload: Option<String>,
    /// systemd unit without `.service`.
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

/// The systemd unit in whose cgroup a process runs, without `.service`.
///
/// Units that only carry other things are none: a user's manager, and whatever runs a container.
pub(super) fn unit(cgroup: &str) -> Option<String> {
    cgroup.lines().filter_map(systemd_path).find_map(unit_in)
}

/// The path of the hierarchy that systemd keeps: version 2's, or version 1's of that name.
fn systemd_path(line: &str) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    (number == "0" || controllers == "name=systemd").then_some(path)
}

fn unit_in(path: &str) -> Option<String> {
    let mut unit = None;
    for part in path.split('/') {
        match part.rsplit_once('.') {
            _ if is_container(part) => unit = None,
            Some((_, "scope")) => unit = None,
            Some((name, "service")) => unit = (!name.starts_with("user@")).then_some(name),
            _ => {}
        }
    }
    unit.filter(|unit| !unit.is_empty()).map(str::to_owned)
}

/// Container runtimes name their groups by the container's 64 hexadecimal digits.
fn is_container(part: &str) -> bool {
    part.split(|c: char| !c.is_ascii_hexdigit()).any(|digits| digits.len() == 64)
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
    fn units_are_read_from_both_versions_of_cgroups() {
        let check = |cgroup: &str, expected: Option<&str>| {
            assert_eq!(unit(cgroup).as_deref(), expected, "{cgroup}");
        };
        check("0::/system.slice/shop.service\n", Some("shop"));
        check("0::/system.slice/system-shop.slice/shop@eu.service\n", Some("shop@eu"));
        check("0::/system.slice/shop.service/workers\n", Some("shop"));
        check("12:cpu:/\n1:name=systemd:/system.slice/shop.service\n0::/\n", Some("shop"));
        check("12:cpu:/system.slice/other.service\n0::/\n", None);
        check("0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service\n", Some("shop"));
        check("0::/../../system.slice/shop.service\n", Some("shop"));
    }

    #[test]
    fn what_only_carries_other_things_is_no_unit() {
        for cgroup in [
            "0::/\n",
            "0::/init.scope\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-123.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n",
            "0::/system.slice/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope\n",
            "0::/system.slice/docker.service/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
            "0::/.service\n",
            "nonsense\n",
        ] {
            assert_eq!(unit(cgroup), None, "{cgroup}");
        }
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
