//! Paths as the runtimes and drivers write them.

use super::*;

const UID: &str = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";
const UID_SYSTEMD: &str = "0c4b1a52_3a5b_4c77_8f4e_5f2b6d7e8a90";
const STATIC_UID: &str = "d0a1f2b3c4d5e6f708192a3b4c5d6e7f";
const ID: &str = "4f1c0d5be7a94d0cb7c3f2e19a8b7c6d5e4f30211a2b3c4d5e6f708192a3b4c5";
const OTHER: &str = "aa1c0d5be7a94d0cb7c3f2e19a8b7c6d5e4f30211a2b3c4d5e6f708192a3b4c5";

/// Path, pod, container, runtime, kind. `U` stands for the pod's UID, `V` for
/// it with underscores, `S` for a static pod's, `C` for the container's id and
/// `D` for another container's.
const CASES: &[(&str, &str, &str, Runtime, WorkloadKind)] = {
    use Runtime::{Containerd, CriO, Docker, Podman, Unknown};
    use WorkloadKind::{Container, Other, Pod, Root, Service, Session, VirtualMachine};
    &[
        // Kubernetes, cgroupfs driver: burstable, best effort, guaranteed.
        (
            "/kubepods/burstable/pod{U}/{C}",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        (
            "/kubepods/besteffort/pod{U}/{C}",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        ("/kubepods/pod{U}/{C}", "{U}", "{C}", Unknown, Container),
        (
            "/tanso-demo/kubepods/burstable/pod{U}/{C}",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        (
            "/kubepods/burstable/pod{S}/{C}",
            "{S}",
            "{C}",
            Unknown,
            Container,
        ),
        ("/kubepods/burstable/pod{U}", "{U}", "", Unknown, Pod),
        // Kubernetes, systemd driver.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{C}.scope",
            "{U}",
            "{C}",
            Containerd,
            Container,
        ),
        (
            "/kubepods.slice/kubepods-pod{V}.slice/crio-{C}.scope",
            "{U}",
            "{C}",
            CriO,
            Container,
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/docker-{C}.scope",
            "{U}",
            "{C}",
            Docker,
            Container,
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/crio-conmon-{C}.scope",
            "{U}",
            "",
            Unknown,
            Pod,
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{S}.slice/cri-containerd-{C}.scope",
            "{S}",
            "{C}",
            Containerd,
            Container,
        ),
        (
            "/tanso.slice/tanso-kubepods.slice/tanso-kubepods-burstable.slice/tanso-kubepods-burstable-pod{V}.slice/cri-containerd-{C}.scope",
            "{U}",
            "{C}",
            Containerd,
            Container,
        ),
        (
            "/kubepods.slice/kubepods-pod{V}.slice",
            "{U}",
            "",
            Unknown,
            Pod,
        ),
        // A service manager and subgroups inside a container.
        (
            "/kubepods.slice/kubepods-pod{V}.slice/crio-{C}.scope/system.slice/nginx.service",
            "{U}",
            "{C}",
            CriO,
            Container,
        ),
        (
            "/kubepods/pod{U}/{C}/init.scope",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        // A systemd path given to a runtime with the cgroupfs driver.
        (
            "/system.slice/containerd.service/kubepods-burstable-pod{V}.slice:cri-containerd:{C}",
            "{U}",
            "{C}",
            Containerd,
            Container,
        ),
        // A node in a container; a container inside a pod's container.
        (
            "/docker/{D}/kubelet/kubepods/burstable/pod{U}/{C}",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        (
            "/kubepods/pod{U}/{C}/docker/{D}",
            "{U}",
            "{C}",
            Unknown,
            Container,
        ),
        // Without Kubernetes.
        ("/docker/{C}", "", "{C}", Docker, Container),
        (
            "/system.slice/docker-{C}.scope",
            "",
            "{C}",
            Docker,
            Container,
        ),
        (
            "/system.slice/docker-{C}.scope/docker/{D}",
            "",
            "{C}",
            Docker,
            Container,
        ),
        (
            "/machine.slice/libpod-{C}.scope/container",
            "",
            "{C}",
            Podman,
            Container,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{C}.scope",
            "",
            "{C}",
            Podman,
            Container,
        ),
        ("/libpod_parent/libpod-{C}", "", "{C}", Podman, Container),
        (
            "/machine.slice/libpod-conmon-{C}.scope",
            "",
            "",
            Unknown,
            Other,
        ),
        ("/default/{C}", "", "{C}", Containerd, Container),
        (
            "/system.slice/nerdctl-{C}.scope",
            "",
            "{C}",
            Containerd,
            Container,
        ),
        // The rest of a node.
        ("/", "", "", Unknown, Root),
        ("", "", "", Unknown, Root),
        ("/system.slice/sshd.service", "", "", Unknown, Service),
        ("/system.slice", "", "", Unknown, Service),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            "",
            "",
            Unknown,
            Session,
        ),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/vcpu0",
            "",
            "",
            Unknown,
            VirtualMachine,
        ),
        ("/kubepods", "", "", Unknown, Other),
        (
            "/kubepods.slice/kubepods-burstable.slice",
            "",
            "",
            Unknown,
            Other,
        ),
        ("/init.scope", "", "", Unknown, Other),
        // Looks alike and is not.
        ("/podium/{C}x", "", "", Unknown, Other),
        ("/kubepods/podnot-a-uid/12345", "", "", Unknown, Other),
        ("/build-pod{U}x.slice", "", "", Unknown, Other),
    ]
};

fn fill(text: &str) -> String {
    text.replace("{U}", UID)
        .replace("{V}", UID_SYSTEMD)
        .replace("{S}", STATIC_UID)
        .replace("{C}", ID)
        .replace("{D}", OTHER)
}

#[test]
fn every_driver_and_runtime_is_read() {
    for (path, pod, container, runtime, kind) in CASES {
        let path = fill(path);
        let found = parse(&path);
        let pod_uid = found.pod_uid.as_ref().map_or("", PodUid::as_str);
        let container_id = found.container_id.as_ref().map_or("", ContainerId::as_str);
        assert_eq!(pod_uid, fill(pod), "pod of {path}");
        assert_eq!(container_id, fill(container), "container of {path}");
        assert_eq!(found.runtime, *runtime, "runtime of {path}");
        assert_eq!(found.kind, *kind, "kind of {path}");
    }
}

#[test]
fn a_containers_id_is_found_in_its_status() {
    let id = ContainerId::from_status(&format!("containerd://{ID}"));
    assert_eq!(id.as_ref().map(ContainerId::as_str), Some(ID));
    assert_eq!(ContainerId::from_status(ID), None);
    assert_eq!(ContainerId::from_status("containerd://"), None);
}

#[test]
fn odd_paths_are_no_reason_to_fail() {
    for path in [
        "///",
        "::::",
        "pod",
        "pod/",
        ".slice",
        "-pod.slice",
        "é/pod\u{0}/ü.scope",
    ] {
        assert_eq!(parse(path).container_id, None, "{path}");
    }
}
