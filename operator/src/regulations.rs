//! The rules that come with tanso, as text built into the program, and those
//! of the user. Rules are data; nothing here judges.

use std::sync::LazyLock;

use tanso_carbon::RuleSet;

/// A file of `config/regulations` with its name.
macro_rules! bundled {
    ($file:literal) => {
        (
            $file,
            include_str!(concat!("../../config/regulations/", $file)),
        )
    };
}

/// File name and text of each bundled rule.
pub const BUNDLED: &[(&str, &str)] = &[
    bundled!("cn-gb40879-grade-1.yaml"),
    bundled!("cn-gb40879-grade-2.yaml"),
    bundled!("cn-gb40879.yaml"),
    bundled!("cn-plan-2024.yaml"),
    bundled!("cndcp-existing-cool.yaml"),
    bundled!("cndcp-existing-warm.yaml"),
    bundled!("cndcp-new-cool.yaml"),
    bundled!("cndcp-new-warm.yaml"),
    bundled!("cndcp-renewable.yaml"),
    bundled!("cndcp-water.yaml"),
    bundled!("de-enefg-draft-2026.yaml"),
    bundled!("de-enefg-existing.yaml"),
    bundled!("de-enefg-new.yaml"),
    bundled!("de-enefg-renewable.yaml"),
    bundled!("de-enefg-reuse-2026.yaml"),
    bundled!("de-enefg-reuse-2027.yaml"),
    bundled!("de-enefg-reuse-2028.yaml"),
    bundled!("eu-eed-reporting.yaml"),
    bundled!("iso-21031-sci.yaml"),
    bundled!("jp-benchmark.yaml"),
    bundled!("jp-new-2029.yaml"),
    bundled!("kr-carbon-2050.yaml"),
    bundled!("kr-carbon-neutrality-act.yaml"),
    bundled!("kr-emission-factor.yaml"),
    bundled!("kr-green-datacenter-certificate.yaml"),
    bundled!("kr-green-datacenter.yaml"),
    bundled!("kr-ndc-2030.yaml"),
    bundled!("sg-dc-cfa2.yaml"),
    bundled!("sg-green-dc-roadmap.yaml"),
    bundled!("sg-green-mark-goldplus.yaml"),
    bundled!("sg-green-mark-platinum.yaml"),
];

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::default().with(BUNDLED.iter().copied()));

/// Rules by id, and the files that could not be read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What could be read.
    pub set: RuleSet,
    /// File and fault of what could not.
    pub broken: Vec<(String, String)>,
}

impl Rules {
    /// The bundled rules.
    #[must_use]
    pub fn bundled() -> Self {
        RULES.clone()
    }

    /// These rules and those of more files; a rule of the same id replaces,
    /// and a file that cannot be read leaves the others alone.
    #[must_use]
    pub fn with<'a>(mut self, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (file, yaml) in files {
            match RuleSet::parse(file, yaml) {
                Ok(preset) => self.set.insert(preset),
                Err(faults) => self.broken.push((file.to_owned(), faults.to_string())),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_rule_file_is_built_in_and_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regulations");
        let files: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.strip_suffix(".yaml").is_some())
            .collect();
        let built_in: BTreeSet<_> = BUNDLED.iter().map(|(file, _)| (*file).to_owned()).collect();
        assert_eq!(files, built_in);
        assert_eq!(Rules::bundled().broken, []);
    }

    #[test]
    fn a_broken_file_of_the_user_leaves_the_others_alone() {
        let rules = Rules::bundled().with([("mine/own.yaml", "id: [")]);
        assert_eq!(rules.broken.len(), 1);
        assert!(rules.set.get("kr-carbon-2050").is_some());
    }
}
