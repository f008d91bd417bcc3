//! Reads which virtual machine a pod of `KubeVirt`'s runs, by the command line of
//! its QEMU.
//!
//! `KubeVirt`'s `virt-launcher` starts libvirt and QEMU inside the pod's container
//! `compute`; their control groups say nothing of the machine. What libvirt
//! gives QEMU does: `-name guest=NAMESPACE_NAME,… -uuid UUID`.

use super::PodUid;

/// The longest name that is taken: of libvirt's domains there is no bound.
const NAME_MAX: usize = 253;

/// A virtual machine inside a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its UUID; its name if it has none.
    pub id: String,
    /// Its name as libvirt has it: namespace and name of the
    /// `VirtualMachineInstance`, with `_` between.
    pub name: String,
}

/// Whether a pod's container is one in which `KubeVirt` runs a virtual machine.
#[must_use]
pub fn is_launcher(pod: &str, container: &str) -> bool {
    container == "compute" && pod.starts_with("virt-launcher-")
}

/// The machine that the process with this command line is, its arguments ended
/// by zeros as in `/proc/PID/cmdline`; `None` if it is none, or has no name.
///
/// ```
/// use tanso_agent::workloads::guest;
///
/// let line = b"/usr/libexec/qemu-kvm\0-name\0guest=vms_web,debug-threads=on\0";
/// assert_eq!(guest(line).unwrap().name, "vms_web");
/// assert_eq!(guest(b"/usr/bin/virt-launcher\0--name\0web\0"), None);
/// ```
#[must_use]
pub fn guest(command_line: &[u8]) -> Option<Guest> {
    let mut words = command_line
        .split(|&byte| byte == 0)
        .map(|word| std::str::from_utf8(word).unwrap_or_default());
    let program = words.next()?.rsplit('/').next()?;
    if !program.starts_with("qemu") {
        return None;
    }
    let (mut name, mut uuid) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "-name" => name = words.next().and_then(name_of),
            "-uuid" => uuid = words.next().and_then(PodUid::try_new),
            _ => {}
        }
    }
    let name = name?;
    Some(Guest {
        id: uuid.map_or_else(|| name.clone(), |uuid| uuid.as_str().to_owned()),
        name,
    })
}

/// The name in QEMU's `-name [guest=]NAME[,OPTION=VALUE…]`.
fn name_of(value: &str) -> Option<String> {
    let mut parts = value.split(',');
    let first = parts.next()?;
    let named = std::iter::once(first)
        .chain(parts)
        .find_map(|part| part.strip_prefix("guest="));
    let name = named.unwrap_or(first);
    let plain = !name.is_empty() && name.len() <= NAME_MAX && !name.contains('=');
    plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "5c1b1f4e-7a4c-5d1b-9a36-6c1c1c8b0a11";

    fn line(words: &[&str]) -> Vec<u8> {
        let mut line = words.join("\0").into_bytes();
        line.push(0);
        line
    }

    #[test]
    fn a_machine_is_named_by_what_libvirt_gives_its_process() {
        let long = line(&[
            "/usr/libexec/qemu-kvm",
            "-name",
            "guest=vms_web-1,debug-threads=on",
            "-S",
            "-uuid",
            UUID,
            "-no-user-config",
        ]);
        let wanted = Guest {
            id: UUID.into(),
            name: "vms_web-1".into(),
        };
        assert_eq!(guest(&long), Some(wanted));
        let by_name = |words: &[&str]| guest(&line(words)).map(|guest| (guest.id, guest.name));
        let same = |name: &str| Some((name.to_owned(), name.to_owned()));
        assert_eq!(
            by_name(&["qemu-system-x86_64", "-name", "debug-threads=on,guest=a"]),
            same("a")
        );
        assert_eq!(
            by_name(&["qemu-kvm", "-uuid", "none", "-name", "old"]),
            same("old")
        );
    }

    #[test]
    fn what_is_no_machine_or_has_no_name_is_none() {
        for odd in [
            line(&[]),
            line(&["/usr/bin/virtqemud", "-name", "guest=a"]),
            line(&["sh", "-c", "qemu-kvm -name a"]),
            line(&["qemu-kvm", "-name"]),
            line(&["qemu-kvm", "-name", "process=x"]),
            line(&["qemu-kvm", "-name", &"a".repeat(NAME_MAX + 1)]),
            b"qemu-kvm\0-name\0\xff\xfe\0".to_vec(),
        ] {
            assert_eq!(guest(&odd), None, "{:?}", String::from_utf8_lossy(&odd));
        }
    }

    #[test]
    fn only_the_container_that_runs_the_machine_is_one() {
        assert!(is_launcher("virt-launcher-web-x7k2p", "compute"));
        assert!(!is_launcher("virt-launcher-web-x7k2p", "guest-console-log"));
        assert!(!is_launcher("render-1", "compute"));
    }
}
