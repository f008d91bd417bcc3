//! Letters that nobody sees and that steer a terminal, a page or a reader:
//! whoever may name an object or write a reference must not be able to put
//! them into a text of ours; pure.

use std::borrow::Cow;

use serde_json::Value;

/// Whether a letter steers: a control character but the end of a line, a mark
/// that turns the direction of writing, an invisible letter, a tag.
pub(crate) fn is_hidden(letter: char) -> bool {
    let is_control = letter.is_control() && letter != '\n';
    is_control
        || matches!(
            letter,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text with a space in place of each such letter.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        let seen = |letter| if is_hidden(letter) { ' ' } else { letter };
        text.chars().map(seen).collect::<String>().into()
    } else {
        text.into()
    }
}

/// The same in one line: whoever writes a text of several must not be able to
/// write lines that look like ours.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        let one = text.replace(['\n', '\r'], " ");
        shown(&one).into_owned().into()
    } else {
        shown(text)
    }
}

/// The same of every text of a value; keys are ours.
pub(crate) fn show(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(other) = shown(text) {
                *text = other;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(show),
        Value::Object(fields) => fields.values_mut().for_each(show),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_becomes_a_space_and_what_is_seen_stays() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}b\u{feff}\n"), "a [31m b \n");
        assert!(matches!(shown("탄소 <CO₂>\n"), Cow::Borrowed(_)));
        assert_eq!(line("a\nb\r\u{1b}c"), "a b  c");
        assert!(matches!(line("한 줄"), Cow::Borrowed(_)));
        let mut value = serde_json::json!({"a": ["x\u{200b}y", 1]});
        show(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["x y", 1]}));
    }
}
