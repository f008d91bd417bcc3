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
    let mut words = before.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let skipped = is_filler(word) || is_clock(word) || is_core_count(word);
        let next = words.peek().copied();
        if !skipped && !is_revision(word) && !is_generation(word, next) {
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
        "arm", "ampere", "neoverse", "graviton", "cortex", "grace", "aarch64", "nvidia",
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
        ("ampereone", "ampereone"),
        ("cortexa72", "cortex-a72"),
        ("cortexa53", "cortex-a53"),
        ("bulldozer", "bulldozer"),
        ("netburst", "netburst"),
    ];
    let flat = flat(text);
    NAMES
        .iter()
        .find(|(written, _)| flat.contains(written))
        .map(|(_, family)| *family)
}

/// The canonical name of a family that is written in full: a code name alone
/// (`Turin Dense`), or a canonical name with other spaces and capitals.
#[must_use]
pub fn family_written(text: &str) -> Option<&'static str> {
    let flat = flat(text);
    Some(match flat.as_str() {
        "zen" | "naples" | "zen1" => "zen",
        "zen2" | "rome" => "zen2",
        "zen3" | "milan" | "milanx" => "zen3",
        "zen4" | "genoa" | "genoax" | "raphael" => "zen4",
        "zen4c" | "bergamo" | "siena" => "zen4c",
        "zen5" | "turin" | "turinclassic" | "grado" => "zen5",
        "zen5c" | "turindense" => "zen5c",
        "grace" => "neoverse-v2",
        "altra" | "altramax" => "neoverse-n1",
        "k8" => "k8",
        "k10" => "k10",
        "piledriver" => "piledriver",
        "core" => "core",
        _ => return family_named(text),
    })
}

/// Lower case, without what people part words by.
fn flat(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .collect()
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
    if let Some(family) = lettered(key).or_else(|| dashed(key)) {
        return Some(family);
    }
    let key = key.strip_prefix("max").unwrap_or(key);
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
        // The sixth generation names its cores by a last letter; "8358P" and
        // "8558P" are of the third and the fifth.
        ('3', "p") if *first == '6' => Some("raptorlake"),
        ('5', suffix) if *first == '6' && is_sixth(suffix) => Some("graniterapids"),
        ('1', _) => Some("skylake-sp"),
        ('2', _) => Some("cascadelake"),
        ('3', suffix) if suffix.starts_with('h') => Some("cooperlake"),
        ('3', _) => Some("icelake-sp"),
        ('4', _) => Some("sapphirerapids"),
        ('5', _) => Some("emeraldrapids"),
        ('7' | '9', "e" | "e+") => Some("sierraforest"),
        ('7' | '9', suffix) if suffix.starts_with('p') => Some("graniterapids"),
        _ => None,
    }
}

/// `6530P`, `6553P-B`: the sixth generation's suffix of large cores.
fn is_sixth(suffix: &str) -> bool {
    suffix == "p" || suffix.starts_with("p-")
}

