//! What the names of a process's cgroups say: its container, its pod, its systemd unit.
//!
//! The text of `/proc/PID/cgroup` comes in, of both versions and their mixture. Only names are read and never where a
//! path begins: what a cgroup namespace of one's own hides stands there as `/..`. Nobody is asked.

/// Hexadecimal digits of a container's identity.
const CONTAINER: usize = 64;
/// Hexadecimal digits of a task's identity in Amazon ECS; a dash and a number tell its containers apart.
const TASK: usize = 32;
/// Lengths of the groups of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];
/// Hexadecimal digits of the UID of a pod that the kubelet read from a file.
const STATIC_POD: usize = 32;

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Its container.
    pub container: Option<Container>,
    /// UID of its pod, as Kubernetes writes it.
    pub pod: Option<String>,
    /// systemd unit without its ending.
    pub unit: Option<String>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The identity that its runtime gave it.
    pub id: String,
    /// Whose it is.
    pub keeper: Keeper,
}

/// Who keeps a container, as far as its cgroup says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A runtime of Kubernetes.
    Kubernetes,
    /// Another: Docker, Podman, nerdctl, Amazon ECS.
    Other,
    /// The name does not tell.
    Unsaid,
}

/// Reads `/proc/PID/cgroup`.
///
/// All lines name the same container. Where one names a container or a pod, no other line's unit counts: in the mixture
/// of versions a container's process may stay in the unit of the runtime that started it.
pub(super) fn read(text: &str) -> Cgroup {
    let mut lines: Vec<Line<'_>> = text.lines().filter_map(Line::read).collect();
    lines.sort_by_key(|line| !line.of_systemd);
    let groups = || lines.iter().map(Line::group);
    let inside = groups().find(|group| group.container.is_some() || group.pod.is_some());
    inside.or_else(|| groups().find(|group| group.unit.is_some())).unwrap_or_default()
}

/// `number:controllers:path`
struct Line<'a> {
    /// The hierarchy that systemd keeps: version 2's, or version 1's of that name.
    of_systemd: bool,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { of_systemd: number == "0" || controllers == "name=systemd", path })
    }

    fn group(&self) -> Cgroup {
        let mut group = Cgroup::default();
        let mut parent = "";
        // containerd with the wrong driver writes what systemd would take apart: `….slice:cri-containerd:ID`.
        for name in self.path.split(['/', ':']) {
            group.enter(name, parent);
            parent = name;
        }
        group.unit = group.unit.filter(|_| self.of_systemd);
        group
    }
}

impl Cgroup {
    /// Goes down into the group of this name.
    fn enter(&mut self, name: &str, parent: &str) {
        if let Some(pod) = pod(name) {
            *self = Self { pod: Some(pod), ..Self::default() };
        } else if let Some((id, prefix)) = container(name, parent) {
            // Podman's `--cgroups=split` puts the container into the unit that started it, which is its name then.
            if prefix != "libpod-payload" {
                self.unit = None;
            }
            self.hold(Container { id, keeper: self.keeper(prefix, parent) });
        } else if let Some((stem, ending @ ("service" | "scope"))) = name.rsplit_once('.') {
            self.unit = is_chosen(stem, ending).then(|| stem.to_owned());
        }
    }

    /// The innermost container counts, but for those that run inside one of Kubernetes: it does not know them.
    fn hold(&mut self, container: Container) {
        let keeper = |held: &Option<Container>| held.as_ref().map(|container| container.keeper);
        if keeper(&self.container) != Some(Keeper::Kubernetes) || container.keeper == Keeper::Kubernetes {
            self.container = Some(container);
        }
    }

    fn keeper(&self, prefix: &str, parent: &str) -> Keeper {
        let first_in_pod = self.pod.is_some() && self.container.is_none();
        match if prefix.is_empty() { parent } else { prefix } {
            _ if first_in_pod => Keeper::Kubernetes,
            "cri-containerd" | "crio" | "k8s.io" => Keeper::Kubernetes,
            "docker" | "libpod" | "libpod-payload" | "libpod_parent" | "nerdctl" | "default" | "ecs" => {
                Keeper::Other
            }
            _ if self.pod.is_some() => Keeper::Other,
            _ if is_task(parent) => Keeper::Other,
            _ => Keeper::Unsaid,
        }
    }
}

/// The UID in `podUID` or `kubepods-burstable-podUID.slice`, where systemd has taken the dashes.
fn pod(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".slice").unwrap_or(name);
    let uid = match stem.strip_prefix("pod") {
        Some(uid) => uid,
        None if stem.contains("kubepods") => stem.rsplit_once("-pod")?.1,
        None => return None,
    };
    let uid = uid.replace('_', "-");
    let is_uuid = uid.split('-').map(str::len).eq(UUID) && uid.split('-').all(is_hexadecimal);
    (is_uuid || is_identity(&uid, STATIC_POD)).then_some(uid)
}

/// Identity and prefix in `ID`, `PREFIX-ID` and `PREFIX-ID.scope`; Podman's and CRI-O's monitors are no containers.
fn container<'a>(name: &'a str, parent: &str) -> Option<(String, &'a str)> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = stem.rsplit_once('-').unwrap_or(("", stem));
    if is_identity(id, CONTAINER) && !prefix.ends_with("conmon") {
        return Some((id.to_owned(), prefix));
    }
    // On Fargate: `ecs/TASK/TASK-NUMBER`
    let of_task = is_task(parent) && prefix == parent && id.bytes().all(|byte| byte.is_ascii_digit());
    of_task.then(|| (name.to_owned(), "ecs"))
}

fn is_task(name: &str) -> bool {
    is_identity(name, TASK)
}

fn is_identity(text: &str, length: usize) -> bool {
    text.len() == length && is_hexadecimal(text)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Somebody chose this unit's name; others only carry something else.
///
/// A scope is made for processes that run already. Whoever makes one unasked numbers it (`session-3`, `run-u12`,
/// `app-firefox-4242`), so that only one without digits was named.
fn is_chosen(stem: &str, ending: &str) -> bool {
    match ending {
        "service" => !stem.is_empty() && !stem.starts_with("user@"),
        _ => !stem.is_empty() && stem != "init" && !stem.bytes().any(|byte| byte.is_ascii_digit()),
    }
}
