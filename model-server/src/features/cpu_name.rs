//! What a CPU model name says: a key to compare by, vendor, family.
//!
//! Names are rules of the vendors' number schemes only; figures (cores, watts)
//! come from the catalogue.

/// The comparable part of a CPU model name: `platinum 8259CL CPU @ 2.50GHz`
/// and `Intel Xeon 8259CL` are both `8259cl`. Empty if the name says no model.
#[must_use]
pub fn key(name: &str) -> String {
    let plain = without_brackets(&name.to_lowercase());
    let before = plain
        .split(['@', ',', ':'])
        .next()
        .unwrap_or_default()
        .replace(['-', '_'], "-");
    let mut key = String::new();
    for word in before.split_whitespace() {
        if !is_filler(word) && !is_clock(word) && !is_core_count(word) {
            key.push_str(word);
        }
    }
    // A machine emulator's family names are no CPU model.
    if family_named(name).is_some() && !key.chars().any(|c| c.is_ascii_digit()) {
        key.clear();
    }
    // "2.6 ghz" in two words leaves its number behind.
    if key.chars().all(|c| c.is_ascii_digit() || c == '.') && key.contains('.') {
        key.clear();
    }
    key
}

/// The vendor that a name or vendor id speaks of.
#[must_use]
pub fn vendor(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if any(&["intel", "xeon"]) {
        Some("intel")
    } else if any(&["amd", "epyc", "opteron", "ryzen"]) {
        Some("amd")
    } else if any(&[
        "arm", "ampere", "neoverse", "graviton", "cortex", "grace", "aarch64",
    ]) {
        Some("arm")
    } else {
        None
    }
}

/// The microarchitecture that a CPU model name tells by its number or by a
/// family's name in it; the names are those of the training tables.
#[must_use]
pub fn microarch(name: &str) -> Option<&'static str> {
    if let Some(family) = family_named(name) {
        return Some(family);
    }
    let key = key(name);
    match vendor(name) {
        Some("amd") => amd(&key, &name.to_lowercase()),
        Some("intel") | None => intel(&key),
        Some(_) => arm(&key),
    }
}

/// The canonical name of a family however a person or a table writes it.
#[must_use]
pub fn family_named(text: &str) -> Option<&'static str> {
    const NAMES: &[(&str, &str)] = &[
        ("graniterapids", "graniterapids"),
        ("emeraldrapids", "emeraldrapids"),
        ("sapphirerapids", "sapphirerapids"),
        ("sierraforest", "sierraforest"),
        ("cascadelake", "cascadelake"),
        ("cooperlake", "cooperlake"),
        ("skylakeclient", "skylake-client"),
        ("skylakesp", "skylake-sp"),
        ("skylakeserver", "skylake-sp"),
        ("skylake", "skylake-sp"),
        ("icelake", "icelake-sp"),
        ("broadwell", "broadwell"),
        ("haswell", "haswell"),
        ("ivybridge", "ivybridge"),
        ("sandybridge", "sandybridge"),
        ("westmere", "westmere"),
        ("nehalem", "nehalem"),
        ("penryn", "penryn"),
        ("coffeelake", "coffeelake"),
        ("rocketlake", "rocketlake"),
        ("raptorlake", "raptorlake"),
        ("epycnaples", "zen"),
        ("epycrome", "zen2"),
        ("epycmilan", "zen3"),
        ("epycgenoa", "zen4"),
        ("epycbergamo", "zen4c"),
        ("epycturin", "zen5"),
        ("neoversen1", "neoverse-n1"),
        ("neoversev1", "neoverse-v1"),
        ("neoversen2", "neoverse-n2"),
        ("neoversev2", "neoverse-v2"),
        ("graviton2", "neoverse-n1"),
        ("graviton3", "neoverse-v1"),
        ("graviton4", "neoverse-v2"),
        ("gracecpu", "neoverse-v2"),
        ("cortexa72", "cortex-a72"),
        ("cortexa53", "cortex-a53"),
        ("bulldozer", "bulldozer"),
        ("netburst", "netburst"),
    ];
    let flat: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .collect();
    NAMES
        .iter()
        .find(|(written, _)| flat.contains(written))
        .map(|(_, family)| *family)
}

