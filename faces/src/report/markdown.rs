//! A document as Markdown with tables. Charts are told in words: a reader of
//! Markdown may show no drawing. Text of the cluster stays text.

use std::fmt::Write as _;

use super::document::{Block, Document, Sheet};

/// Writes the document.
pub(super) fn write(document: &Document) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = whole(document, &mut out);
    out
}

fn whole(document: &Document, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# {}\n", plain(&document.title))?;
    writeln!(out, "{}\n", plain(&document.subtitle))?;
    if let Some(warning) = &document.warning {
        writeln!(out, "> **{}**\n", plain(warning))?;
    }
    for (label, figure) in &document.headline {
        writeln!(out, "- {}: **{}**", plain(label), plain(figure))?;
    }
    for section in &document.sections {
        writeln!(out, "\n## {}", plain(&section.title))?;
        for block in &section.blocks {
            out.push('\n');
            match block {
                Block::Text(text) => writeln!(out, "{}", plain(text))?,
                Block::Facts(facts) => {
                    for (label, text) in facts {
                        writeln!(out, "- {}: {}", plain(label), plain(text))?;
                    }
                }
                Block::Sheet(table) => sheet(table, out)?,
                Block::Chart { summary, .. } => writeln!(out, "*{}*", plain(summary))?,
                Block::Command(command) => writeln!(out, "```shell\n{}\n```", fenced(command))?,
            }
        }
    }
    Ok(())
}

fn sheet(sheet: &Sheet, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}\n", plain(&sheet.caption))?;
    let titles: Vec<_> = sheet
        .columns
        .iter()
        .map(|column| cell(&column.title))
        .collect();
    writeln!(out, "| {} |", titles.join(" | "))?;
    let rule = |is_number: bool| if is_number { "---:" } else { "---" };
    let rules: Vec<_> = sheet
        .columns
        .iter()
        .map(|column| rule(column.is_number))
        .collect();
    writeln!(out, "| {} |", rules.join(" | "))?;
    for row in &sheet.rows {
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    if let Some(sum) = &sheet.sum {
        let cells: Vec<_> = sum
            .iter()
            .map(|text| format!("**{}**", cell(text)))
            .collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// A text without what Markdown or HTML in it would do.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '[' | ']' | '!' => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

/// A command that cannot end its own block.
fn fenced(command: &str) -> String {
    command.replace("```", "'''")
}

#[cfg(test)]
mod tests {
    use super::{cell, plain};

    #[test]
    fn text_of_the_cluster_stays_text() {
        assert_eq!(
            plain("<script>x</script> [a](b)\n# c"),
            "&lt;script>x&lt;/script> \\[a\\](b) # c"
        );
        assert_eq!(cell("a|b"), "a\\|b");
    }
}
