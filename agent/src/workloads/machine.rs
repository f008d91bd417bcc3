//! Reads the name of a virtual machine out of its control group's path, as
//! libvirt and systemd-machined write it.

/// The name of the virtual machine whose group `path` is or lies within, and
/// the path of the machine's own group. Its number, which changes with each
/// start, is no part of the name.
///
/// ```
/// use tanso_agent::workloads::machine;
///
/// let path = r"/machine.slice/machine-qemu\x2d3\x2dweb.scope/libvirt/vcpu0";
/// let own = r"/machine.slice/machine-qemu\x2d3\x2dweb.scope";
/// assert_eq!(machine(path), Some(("web".to_owned(), own)));
/// ```
#[must_use]
pub fn machine(path: &str) -> Option<(String, &str)> {
    let mut end = 0;
    for segment in path.split('/') {
        end += segment.len();
        if let Some(name) = name(segment) {
            return Some((name, path.get(..end)?));
        }
        end += 1;
    }
    None
}

fn name(segment: &str) -> Option<String> {
    let text = if let Some(old) = segment.strip_suffix(".libvirt-qemu") {
        old.to_owned()
    } else {
        let scope = segment.strip_suffix(".scope").unwrap_or(segment);
        unescaped(scope.strip_prefix("machine-")?)?
    };
    let text = text
        .strip_prefix("qemu-")
        .or_else(|| text.strip_prefix("libvirt-"))
        .unwrap_or(&text);
    let named = match text.split_once('-') {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => text,
    };
    (!named.is_empty()).then(|| named.to_owned())
}

/// systemd's escapes of bytes: `\x2d` is a hyphen.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(rest.get(..at)?.as_bytes());
        let digits = rest.get(at + 2..at + 4)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(at + 4..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_form_are_read_and_odd_ones_are_none() {
        let named = |path| machine(path).map(|(name, _)| name);
        assert_eq!(
            named("/machine/qemu-12-data-base.libvirt-qemu/vcpu1").as_deref(),
            Some("data-base")
        );
        assert_eq!(
            named(r"/machine.slice/machine-qemu\x2d1\x2dk\xc3\xbcche.scope").as_deref(),
            Some("k\u{fc}che")
        );
        assert_eq!(
            named("/machine.slice/machine-qemu.scope").as_deref(),
            Some("qemu")
        );
        for odd in [
            "/",
            "/system.slice",
            r"/machine-qemu\x2",
            r"/machine-\xff.scope",
        ] {
            assert_eq!(named(odd), None, "{odd}");
        }
    }
}