fn intel(key: &str) -> Option<&'static str> {
    if let Some(rest) = key
        .strip_prefix("e3-")
        .or_else(|| key.strip_prefix("e5-"))
        .or_else(|| key.strip_prefix("e7-"))
    {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return match rest.rsplit_once('v').map_or("", |(_, version)| version) {
            "2" => Some("ivybridge"),
            "3" => Some("haswell"),
            "4" => Some("broadwell"),
            "5" | "6" => Some("skylake-client"),
            _ if key.starts_with("e7-") && matches!(number.get(1..2), Some("8")) => {
                Some("westmere")
            }
            _ => Some("sandybridge"),
        };
    }
    let digits: Vec<char> = key.chars().take_while(char::is_ascii_digit).collect();
    let suffix = key.get(digits.len()..).unwrap_or_default();
    let [first, second, ..] = digits.as_slice() else {
        return None;
    };
    if digits.len() != 4 || !('3'..='9').contains(first) {
        return None;
    }
    match (second, suffix) {
        ('1', _) => Some("skylake-sp"),
        ('2', _) => Some("cascadelake"),
        ('3', "h" | "hl") => Some("cooperlake"),
        ('3', _) => Some("icelake-sp"),
        ('4', _) => Some("sapphirerapids"),
        ('5', _) => Some("emeraldrapids"),
        ('7' | '9', "e" | "e+") => Some("sierraforest"),
        ('7' | '9', suffix) if suffix.starts_with('p') => Some("graniterapids"),
        _ => None,
    }
}

fn amd(key: &str, name: &str) -> Option<&'static str> {
    if !name.contains("epyc") {
        return None;
    }
    let number: Vec<char> = key.trim_start_matches("epyc").chars().collect();
    let [series, second, third, generation, ..] = number.as_slice() else {
        return None;
    };
    let dense = match generation {
        '4' => *second == '7',
        _ => matches!(
            (second, third),
            ('6' | '7', '4') | ('8', '2' | '4') | ('9', '6')
        ),
    };
    match (series, generation) {
        ('7', '1') => Some("zen"),
        ('7', '2') => Some("zen2"),
        ('7', '3') => Some("zen3"),
        ('8', '4') => Some("zen4c"),
        ('9', '4') if dense => Some("zen4c"),
        ('9' | '4', '4') => Some("zen4"),
        ('9', '5') if dense => Some("zen5c"),
        ('9' | '4', '5') => Some("zen5"),
        _ => None,
    }
}

fn arm(key: &str) -> Option<&'static str> {
    key.contains("altra").then_some("neoverse-n1")
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "intel"
            | "amd"
            | "arm"
            | "aws"
            | "xeon"
            | "epyc"
            | "opteron"
            | "cpu"
            | "processor"
            | "gold"
            | "silver"
            | "platinum"
            | "bronze"
            | "family"
            | "2nd"
            | "gen"
            | "multi-core"
            | "64-bit"
            | "ghz"
            | "chip"
            | "virtual"
            | "unknown"
            | "version"
    )
}

fn is_clock(word: &str) -> bool {
    word.ends_with("ghz")
        || word.ends_with("mhz")
        || (word.contains('.') && word.parse::<f64>().is_ok())
}

fn is_core_count(word: &str) -> bool {
    word.ends_with("-core") || word == "cores"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_has_one_key_however_it_is_written() {
        for name in [
            "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz",
            "Intel Xeon 8259CL",
            "Xeon Platinum 8259CL Processor (Intel Turbo Boost Technology up to 3.5GHz)",
        ] {
            assert_eq!(key(name), "8259cl");
        }
        assert_eq!(key("AMD EPYC 7R13 48-Core Processor"), "7r13");
        assert_eq!(key("2.6 GHz AMD Opteron 2435"), "2435");
        assert_eq!(key("Intel Xeon E3-1265Lv3"), key("Intel Xeon E3-1265L V3"));
    }

    #[test]
    fn a_generic_name_has_no_key() {
        for name in [
            "Intel(R) Xeon(R) Processor @ 2.90GHz",
            "AMD EPYC",
            "AMD EPYC-Rome Processor",
            "Intel Xeon Processor (Skylake, IBRS)",
            "Intel Xeon 3.8GHz",
            "",
        ] {
            assert_eq!(key(name), "", "{name}");
        }
    }

    #[test]
    fn the_number_tells_the_family() {
        for (name, family) in [
            (
                "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz",
                "cascadelake",
            ),
            (
                "Intel(R) Xeon(R) Platinum 8124M CPU @ 3.00GHz",
                "skylake-sp",
            ),
            (
                "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz",
                "icelake-sp",
            ),
            ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "broadwell"),
            ("Intel(R) Xeon(R) 6972P", "graniterapids"),
            ("AMD EPYC 7R13 Processor", "zen3"),
            ("AMD EPYC 9R14", "zen4"),
            ("AMD EPYC 9754 128-Core Processor", "zen4c"),
            ("AMD EPYC 9965 192-Core Processor", "zen5c"),
            ("AMD EPYC 9755 128-Core Processor", "zen5"),
            ("AMD EPYC 7571", "zen"),
            ("AMD EPYC-Rome Processor", "zen2"),
            ("Intel Xeon Processor (Cascadelake)", "cascadelake"),
            ("AWS Graviton4 Processor", "neoverse-v2"),
        ] {
            assert_eq!(microarch(name), Some(family), "{name}");
        }
        assert_eq!(microarch("Intel(R) Xeon(R) Processor @ 2.90GHz"), None);
    }
}
