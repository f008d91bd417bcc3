//! The digest of a report's own text, and looking whether it still holds.
//!
//! A seal shows that a file was changed, by accident or by who did not care
//! to seal it anew; it does not show who wrote it. Who must know that, signs
//! the file.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tanso_carbon::report::Digest;

use super::{Report, SCHEMA};
use crate::letters;

/// What stands before the digest.
const MARK: &str = "tanso-report sha256:";

/// How a format hides a line from its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comment {
    /// `<!-- … -->`
    Html,
    /// `# …`
    Hash,
}

/// A text with the digest of all its letters as its last line, and without
/// letters that nobody sees.
#[must_use]
pub fn seal(text: &str, comment: Comment) -> String {
    let mut sealed = letters::shown(text.trim_end()).into_owned();
    sealed.push('\n');
    let digest = Digest::of_text(&sealed);
    let line = match comment {
        Comment::Html => format!("<!-- {MARK}{} -->\n", digest.as_str()),
        Comment::Hash => format!("# {MARK}{}\n", digest.as_str()),
    };
    sealed + &line
}

/// A report as JSON, with the digest of its canonical form beside it, and
/// without letters that nobody sees.
#[must_use]
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(&whole(report)).unwrap_or_default();
    text.push('\n');
    text
}

/// The same document as YAML. A comment may stand anywhere in it, so all its
/// letters are sealed too.
#[must_use]
pub fn yaml(report: &Report) -> String {
    let text = serde_saphyr::to_string(&whole(report)).unwrap_or_default();
    seal(&text, Comment::Hash)
}

/// A report and the digest of its canonical form.
fn whole(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    letters::show(&mut value);
    let digest = digest_of(&value);
    serde_json::json!({ "digest": digest.to_string(), "report": value })
}

/// The digest of a value's canonical form: keys in order, no spaces.
#[must_use]
pub fn digest_of(value: &Value) -> Digest {
    let mut text = String::new();
    canonical(value, &mut text);
    Digest::of_text(&text)
}

/// The canonical form: whatever order a parser keeps keys in, they are sorted.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                canonical(item, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// What was found about a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The digest that it carries and has.
    pub digest: String,
    /// What was looked at beside the digest.
    pub checked: Vec<String>,
}

/// Why a report is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no digest in it.
    #[error("no digest of a report in it; accepted are files that `kubectl tanso report` wrote")]
    NoSeal,
    /// Something follows the digest.
    #[error("text follows the digest: only what stands before it is sealed")]
    TextAfterSeal,
    /// Something stands beside the report in its JSON.
    #[error("\"{0}\" stands beside the report: only what is in \"report\" is sealed")]
    BesideSeal(String),
    /// A key stands twice in an object of its JSON.
    #[error("{0}: programs read the first or the last of them, and one alone is sealed")]
    KeyTwice(String),
    /// The text has another digest.
    #[error("changed since it was written: it says sha256:{said}, its text has sha256:{found}")]
    Changed {
        /// The digest in the file.
        said: String,
        /// The digest of the file.
        found: String,
    },
    /// The JSON is no report.
    #[error("no report: {0}; accepted is a report of schema \"{SCHEMA}\"")]
    NoReport(String),
    /// The figures contradict each other.
    #[error("the figures do not add up: {0}")]
    Sums(String),
}

/// Looks whether a report is as it was written; of JSON also whether its sums
/// add up.
///
/// # Errors
/// What is wrong with it.
pub fn verify(text: &str) -> Result<Verified, VerifyError> {
    if text.trim_start().starts_with('{') {
        return verify_json(text);
    }
    let at = text.rfind(MARK).ok_or(VerifyError::NoSeal)?;
    let line_at = text
        .get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |end| end + 1);
    let (body, line) = text.split_at(line_at);
    let said = line
        .split_once(MARK)
        .map(|(_, rest)| rest.get(..64).unwrap_or(rest))
        .unwrap_or_default();
    let is_html = line.starts_with("<!-- ");
    let ending = if is_html { " -->" } else { "" };
    let rest = line.split_once(said).map_or("", |(_, rest)| rest);
    if said.len() != 64 {
        return Err(VerifyError::NoSeal);
    }
    if rest.trim_end_matches(['\n', '\r']) != ending {
        return Err(VerifyError::TextAfterSeal);
    }
    same(said, &Digest::of_text(body))?;
    Ok(Verified {
        digest: format!("sha256:{said}"),
        checked: Vec::new(),
    })
}

