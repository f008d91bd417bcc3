//! The node's processors one by one, for `kepler_node_cpu_info`.

use crate::host::HostRoots;

/// A logical processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Its number.
    pub number: String,
    /// `GenuineIntel`, `AuthenticAMD`.
    pub vendor: String,
    /// The model's name for people.
    pub model_name: String,
    /// Its socket.
    pub socket: String,
    /// Its core.
    pub core: String,
}

/// All processors; none if `/proc/cpuinfo` cannot be read.
#[must_use]
pub fn processors(roots: &HostRoots) -> Vec<Processor> {
    std::fs::read_to_string(roots.proc.join("cpuinfo"))
        .map_or_else(|_| Vec::new(), |text| parse(&text))
}

fn parse(text: &str) -> Vec<Processor> {
    let mut all: Vec<Processor> = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().to_owned();
        if name.trim() == "processor" && value.parse::<u32>().is_ok() {
            all.push(Processor {
                number: value,
                ..Processor::default()
            });
            continue;
        }
        let Some(last) = all.last_mut() else { continue };
        match name.trim() {
            "vendor_id" => last.vendor = value,
            "model name" => last.model_name = value,
            "physical id" => last.socket = value,
            "core id" => last.core = value,
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_is_listed_with_its_socket_and_core() {
        let text = "processor\t: 0\nvendor_id\t: V\nmodel name\t: M\nphysical id\t: 1\ncore id\t: 2\n\nprocessor\t: 1\ncore id\t: 3\n";
        let found = parse(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].socket.as_str(), found[1].core.as_str()),
            ("1", "3")
        );
    }
}
