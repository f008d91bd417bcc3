//! A page's headings and links, as far as a book's links need them.
//!
//! No renderer: code blocks and code spans are left out, everything else is
//! looked at line by line.

use std::collections::BTreeSet;

/// What a page offers and where it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The anchors of its headings.
    pub headings: BTreeSet<String>,
    /// Its links' targets, each with its line, from 1.
    pub links: Vec<(usize, String)>,
}

impl Page {
    /// Reads a page.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut fence: Option<&str> = None;
        for (number, line) in text.lines().enumerate() {
            let start = line.trim_start();
            let mark = ["```", "~~~"].into_iter().find(|m| start.starts_with(m));
            match (fence, mark) {
                (None, Some(_)) => fence = mark,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (Some(_), _) => {}
                (None, None) => page.read_line(number + 1, line),
            }
        }
        page
    }

    fn read_line(&mut self, number: usize, line: &str) {
        if let Some(heading) = heading(line) {
            self.add_heading(&anchor(heading));
        }
        let line = without_code(line);
        for (_, rest) in line.match_indices("](").map(|(at, _)| line.split_at(at)) {
            let inside = rest.get(2..).and_then(|rest| rest.split(')').next());
            let target = inside.and_then(|inside| inside.split_whitespace().next());
            self.links
                .push((number, target.unwrap_or_default().to_owned()));
        }
        // A definition: `[name]: target`.
        let definition = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        if let Some(target) = definition.and_then(|(_, rest)| rest.split_whitespace().next()) {
            self.links.push((number, target.to_owned()));
        }
        for (_, rest) in line
            .match_indices(" id=\"")
            .map(|(at, _)| line.split_at(at))
        {
            let name = rest.split('"').nth(1).unwrap_or_default();
            self.headings.insert(name.to_owned());
        }
    }

    /// Of headings that are alike, each but the first has a number.
    fn add_heading(&mut self, anchor: &str) {
        if self.headings.insert(anchor.to_owned()) {
            return;
        }
        for name in (1..).map(|number: usize| format!("{anchor}-{number}")) {
            if self.headings.insert(name) {
                return;
            }
        }
    }
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text.strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| text.trim())
}

/// The anchor that mdBook and GitHub give a heading.
fn anchor(heading: &str) -> String {
    let mut words = String::new();
    let mut rest = heading;
    // Of a link, its text alone.
    while let Some((before, (text, after))) = rest.split_once('[').and_then(|(before, rest)| {
        let (text, after) = rest.split_once("](")?;
        Some((before, (text, after.split_once(')')?.1)))
    }) {
        words.push_str(before);
        words.push_str(text);
        rest = after;
    }
    words.push_str(rest);
    let kept = words.chars().filter_map(|c| match c {
        c if c.is_whitespace() => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(text: &str) -> Vec<String> {
        Page::read(text).headings.into_iter().collect()
    }

    #[test]
    fn a_heading_becomes_the_anchor_that_renderers_give_it() {
        assert_eq!(headings("## TansoNodePowerHigh"), ["tansonodepowerhigh"]);
        assert_eq!(
            headings("# `kubectl` & Flux: 2 ways"),
            ["kubectl--flux-2-ways"]
        );
        assert_eq!(
            headings("### See [the map](map.md) now"),
            ["see-the-map-now"]
        );
        assert_eq!(headings("## 탄소 Über_uns"), ["탄소-über_uns"]);
        assert_eq!(headings("#tag and ####### seven"), [""; 0]);
    }

    #[test]
    fn headings_that_are_alike_are_numbered() {
        assert_eq!(headings("# A\n## A\n# A"), ["a", "a-1", "a-2"]);
    }

    #[test]
    fn links_are_found_in_text_and_not_in_code() {
        let text = "[a](b.md#c \"title\") and [`d`](e)\n`[not](this)`\n```sh\n[nor](this)\n# no heading\n```\n[f]: g.md\n";
        let page = Page::read(text);
        let links: Vec<_> = page.links.iter().map(|(n, l)| (*n, l.as_str())).collect();
        assert_eq!(links, [(1, "b.md#c"), (1, "e"), (7, "g.md")]);
        assert!(page.headings.is_empty());
    }

    #[test]
    fn a_fence_is_closed_by_its_own_mark_alone() {
        let page = Page::read("~~~\n```\n# code\n~~~\n# text\n");
        assert_eq!(page.headings.into_iter().collect::<Vec<_>>(), ["text"]);
    }
}
