//! Reads identities out of a control group's path.
//!
//! The outermost pod wins, and within it the outermost container: those are
//! the ones that the node's own API server knows. What runs nested inside a
//! container is that container's. No path is refused: what is not known is
//! [`WorkloadKind::Other`].

use super::{ContainerId, ContainerRef, PodUid, Runtime, WorkloadKind};

/// Reads `path`, the path of a control group from the root of its hierarchy.
///
/// ```
/// use tanso_agent::workloads::{WorkloadKind, parse};
///
/// let id = "9".repeat(64);
/// let path = format!("/kubepods/burstable/pod0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90/{id}");
/// let found = parse(&path);
/// assert_eq!(found.kind, WorkloadKind::Container);
/// assert_eq!(found.container_id.unwrap().as_str(), id);
/// ```
#[must_use]
pub fn parse(path: &str) -> ContainerRef {
    // The colon: the systemd notation where a runtime took it for a path.
    let segments: Vec<&str> = path
        .split(['/', ':'])
        .filter(|segment| !segment.is_empty())
        .collect();
    let pod = segments
        .iter()
        .enumerate()
        .find_map(|(at, segment)| pod_uid(segment).map(|uid| (at, uid)));
    let (rest, pod_uid) = match pod {
        Some((at, uid)) => (segments.get(at + 1..).unwrap_or_default(), Some(uid)),
        None => (segments.as_slice(), None),
    };
    if let Some((container_id, runtime)) = container(rest, pod_uid.is_some()) {
        return ContainerRef {
            pod_uid,
            container_id: Some(container_id),
            runtime,
            kind: WorkloadKind::Container,
        };
    }
    let kind = if pod_uid.is_some() {
        WorkloadKind::Pod
    } else {
        kind_of(&segments)
    };
    ContainerRef {
        pod_uid,
        container_id: None,
        runtime: Runtime::Unknown,
        kind,
    }
}

/// The pod named by a segment: `pod<uid>` of the cgroupfs driver, or
/// `<parents>-pod<uid>.slice` of the systemd driver.
fn pod_uid(segment: &str) -> Option<PodUid> {
    if let Some(uid) = segment.strip_prefix("pod") {
        // A pod directly under a root slice would be "pod<uid>.slice".
        return PodUid::try_new(uid.strip_suffix(".slice").unwrap_or(uid));
    }
    let slice = segment.strip_suffix(".slice")?;
    let (_, uid) = slice.rsplit_once("-pod")?;
    PodUid::try_new(uid)
}

/// The outermost container named by the segments.
fn container(segments: &[&str], in_pod: bool) -> Option<(ContainerId, Runtime)> {
    let mut parent = None;
    for segment in segments {
        // A monitor process beside a container is not the container.
        if segment.contains("conmon-") {
            return None;
        }
        if let Some(found) = scoped(segment) {
            return Some(found);
        }
        if let Some(id) = ContainerId::try_new(segment) {
            let runtime = match parent {
                Some("docker") => Runtime::Docker,
                Some("cri-containerd" | "default" | "moby" | "k8s.io") => Runtime::Containerd,
                Some("crio") => Runtime::CriO,
                Some("libpod_parent") => Runtime::Podman,
                _ => Runtime::Unknown,
            };
            // Outside a pod, a bare id counts wherever it stands too: no
            // other part of a node names its groups by 64 digits.
            return Some((id, runtime));
        }
        parent = Some(*segment);
        if in_pod && segment.ends_with(".service") {
            // A service manager inside the pod, above no container.
            return None;
        }
    }
    None
}

/// A segment that carries a runtime's mark before the id.
fn scoped(segment: &str) -> Option<(ContainerId, Runtime)> {
    const MARKS: [(&str, Runtime); 7] = [
        ("cri-containerd-", Runtime::Containerd),
        ("nerdctl-", Runtime::Containerd),
        ("containerd-", Runtime::Containerd),
        ("crio-", Runtime::CriO),
        ("docker-", Runtime::Docker),
        ("libpod-", Runtime::Podman),
        ("libpod_", Runtime::Podman),
    ];
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    MARKS.iter().find_map(|(mark, runtime)| {
        let id = ContainerId::try_new(name.strip_prefix(mark)?)?;
        Some((id, *runtime))
    })
}

fn kind_of(segments: &[&str]) -> WorkloadKind {
    let Some(last) = segments.last() else {
        return WorkloadKind::Root;
    };
    let machine = segments.iter().any(|segment| {
        segment.starts_with("machine-qemu")
            || segment.starts_with("machine-libvirt")
            || segment.ends_with(".libvirt-qemu")
    });
    let session = segments
        .iter()
        .any(|segment| *segment == "user.slice" || segment.starts_with("session-"));
    if machine {
        WorkloadKind::VirtualMachine
    } else if session {
        WorkloadKind::Session
    } else if last.ends_with(".service") || segments.first() == Some(&"system.slice") {
        WorkloadKind::Service
    } else {
        WorkloadKind::Other
    }
}

#[cfg(test)]
mod tests;
