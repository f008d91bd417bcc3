//! The rules that come with tanso, as text built into the program, and those
//! of the user. Rules are data; nothing here judges.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tanso_carbon::RuleSet;

pub use tanso_carbon::regulation::BUNDLED;

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::default().with(BUNDLED.iter().copied()));

/// Rules by id, and the files that could not be read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What could be read.
    pub set: RuleSet,
    /// File and fault of what could not.
    pub broken: Vec<(String, String)>,
    /// File and text of each rule that could be read, by its id.
    texts: Arc<BTreeMap<String, (String, String)>>,
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
                Ok(preset) => {
                    let text = (file.to_owned(), yaml.to_owned());
                    Arc::make_mut(&mut self.texts).insert(preset.id.clone(), text);
                    self.set.insert(preset);
                }
                Err(faults) => self.broken.push((file.to_owned(), faults.to_string())),
            }
        }
        self
    }

    /// File and text of a rule.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<&(String, String)> {
        self.texts.get(id)
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
