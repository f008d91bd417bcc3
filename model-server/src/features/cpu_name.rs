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

/// Xeons of 2006 to 2011: a letter and four digits.
fn lettered(key: &str) -> Option<&'static str> {
    let number = key.strip_prefix(['x', 'e', 'l', 'w'])?;
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    Some(match number.get(..2).filter(|_| digits == 4)? {
        "50" | "70" | "71" => "netburst",
        "30" | "32" | "51" | "53" | "72" | "73" => "core",
        "31" | "33" | "52" | "54" | "74" => "penryn",
        "34" | "55" | "65" | "75" => "nehalem",
        "36" | "56" => "westmere",
        _ => return None,
    })
}

fn opteron(key: &str) -> Option<&'static str> {
    let digits = key.chars().take_while(char::is_ascii_digit).count();
    Some(match key.get(..2).filter(|_| digits == 4)? {
        "12" | "22" | "82" => "k8",
        "13" | "14" | "23" | "24" | "83" | "84" | "41" | "61" => "k10",
        "32" | "42" | "62" => "bulldozer",
        "33" | "43" | "63" => "piledriver",
        _ => return None,
    })
}

fn intel(key: &str) -> Option<&'static str> {
    if let Some(family) = lettered(key) {
        return Some(family);
    }
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
    if name.contains("opteron") {
        return opteron(key);
    }
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

/// For how many sockets a CPU of that key was made, by its vendor's number
/// scheme: what machines with it usually have, where that is not told.
#[must_use]
pub fn made_for_sockets(key: &str, vendor: &str) -> Option<f64> {
    let letters: String = key.chars().take_while(char::is_ascii_alphabetic).collect();
    let number = &key[letters.len()..];
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    let suffix = &number[digits..];
    let first = number.chars().next()?;
    match (vendor, letters.as_str()) {
        // E3, desktop parts, and systems on a chip.
        ("intel", "d" | "corei" | "ee" | "pentium" | "pentiumd") => Some(1.0),
        ("intel", "e") if key.starts_with("e3-") => Some(1.0),
        ("intel", "e") if key.starts_with("e5-") || key.starts_with("e7-") => {
            let sockets = key.get(3..4)?.parse::<u32>().ok().filter(|n| *n > 0)?;
            Some(f64::from(sockets))
        }
        ("intel", "e") if digits == 0 => Some(1.0),
        ("intel", _) if suffix.starts_with('u') => Some(1.0),
        ("intel", _) if digits == 4 => match first {
            '3' => Some(1.0),
            '7' => Some(4.0),
            _ => Some(2.0),
        },
        ("amd", "") if suffix.starts_with('p') => Some(1.0),
        ("amd", "") => match first {
            '1' => Some(1.0),
            // Opteron 6000: of two or four.
            '6' => Some(3.0),
            '8' => Some(8.0),
            _ => Some(2.0),
        },
        _ => None,
    }
}

/// The cores of one socket where a name tells them: `64-Core`, `Quad-Core`.
#[must_use]
pub fn cores(name: &str) -> Option<f64> {
    const WORDS: [(&str, f64); 6] = [
        ("dual", 2.0),
        ("quad", 4.0),
        ("six", 6.0),
        ("eight", 8.0),
        ("twelve", 12.0),
        ("sixteen", 16.0),
    ];
    let lower = name.to_lowercase();
    let number = lower
        .split_whitespace()
        .find_map(|word| word.strip_suffix("-core"))?;
    let said = WORDS.iter().find(|(word, _)| *word == number);
    said.map(|(_, cores)| *cores)
        .or_else(|| Some(f64::from(number.parse::<u16>().ok()?)))
        .filter(|cores| (1.0..=1_024.0).contains(cores))
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
    fn a_name_tells_the_sockets_that_it_is_made_for_and_its_cores() {
        for (name, vendor, sockets) in [
            ("Intel Xeon E3-1260L", "intel", Some(1.0)),
            ("Intel Xeon E5-2699 v4", "intel", Some(2.0)),
            ("Intel Xeon E5-4669 v3", "intel", Some(4.0)),
            ("Intel Xeon E7-8890 v4", "intel", Some(8.0)),
            ("Intel Xeon X3470", "intel", Some(1.0)),
            ("Intel Xeon X5670", "intel", Some(2.0)),
            ("Intel Xeon Gold 6314U", "intel", Some(1.0)),
            ("Intel Xeon Platinum 8480+", "intel", Some(2.0)),
            ("Intel Xeon E-2388G", "intel", Some(1.0)),
            ("Intel Xeon D-2775TE", "intel", Some(1.0)),
            ("AMD EPYC 7702P", "amd", Some(1.0)),
            ("AMD EPYC 7601", "amd", Some(2.0)),
            ("AMD Opteron 8384", "amd", Some(8.0)),
            ("Ampere Altra Q80-30", "arm", None),
            ("", "intel", None),
            ("é9", "intel", None),
        ] {
            assert_eq!(made_for_sockets(&key(name), vendor), sockets, "{name}");
        }
        assert_eq!(cores("AMD EPYC 7601 32-Core Processor"), Some(32.0));
        assert_eq!(cores("Quad-Core AMD Opteron(tm)"), Some(4.0));
        for name in [
            "Multi-Core Processor",
            "AMD EPYC 7601",
            "0-Core",
            "99999999-core",
        ] {
            assert_eq!(cores(name), None, "{name}");
        }
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
            ("Intel(R) Xeon(R) CPU X5670 @ 2.93GHz", "westmere"),
            ("Intel(R) Xeon(R) CPU E5345 @ 2.33GHz", "core"),
            ("Intel Xeon L5430", "penryn"),
            ("Quad-Core AMD Opteron(tm) Processor 2384", "k10"),
            ("AMD Opteron(tm) Processor 6276", "bulldozer"),
            ("AMD EPYC-Rome Processor", "zen2"),
            ("Intel Xeon Processor (Cascadelake)", "cascadelake"),
            ("AWS Graviton4 Processor", "neoverse-v2"),
        ] {
            assert_eq!(microarch(name), Some(family), "{name}");
        }
        assert_eq!(microarch("Intel(R) Xeon(R) Processor @ 2.90GHz"), None);
    }
}
