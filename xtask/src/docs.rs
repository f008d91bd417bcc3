//! The documentation's links: each link within the project leads to a file and
//! a heading that are there, and each page of the book is in its contents.
//!
//! Reads Markdown as far as headings and links go, and this project's own
//! addresses wherever they stand. Asks no network: addresses of others are
//! never looked at.

mod alerts;
mod markdown;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

pub use alerts::{Alerts, untested};
pub use markdown::Page;

/// The book's pages and its contents.
const BOOK: &str = "docs";
const CONTENTS: &str = "SUMMARY.md";

/// Addresses under which the project's own files are published.
const OWN: [&str; 2] = [
    "https://github.com/tanso-dev/tanso/blob/main/",
    "https://github.com/tanso-dev/tanso/tree/main/",
];

/// Kinds of files in which own addresses are looked for.
const TEXTS: [&str; 7] = ["md", "yaml", "yml", "json", "toml", "txt", "tpl"];

/// A link that leads nowhere, or a page that nothing leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, from the project's root.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, reason) = (self.file.display(), self.line, &self.reason);
        write!(into, "{file}:{line}: {reason}")
    }
}

/// Every fault of the documentation below a project's root.
///
/// # Errors
/// If a file or folder cannot be read.
pub fn faults(root: &Path) -> io::Result<Vec<Fault>> {
    let tree = Tree::read(root)?;
    let mut found = Vec::new();
    for (file, text) in &tree.texts {
        if let Some(page) = tree.pages.get(file) {
            tree.follow_links(file, page, &mut found);
        }
        tree.follow_own_addresses(file, text, &mut found);
    }
    tree.compare_contents(&mut found);
    Ok(found)
}

/// The project's texts and pages, by their paths from its root.
struct Tree<'a> {
    root: &'a Path,
    texts: BTreeMap<PathBuf, String>,
    pages: BTreeMap<PathBuf, Page>,
}

impl<'a> Tree<'a> {
    fn read(root: &'a Path) -> io::Result<Self> {
        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let (path, kind) = entry.and_then(|e| Ok((e.path(), e.file_type()?)))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if kind.is_dir() && !name.starts_with('.') && name != "target" {
                    folders.push(path);
                } else if kind.is_file() && extension_of(&path).is_some_and(|e| TEXTS.contains(&e))
                {
                    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                    texts.insert(path.strip_prefix(root).unwrap_or(&path).to_owned(), text);
                }
            }
        }
        let pages = texts
            .iter()
            .filter(|(file, _)| extension_of(file) == Some("md"))
            .map(|(file, text)| (file.clone(), Page::read(text)))
            .collect();
        Ok(Self { root, texts, pages })
    }

    fn follow_links(&self, file: &Path, page: &Page, found: &mut Vec<Fault>) {
        for (line, target) in &page.links {
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if elsewhere || target.is_empty() {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = match path {
                "" => Some(file.to_path_buf()),
                _ => resolved(file.parent().unwrap_or(Path::new("")), path),
            };
            let reason = match place {
                None => Some("leads out of the project".to_owned()),
                Some(place) if file.starts_with(BOOK) && !place.starts_with(BOOK) => Some(format!(
                    "leads out of the book; accepted is the full address, {}…",
                    OWN[0]
                )),
                Some(place) if file.starts_with(BOOK) && self.root.join(&place).is_dir() => {
                    Some("leads to a folder; accepted is a page".to_owned())
                }
                Some(place) if place.starts_with(BOOK) && is_renamed(&place) && is_page(file) => {
                    Some("leads to a page that the book renames; accepted is any other".to_owned())
                }
                Some(place) => self.missing(&place, heading),
            };
            if let Some(reason) = reason {
                found.push(Fault {
                    file: file.to_path_buf(),
                    line: *line,
                    reason: format!("link \"{target}\" {reason}"),
                });
            }
        }
    }

    fn follow_own_addresses(&self, file: &Path, text: &str, found: &mut Vec<Fault>) {
        for (number, line) in text.lines().enumerate() {
            for own in OWN {
                for (_, rest) in line.match_indices(own).map(|(at, _)| line.split_at(at)) {
                    let rest = rest.strip_prefix(own).unwrap_or(rest);
                    let end = rest.find(|c: char| c.is_whitespace() || "\"'`)>],\\{".contains(c));
                    let target = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
                    let target = target.trim_end_matches(['.', ':', ';']);
                    let is_a_template = end.is_some_and(|at| rest.get(at..).is_some_and(opens));
                    if target.is_empty() || is_a_template {
                        continue;
                    }
                    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
                    if let Some(reason) = self.missing(Path::new(path), heading) {
                        found.push(Fault {
                            file: file.to_path_buf(),
                            line: number + 1,
                            reason: format!("address \"{own}{target}\" {reason}"),
                        });
                    }
                }
            }
        }
    }

    /// Why there is no such place; `None` if there is.
    fn missing(&self, place: &Path, heading: &str) -> Option<String> {
        if !self.root.join(place).exists() {
            return Some(format!("leads to no file: no \"{}\"", place.display()));
        }
        let page = self.pages.get(place)?;
        if heading.is_empty() || page.headings.contains(heading) {
            return None;
        }
        let accepted: Vec<&str> = page.headings.iter().map(String::as_str).collect();
        let accepted = accepted.join(", ");
        Some(format!("leads to no heading; accepted are {accepted}"))
    }

    fn compare_contents(&self, found: &mut Vec<Fault>) {
        let contents = Path::new(BOOK).join(CONTENTS);
        let listed: Vec<PathBuf> = self.pages.get(&contents).map_or_else(Vec::new, |page| {
            let links = page.links.iter();
            links
                .filter_map(|(_, link)| resolved(Path::new(BOOK), link))
                .collect()
        });
        for page in self.pages.keys().filter(|page| page.starts_with(BOOK)) {
            let times = listed.iter().filter(|listed| *listed == page).count();
            if times != 1 && *page != contents {
                found.push(Fault {
                    file: page.clone(),
                    line: 0,
                    reason: format!(
                        "stands {times} times in {}; accepted is once",
                        contents.display()
                    ),
                });
            }
        }
    }
}

fn extension_of(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// mdBook makes `index.html` of it and leaves links to it as they are.
fn is_renamed(page: &Path) -> bool {
    page.ends_with("README.md")
}

/// Whether it is a page of the book, not its contents.
fn is_page(file: &Path) -> bool {
    file.starts_with(BOOK) && !file.ends_with(CONTENTS)
}

fn opens(rest: &str) -> bool {
    rest.starts_with('{')
}

/// A link's path from the project's root; `None` if it leads out of that.
fn resolved(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = folder.to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if path.pop() => {}
            Component::CurDir => {}
            Component::Normal(part) => path.push(part),
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests;
