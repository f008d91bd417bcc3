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
    /// Ids that a broken file claims, with file and fault: the bundled rule of
    /// such an id is not the one that was meant.
    refused: BTreeMap<String, String>,
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
                    self.refused.remove(&preset.id);
                    self.set.insert(preset);
                }
                Err(faults) => {
                    if let Some(id) = claimed(yaml) {
                        let why = format!("rule file \"{file}\" could not be read: {faults}");
                        self.refused.insert(id.to_owned(), why);
                    }
                    self.broken.push((file.to_owned(), faults.to_string()));
                }
            }
        }
        self
    }

    /// Why a rule must not be used although there may be one of its id: a
    /// broken file of the user claims it.
    #[must_use]
    pub fn refused(&self, id: &str) -> Option<&str> {
        self.refused.get(id).map(String::as_str)
    }

    /// File and text of a rule.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<&(String, String)> {
        self.texts.get(id)
    }
}

/// The id that a file claims, as far as its text tells: broken YAML has no
/// fields.
fn claimed(yaml: &str) -> Option<&str> {
    let id = yaml.lines().find_map(|line| line.strip_prefix("id:"))?;
    let id = id.split('#').next()?.trim().trim_matches(['"', '\'']);
    (!id.is_empty()).then_some(id)
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

    /// A slip in the user's own version of a bundled rule brought the bundled
    /// one back, without a word.
    #[test]
    fn a_broken_file_is_no_reason_to_judge_by_the_bundled_rule_of_its_id() {
        let broken = "title: ours\nid: \"kr-carbon-2050\" # stricter\nrules: [\n";
        let rules = Rules::bundled().with([("mine/own.yaml", broken)]);
        let why = rules.refused("kr-carbon-2050").unwrap();
        assert!(
            why.starts_with("rule file \"mine/own.yaml\" could not be read: mine/own.yaml line"),
            "{why}"
        );
        assert_eq!(rules.refused("kr-green-datacenter"), None);
        // Mended, it is used.
        let (_, text) = Rules::bundled().text("kr-carbon-2050").unwrap().clone();
        let mended = rules.with([("mine/own.yaml", text.as_str())]);
        assert_eq!(mended.refused("kr-carbon-2050"), None);
    }
}
