//! Cgroup paths as each runtime, driver and version writes them.

use super::super::cgroup::{Cgroup, Container, Keeper, read};

const ONE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const TWO: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const UID: &str = "7f8d3b1c-9a52-4e0e-b3d6-1c2f5a7e9d04";
const UID_: &str = "7f8d3b1c_9a52_4e0e_b3d6_1c2f5a7e9d04";
const STATIC: &str = "8dbc5577d5f6a1e0c4b3a29187060504";

/// Writes identities in place of `ONE`, `TWO`, `UID`, `UID_` and `STATIC`.
fn written(text: &str) -> String {
    let names = [("UID_", UID_), ("UID", UID), ("ONE", ONE), ("TWO", TWO), ("STATIC", STATIC)];
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn group(container: Option<(&str, Keeper)>, pod: Option<&str>, unit: Option<&str>) -> Cgroup {
    Cgroup {
        container: container.map(|(id, keeper)| Container { id: id.to_owned(), keeper }),
        pod: pod.map(str::to_owned),
        unit: unit.map(str::to_owned),
    }
}

/// Checks one path in the hierarchy of version 2, and, with controllers, of version 1.
fn check(path: &str, expected: &Cgroup) {
    let path = written(path);
    let without_unit = Cgroup { unit: None, ..expected.clone() };
    assert_eq!(read(&format!("0::{path}\n")), *expected, "{path}");
    assert_eq!(read(&format!("12:memory:/\n1:name=systemd:{path}\n0::/\n")), *expected, "{path}");
    assert_eq!(read(&format!("3:cpu,cpuacct:{path}\n1:name=systemd:/\n")), without_unit, "{path}");
}

#[test]
fn containers_of_kubernetes_are_found_with_their_pods() {
    let inside = |pod| group(Some((ONE, Keeper::Kubernetes)), Some(pod), None);
    for path in [
        // The driver cgroupfs: guaranteed, burstable, best effort; under another root; CRI-O; cri-dockerd.
        "/kubepods/podUID/ONE",
        "/kubepods/burstable/podUID/ONE",
        "/kubepods/besteffort/podUID/ONE",
        "/kubelet/kubepods/burstable/podUID/ONE",
        "/kubepods/burstable/podUID/crio-ONE",
        "/kubepods/burstable/podUID/docker-ONE",
        // The driver systemd: containerd, CRI-O, cri-dockerd, k3s and kind.
        "/kubepods.slice/kubepods-podUID_.slice/cri-containerd-ONE.scope",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-ONE.scope",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/crio-ONE.scope",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/docker-ONE.scope",
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
         kubelet-kubepods-burstable-podUID_.slice/cri-containerd-ONE.scope",
        // containerd has one driver, the kubelet the other.
        "/kubepods-burstable-podUID_.slice:cri-containerd:ONE",
        "/system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ONE",
        "/system.slice/kubepods-podUID_.slice:crio:ONE",
        // Groups that crun, or the container itself, makes below.
        "/kubepods.slice/kubepods-podUID_.slice/crio-ONE.scope/container",
        "/kubepods/burstable/podUID/ONE/init.scope",
        // The agent has a cgroup namespace of its own.
        "/../../kubepods-burstable-podUID_.slice/cri-containerd-ONE.scope",
        "/../../../kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/crio-ONE.scope",
        "/../../podUID/ONE",
        "/../../../besteffort/podUID/ONE",
        // Kubernetes in Docker, and Docker in Kubernetes.
        "/docker/TWO/kubelet/kubepods/burstable/podUID/ONE",
        "/system.slice/docker-TWO.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/\
         cri-containerd-ONE.scope",
        "/kubepods/burstable/podUID/ONE/docker/TWO",
        "/kubepods/burstable/podUID/ONE/TWO",
    ] {
        check(path, &inside(UID));
    }
    check("/kubepods/burstable/podSTATIC/ONE", &inside(STATIC));
    check(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSTATIC.slice/crio-ONE.scope",
        &inside(STATIC),
    );
}

#[test]
fn a_container_of_kubernetes_may_be_without_its_pod() {
    let alone = group(Some((ONE, Keeper::Kubernetes)), None, None);
    for path in [
        // Of the agent's own pod, seen from the agent's cgroup namespace.
        "/../cri-containerd-ONE.scope",
        "/../crio-ONE",
        "/../cri-containerd-ONE.scope/docker/TWO",
        // A pod that was made without a parent.
        "/k8s.io/ONE",
        "/system.slice/cri-containerd-ONE.scope",
    ] {
        check(path, &alone);
    }
    check("/../ONE", &group(Some((ONE, Keeper::Unsaid)), None, None));
    check("/kubepods/burstable/podUID", &group(None, Some(UID), None));
    check("/kubepods.slice/kubepods-podUID_.slice/crio-conmon-ONE.scope", &group(None, Some(UID), None));
}

#[test]
fn containers_of_others_are_found() {
    let other = group(Some((ONE, Keeper::Other)), None, None);
    for path in [
        "/docker/ONE",
        "/docker/ONE/init.scope",
        "/docker/TWO/docker/ONE",
        "/system.slice/docker-ONE.scope",
        "/system.slice/docker.service/docker/ONE",
        "/jobs.slice/docker-ONE.scope",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ONE.scope",
        "/../docker-ONE.scope",
        "/machine.slice/libpod-ONE.scope",
        "/machine.slice/libpod-ONE.scope/container",
        "/machine.slice/machine-libpod_pod_TWO.slice/libpod-ONE.scope",
        "/libpod_parent/libpod-ONE",
        "/libpod_parent/libpod_pod_TWO/libpod-ONE",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ONE.scope/container",
        "/default/ONE",
        "/system.slice/nerdctl-ONE.scope",
        "/ecs/STATIC/ONE",
    ] {
        check(path, &other);
    }
    let fargate = format!("{STATIC}-1234567890");
    check("/ecs/STATIC/STATIC-1234567890", &group(Some((&fargate, Keeper::Other)), None, None));
    check("/jobs/ONE", &group(Some((ONE, Keeper::Unsaid)), None, None));
}

#[test]
fn a_container_keeps_the_unit_that_it_is_or_that_runs_in_it() {
    let with_unit = |unit| group(Some((ONE, Keeper::Other)), None, Some(unit));
    check("/system.slice/web.service/libpod-payload-ONE", &with_unit("web"));
    check("/system.slice/docker-ONE.scope/system.slice/nginx.service", &with_unit("nginx"));
}

#[test]
fn units_are_found() {
    let unit = |name| group(None, None, Some(name));
    check("/system.slice/shop.service", &unit("shop"));
    check("/system.slice/system-shop.slice/shop@eu.service", &unit("shop@eu"));
    check("/system.slice/shop.service/workers", &unit("shop"));
    check("/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service", &unit("shop"));
    check("/../../system.slice/shop.service", &unit("shop"));
    check("/system.slice/shop.scope", &unit("shop"));
    check("/system.slice/kubelet.service", &unit("kubelet"));
    assert_eq!(read("12:cpu:/system.slice/other.service\n0::/\n"), Cgroup::default());
}

#[test]
fn what_only_carries_other_things_or_is_numbered_is_no_unit() {
    for path in [
        "/",
        "",
        "/init.scope",
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-123.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice",
        "/system.slice/run-r7f8d3b1c9a524e0eb3d61c2f5a7e9d04.scope",
        "/.service",
        "/.scope",
        "/machine.slice/libpod-conmon-ONE.scope",
        "/machine.slice/machine-libpod_pod_ONE.slice",
    ] {
        check(path, &Cgroup::default());
    }
}

#[test]
fn what_only_looks_like_an_identity_is_none() {
    let short = &ONE[1..];
    let upper = ONE.to_uppercase();
    for path in [
        format!("/docker/{short}"),
        format!("/docker/{upper}"),
        format!("/docker/{ONE}0"),
        format!("/docker-{ONE}.slice"),
        "/kubepods/burstable/pod7f8d3b1c-9a52-4e0e-b3d6".to_owned(),
        "/kubepods/burstable/podium".to_owned(),
        "/podman.slice".to_owned(),
        format!("/shop-pod{UID}.slice"),
        format!("/{STATIC}-1234567890"),
    ] {
        check(&path, &Cgroup::default());
    }
    for text in ["", "\n", "nonsense\n", "0:\n", "0::\n", ":::::::\n", "::\u{fffd}\n"] {
        assert_eq!(read(text), Cgroup::default(), "{text:?}");
    }
}

#[test]
fn a_container_outweighs_the_unit_of_another_hierarchy() {
    // In the mixture of both versions runc leaves version 2 alone: its group is that of whoever started the runtime.
    let text = written(
        "12:pids:/kubepods/burstable/podUID/ONE\n1:name=systemd:/kubepods/burstable/podUID/ONE\n\
         0::/system.slice/containerd.service\n",
    );
    assert_eq!(read(&text), group(Some((ONE, Keeper::Kubernetes)), Some(UID), None));
    let text = written("12:pids:/docker/ONE\n1:name=systemd:/system.slice/docker.service\n0::/\n");
    assert_eq!(read(&text), group(Some((ONE, Keeper::Other)), None, None));
}
