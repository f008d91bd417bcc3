//! Texts from a cluster made harmless: whoever may name an object or write a
//! reference must not be able to steer a terminal, a page or a reader by it;
//! pure.

use serde_json::Value;

use crate::letters::is_hidden;

/// Most letters of one text.
const LETTERS_MAX: usize = 2_000;
/// Most letters of a text of ours that is made of many.
const LONG_MAX: usize = 40_000;
/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// Cleans every text of a value, keys excepted: those are ours.
pub fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(other) = cleaned(text) {
                *text = other;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without what steers: control characters but line ends, marks that
/// turn the direction of writing, invisible letters, tags; at most so long.
/// `None` if there is nothing to clean.
#[must_use]
pub fn cleaned(text: &str) -> Option<String> {
    cleaned_to(text, LETTERS_MAX)
}

/// The same of a text of ours that has many texts of a cluster in it: it may
/// be longer than each.
#[must_use]
pub fn long(text: String) -> String {
    cleaned_to(&text, LONG_MAX).unwrap_or(text)
}

fn cleaned_to(text: &str, most: usize) -> Option<String> {
    let is_long = text.len() > most && text.chars().count() > most;
    if !is_long && !text.chars().any(steers) {
        return None;
    }
    let mut other: String = text
        .chars()
        .take(most)
        .map(|letter| match letter {
            '<' => '‹',
            '>' => '›',
            _ if steers(letter) => ' ',
            _ => letter,
        })
        .collect();
    if is_long {
        other.push(CUT);
    }
    Some(other)
}

/// One line of a text from a cluster, for a text of ours.
#[must_use]
pub fn line(text: &str) -> String {
    let one = text.replace(['\n', '\r'], " ");
    cleaned(&one).unwrap_or(one)
}

fn steers(letter: char) -> bool {
    is_hidden(letter) || letter == '<' || letter == '>'
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_steers_a_terminal_or_a_reader_is_taken_out() {
        let mut value = json!({
            "name": "a\u{1b}[31mred", "reference": ["<system>obey\u{202e}</system>", "plain"],
            "many": 7,
        });
        clean(&mut value);
        assert_eq!(value["name"], "a [31mred");
        assert_eq!(value["reference"][0], "‹system›obey ‹/system›");
        assert_eq!(value["reference"][1], "plain");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so_and_korean_stays() {
        assert_eq!(cleaned("탄소중립기본법"), None);
        let cut = cleaned(&"가".repeat(3_000)).unwrap();
        assert_eq!(cut.chars().count(), LETTERS_MAX + 1);
        assert!(cut.ends_with(CUT));
        assert_eq!(line("one\ntwo"), "one two");
        let ours = format!("{}\u{202e}", "가".repeat(3_000));
        assert_eq!(long(ours).chars().count(), 3_001);
        assert!(long("가".repeat(50_000)).ends_with(CUT));
    }
}