/// A document in which no object has a key twice: of two the digest is that of
/// the last, and a reader may see the first.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
        while items.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Once, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            fields.next_value::<Once>()?;
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("\"{key}\" stands twice")));
            }
        }
        Ok(Once)
    }
}

fn same(said: &str, found: &Digest) -> Result<(), VerifyError> {
    if said == found.as_str() {
        return Ok(());
    }
    Err(VerifyError::Changed {
        said: said.to_owned(),
        found: found.as_str().to_owned(),
    })
}

fn verify_json(text: &str) -> Result<Verified, VerifyError> {
    let no_report = |error: serde_json::Error| VerifyError::NoReport(error.to_string());
    let whole: Value = serde_json::from_str(text).map_err(no_report)?;
    // It is JSON, so this finds nothing else.
    let twice = |error: serde_json::Error| {
        VerifyError::KeyTwice(letters::shown(&error.to_string()).into_owned())
    };
    let _once: Once = serde_json::from_str(text).map_err(twice)?;
    let said = whole["digest"].as_str().ok_or(VerifyError::NoSeal)?;
    let said = said.strip_prefix("sha256:").ok_or(VerifyError::NoSeal)?;
    same(said, &digest_of(&whole["report"]))?;
    let is_ours = |key: &&String| ["digest", "report"].contains(&key.as_str());
    let mut keys = whole
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    if let Some(key) = keys.find(|key| !is_ours(key)) {
        return Err(VerifyError::BesideSeal(letters::shown(key).into_owned()));
    }
    let report: Report = serde_json::from_value(whole["report"].clone()).map_err(no_report)?;
    if report.schema != SCHEMA {
        return Err(VerifyError::NoReport(format!(
            "schema \"{}\"",
            report.schema
        )));
    }
    Ok(Verified {
        digest: format!("sha256:{said}"),
        checked: sums(&report)?,
    })
}

/// Whether parts add up to their wholes, to the microjoule.
fn sums(report: &Report) -> Result<Vec<String>, VerifyError> {
    let mut checked = Vec::new();
    let whole = report.totals.energy_microjoules.value;
    let parts = [
        (
            "workloads",
            sum(report
                .workloads
                .iter()
                .map(|one| one.figures.energy_microjoules.value)),
        ),
        (
            "namespaces",
            sum(report.namespaces.iter().map(|one| one.energy_microjoules)),
        ),
    ];
    for (name, found) in parts {
        if found != i128::from(whole) {
            return Err(VerifyError::Sums(format!(
                "energy of all {name} is {found} uJ, the total {whole} uJ"
            )));
        }
        checked.push(format!(
            "energy of all {name} adds up to the total, {whole} uJ"
        ));
    }
    let of_the_same_booking = |hours: &&super::Hours| {
        hours.ledger_revision.is_some() && hours.ledger_revision == report.digests.ledger_revision
    };
    if let Some(hours) = report.hours.as_ref().filter(of_the_same_booking) {
        let found = sum(hours
            .hours
            .iter()
            .filter_map(|hour| hour.energy_microjoules));
        if found != i128::from(whole) {
            return Err(VerifyError::Sums(format!(
                "energy of all hours is {found} uJ, the total {whole} uJ"
            )));
        }
        checked.push(format!(
            "energy of all hours adds up to the total, {whole} uJ"
        ));
    }
    Ok(checked)
}

fn sum(parts: impl Iterator<Item = i64>) -> i128 {
    parts.map(i128::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_found_whole_and_each_change_is_seen() {
        for comment in [Comment::Html, Comment::Hash] {
            let sealed = seal("# 보고서\n\n4.31 kWh\n\n\n", comment);
            assert!(verify(&sealed).is_ok(), "{sealed}");
            let changed = sealed.replace("4.31", "4.13");
            assert!(matches!(verify(&changed), Err(VerifyError::Changed { .. })));
            let longer = format!("{sealed}and more\n");
            assert_eq!(verify(&longer), Err(VerifyError::TextAfterSeal));
        }
        assert_eq!(verify("no report"), Err(VerifyError::NoSeal));
    }
}
