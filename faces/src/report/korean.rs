//! The engine's own sentences in Korean: verdicts, methods, advice.
//!
//! Each sentence has a code and a wording with places; a sentence is known by
//! its English form, which is what a status holds. What has no wording here is
//! never passed off as Korean: it is shown with a mark that it is the English
//! original. No figure is changed, rounded or computed.

mod answer;
mod particle;
mod phrases;
mod words;

use std::collections::BTreeMap;

use tanso_carbon::Rule;
use tanso_carbon::regulation::RuleKind;

pub(super) use answer::answer;
use phrases::{ADVICE, BASES, IDLE, PHRASES, Place};

/// The mark of what has no Korean wording.
const ORIGINAL: &str = "(영어 원문)";

/// Names of rules: English to Korean, as far as they have one.
pub(super) type RuleNames = BTreeMap<String, String>;

/// A sentence of the engine in Korean; one that is not known as it is, marked.
pub(super) fn sentence(text: &str, names: &RuleNames) -> String {
    known(text, names).unwrap_or_else(|| original(text))
}

/// A text that is somebody's own, marked if it is English.
pub(super) fn own_text(text: &str) -> String {
    if let Some(word) = words::text(text) {
        return word.to_owned();
    }
    let letters = |c: char| c.is_ascii_alphabetic();
    if text.chars().any(particle::is_hangul) || !text.chars().any(letters) {
        text.to_owned()
    } else {
        original(text)
    }
}

/// Document, clause and source of a rule as a Korean reader cites it; `None` of
/// one that has no Korean name.
pub(crate) fn cited(rule: &Rule) -> Option<String> {
    let name = named(rule)?;
    let clause = rule.clause.as_deref().map(own_text);
    let clause = clause.map_or_else(String::new, |clause| format!(" {clause}"));
    Some(format!("{name}{clause} ({})", own_text(&rule.source)))
}

/// A rule's Korean name; statutes stand in corner brackets.
pub(crate) fn named(rule: &Rule) -> Option<String> {
    let name = rule.name_ko.as_ref()?;
    Some(match rule.kind {
        RuleKind::Law => format!("「{name}」"),
        _ => name.clone(),
    })
}

/// A word of the engine in Korean; one that has none as it is, marked.
pub(super) fn word(text: &str) -> String {
    words::word(text).unwrap_or_else(|| original(text))
}

fn original(text: &str) -> String {
    format!("{ORIGINAL} {text}")
}

/// A sentence that is known, also one of several with semicolons between.
pub(super) fn known(text: &str, names: &RuleNames) -> Option<String> {
    // Layers of intensity are any text before a colon: they come last.
    let mut phrases = ADVICE.iter().chain(BASES).chain(IDLE).chain(PHRASES);
    let whole = phrases.find_map(|phrase| {
        let places = matched(phrase.english, text)?;
        let mut shown = Vec::with_capacity(places.len());
        for (place, found) in places {
            shown.push(in_place(place, found, names)?);
        }
        Some(particle::fill(phrase.korean, &shown))
    });
    whole.or_else(|| {
        let mut breaks = text.rmatch_indices("; ");
        breaks.find_map(|(at, _)| {
            let (first, rest) = text.split_at(at);
            let rest = rest.strip_prefix("; ")?;
            Some(format!("{}; {}", known(first, names)?, known(rest, names)?))
        })
    })
}

/// What stands in the places of a form, if a text has that form. The shortest
/// text for each place that lets the rest fit is taken.
fn matched<'a>(form: &str, text: &'a str) -> Option<Vec<(Place, &'a str)>> {
    let Some(open) = form.find('{') else {
        return (form == text).then(Vec::new);
    };
    let (before, rest) = form.split_at(open);
    let text = text.strip_prefix(before)?;
    let (place, after) = rest.strip_prefix('{')?.split_once('}')?;
    let place = Place::of(place)?;
    let next = after.split('{').next().unwrap_or_default();
    if after.is_empty() {
        return place.takes(text).then(|| vec![(place, text)]);
    }
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find(next) {
        let (here, behind) = text.split_at(from + found);
        if place.takes(here)
            && let Some(places) = matched(after, behind)
        {
            return Some([vec![(place, here)], places].concat());
        }
        from += found + next.chars().next().map_or(1, char::len_utf8);
    }
    None
}

fn in_place(place: Place, text: &str, names: &RuleNames) -> Option<String> {
    match place {
        Place::Number | Place::Name => Some(text.to_owned()),
        Place::Value => Some(words::value(text)),
        Place::Word => words::word(text),
        Place::Rule => Some(names.get(text).cloned().unwrap_or_else(|| text.to_owned())),
        Place::Sentence => known(text, names),
    }
}

#[cfg(test)]
mod tests;