/// Xeons of single sockets, whose numbers follow a letter and a dash: `E-2488`,
/// `D-2146NT`, `W-3375`, `w9-3495X`.
fn dashed(key: &str) -> Option<&'static str> {
    let (line, number) = key.split_once('-')?;
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    let series = number.get(..2).filter(|_| digits == 4)?;
    Some(match (line, series) {
        ("e", "21" | "22") => "coffeelake",
        ("e" | "w", "23" | "13") => "rocketlake",
        ("e", "24") => "raptorlake",
        ("d", "15" | "16") => "broadwell",
        ("d", "21") | ("w", "21" | "31") => "skylake-sp",
        ("d", "17" | "18" | "27" | "28") | ("w", "33") => "icelake-sp",
        ("w", "22" | "32") => "cascadelake",
        ("w3" | "w5" | "w7" | "w9", "24" | "25" | "34" | "35") => "sapphirerapids",
        _ => return None,
    })
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
        ("intel", "w") if number.starts_with('-') => Some(1.0),
        ("intel", _) if suffix.starts_with('u') => Some(1.0),
        ("intel", _) if digits == 4 => match first {
            // The sixth generation's for one socket end with 1, or are desktop parts.
            '6' if is_sixth(suffix)
                && (number.starts_with("63") || number[..digits].ends_with('1')) =>
            {
                Some(1.0)
            }
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

/// Firmware of 2012 wrote `E5-2670 0` where later ones write `E5-2670 v2`.
fn is_revision(word: &str) -> bool {
    word == "0"
}

/// The generation before a number: `Xeon 6 6780E` is the Xeon 6780E.
fn is_generation(word: &str, next: Option<&str>) -> bool {
    let number = |next: &str| next.chars().take_while(char::is_ascii_digit).count() == 4;
    matches!(word, "6" | "6+") && next.is_some_and(|next| number(next) || next == "processor")
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

    /// What firmware writes between brand and number became a part of the key.
    #[test]
    fn revisions_and_generations_are_no_part_of_the_key() {
        for (name, wanted) in [
            ("Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", "e5-2670"),
            ("Intel(R) Xeon(R) CPU E7- 8870  @ 2.40GHz", "e7-8870"),
            ("Intel Xeon 6 6780E", "6780e"),
            ("Intel Xeon 6 Processor 6787P", "6787p"),
            ("Intel(R) Xeon(R) 6787P", "6787p"),
            ("Intel Xeon 6+ 6990E+", "6990e+"),
        ] {
            assert_eq!(key(name), wanted, "{name}");
        }
    }

    /// The sixth generation's 6500P and 6300P were taken for the fifth and the
    /// third, and lines with a dash for no family at all.
    #[test]
    fn numbers_of_the_newest_and_of_single_sockets_tell_their_family() {
        for (name, family) in [
            ("Intel(R) Xeon(R) 6530P", "graniterapids"),
            ("Intel Xeon 6553P-B", "graniterapids"),
            ("Intel(R) Xeon(R) 6975P-C", "graniterapids"),
            ("Intel(R) Xeon(R) 6369P", "raptorlake"),
            ("Intel Xeon 6 6780E", "sierraforest"),
            ("INTEL(R) XEON(R) PLATINUM 8558P", "emeraldrapids"),
            (
                "Intel(R) Xeon(R) Platinum 8358P CPU @ 2.60GHz",
                "icelake-sp",
            ),
            ("Intel(R) Xeon(R) Gold 6530", "emeraldrapids"),
            ("Intel(R) Xeon(R) Platinum 8321HC CPU", "cooperlake"),
            ("Intel(R) Xeon(R) CPU Max 9480", "sapphirerapids"),
            ("Intel(R) Xeon(R) w9-3495X", "sapphirerapids"),
            ("Intel(R) Xeon(R) W-3375 CPU @ 2.50GHz", "icelake-sp"),
            ("Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", "coffeelake"),
            ("Intel(R) Xeon(R) E-2378G CPU @ 2.80GHz", "rocketlake"),
            ("Intel(R) Xeon(R) E-2468", "raptorlake"),
            ("Intel(R) Xeon(R) CPU D-1541 @ 2.10GHz", "broadwell"),
            ("Intel(R) Xeon(R) D-2146NT CPU @ 2.30GHz", "skylake-sp"),
            ("Intel(R) Xeon(R) D-2799 CPU @ 2.40GHz", "icelake-sp"),
        ] {
            assert_eq!(microarch(name), Some(family), "{name}");
        }
        let of = |name: &str| made_for_sockets(&key(name), "intel");
        assert_eq!(of("Intel Xeon 6731P"), Some(1.0));
        assert_eq!(of("Intel Xeon 6369P"), Some(1.0));
        assert_eq!(of("Intel Xeon 6737P"), Some(2.0));
        assert_eq!(of("Intel Xeon Platinum 8358P"), Some(2.0));
        assert_eq!(of("Intel Xeon 6P"), None);
        assert_eq!(of("Intel Xeon W-3375"), Some(1.0));
    }

    /// "Zen 4" was no family, and answered as one that nobody measured.
    #[test]
    fn a_family_is_known_however_it_is_written() {
        for (written, family) in [
            ("Zen 4", Some("zen4")),
            ("ZEN5C", Some("zen5c")),
            ("Turin Dense", Some("zen5c")),
            ("Genoa", Some("zen4")),
            ("Granite Rapids", Some("graniterapids")),
            ("sapphire_rapids", Some("sapphirerapids")),
            ("Skylake-SP", Some("skylake-sp")),
            ("skylake-client", Some("skylake-client")),
            ("graviton4", Some("neoverse-v2")),
            ("Core", Some("core")),
            ("zen99", None),
            ("", None),
        ] {
            assert_eq!(family_written(written), family, "{written}");
        }
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
