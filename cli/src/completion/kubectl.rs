//! What fits where the cursor is, in the form that kubectl asks its plugins
//! for: a candidate a line with its description after a tab, and a number that
//! says whether files fit too. Asks no cluster.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::Cli;

/// Cobra's words for what else fits.
const FILES_TOO: u8 = 0;
const NOTHING_ELSE: u8 = 4;

/// What fits, given the words so far; the last one is being written.
pub(super) fn answer(words: &[String]) -> String {
    let mut root = Cli::command();
    // Makes each command know the flags that all have.
    root.build();
    let (last, before) = words
        .split_last()
        .map_or(("", words), |(last, before)| (last.as_str(), before));
    let (found, more) = Place::after(&root, before).fitting(last);
    let mut text = String::new();
    for (word, about) in found {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word}\t{about}");
    }
    let _ = writeln!(text, ":{more}");
    text
}

/// Where the words before have led.
struct Place<'a> {
    command: &'a Command,
    /// The flag whose value is being written.
    flag: Option<&'a Arg>,
    /// How many words of the command stand already.
    placed: usize,
}

impl<'a> Place<'a> {
    fn after(root: &'a Command, words: &[String]) -> Self {
        let mut place = Self {
            command: root,
            flag: None,
            placed: 0,
        };
        for word in words {
            if place.flag.take().is_some() {
                continue;
            }
            if word.starts_with('-') {
                place.flag = flag(place.command, word).filter(|flag| is_followed(flag));
            } else if let Some(next) = place.command.find_subcommand(word) {
                place = Self {
                    command: next,
                    flag: None,
                    placed: 0,
                };
            } else {
                place.placed = place.placed.saturating_add(1);
            }
        }
        place
    }

    fn fitting(&self, last: &str) -> (Vec<(String, String)>, u8) {
        if let Some(flag) = self.flag {
            return values(flag, "", last);
        }
        if let Some((name, value)) = last.split_once('=') {
            let flag = flag(self.command, name);
            return flag.map_or((Vec::new(), NOTHING_ELSE), |flag| {
                values(flag, &format!("{name}="), value)
            });
        }
        if last.starts_with('-') {
            let flags = self.command.get_arguments();
            let flags = flags.filter(|flag| !flag.is_hide_set());
            let flags = flags.filter_map(|flag| {
                let about = flag.get_help().map(ToString::to_string);
                Some((format!("--{}", flag.get_long()?), first_line(about)))
            });
            return (
                flags.filter(|(word, _)| word.starts_with(last)).collect(),
                NOTHING_ELSE,
            );
        }
        let commands = self.command.get_subcommands();
        let commands = commands.filter(|command| !command.is_hide_set());
        let commands = commands.map(|command| {
            let about = command.get_about().map(ToString::to_string);
            (command.get_name().to_owned(), first_line(about))
        });
        let mut found: Vec<_> = commands
            .filter(|(word, _)| self.placed == 0 && word.starts_with(last))
            .collect();
        let own = self.command.get_positionals().nth(self.placed);
        let (words, more) = own.map_or((Vec::new(), NOTHING_ELSE), |own| values(own, "", last));
        found.extend(words);
        (found, more)
    }
}

/// The flag of a word such as `--output` or `-o`.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut letters = word.trim_start_matches('-').chars();
    let short = letters.next().filter(|_| letters.next().is_none());
    command
        .get_arguments()
        .find(|flag| match word.strip_prefix("--") {
            Some(long) => flag.get_long() == Some(long),
            None => short.is_some() && flag.get_short() == short,
        })
}

/// Whether the next word is the flag's value.
fn is_followed(flag: &Arg) -> bool {
    flag.get_action().takes_values() && !flag.is_require_equals_set()
}

/// The values of an argument that begin so.
fn values(argument: &Arg, before: &str, start: &str) -> (Vec<(String, String)>, u8) {
    let known = argument.get_possible_values();
    let known = known.iter().filter(|value| !value.is_hide_set());
    let known = known.filter(|value| value.get_name().starts_with(start));
    let found = known.map(|value| {
        let about = value.get_help().map(ToString::to_string);
        (format!("{before}{}", value.get_name()), first_line(about))
    });
    let names = argument.get_value_names().unwrap_or_default();
    let is_path = names
        .iter()
        .any(|name| ["FILE", "DIR", "ENERGY"].contains(&name.as_str()));
    (
        found.collect(),
        if is_path { FILES_TOO } else { NOTHING_ELSE },
    )
}

fn first_line(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::answer;

    fn fitting(line: &str) -> (Vec<String>, String) {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let text = answer(&words);
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let more = lines.pop().unwrap();
        let word = |line: &String| line.split('\t').next().unwrap().to_owned();
        (lines.iter().map(word).collect(), more)
    }

    #[test]
    fn commands_flags_and_values_are_completed_where_they_stand() {
        for (line, expected) in [
            ("expl", vec!["explain"]),
            ("explain w", vec!["workload"]),
            ("top n", vec!["namespaces", "nodes"]),
            ("top pods -o y", vec!["yaml"]),
            ("top --output=w", vec!["--output=wide"]),
            // What stands after a flag is its value, and no command.
            ("--context top rep", vec!["report"]),
            ("top --contex", vec!["--context"]),
            ("study power --sp", vec!["--spread"]),
            ("schedule --duration 4h --zo", vec!["--zone"]),
            ("completion k", vec!["kubectl"]),
            ("nonsense x", vec![]),
        ] {
            let (found, more) = fitting(line);
            assert_eq!(found, expected, "{line}");
            assert_eq!(more, ":4", "{line}");
        }
        let (found, _) = fitting("");
        assert!(found.contains(&"whatif".to_owned()), "{found:?}");
    }

    #[test]
    fn where_a_file_belongs_files_are_completed() {
        for line in [
            "report verify ",
            "whatif ",
            "whatif --intensity ",
            "report --file ",
        ] {
            assert_eq!(fitting(line).1, ":0", "{line}");
        }
    }
}
