//! A report as one HTML file: its Markdown with pictures among it, readable
//! without a network. Only the Markdown that [`super::markdown`] writes is
//! understood.

use std::fmt::{self, Write};

use super::Report;
use super::markdown::markdown;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;\
    background:#fff}table{border-collapse:collapse;display:block;overflow-x:auto;font-size:13px}\
    td,th{border-bottom:1px solid #ccc;padding:.2rem .6rem;text-align:left}.number{text-align:right;\
    font-variant-numeric:tabular-nums}figure{margin:1rem 0}svg{width:100%;height:auto}\
    @media(prefers-color-scheme:dark){body{color:#eee;background:#181818}td,th{border-color:#444}}";

/// A picture of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// The picture, SVG as [`crate::study::plot`] draws it.
    pub svg: String,
}

/// A report as HTML; pictures stand after the answer.
#[must_use]
pub fn html(report: &Report, pictures: &[Picture]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(report, pictures, &mut out);
    out
}

fn write_all(report: &Report, pictures: &[Picture], out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head><body>",
        text(&report.plan.title)
    )?;
    let markdown = markdown(report);
    let mut block = Block::None;
    for line in markdown.lines() {
        let next = Block::of(line);
        if next != block {
            block.end(out)?;
            next.begin(out)?;
        }
        if line.starts_with("## Differences") {
            for picture in pictures {
                let (title, svg) = (text(&picture.title), &picture.svg);
                writeln!(
                    out,
                    "<figure><figcaption>{title}</figcaption>{svg}</figure>"
                )?;
            }
        }
        next.line(line, next != block, out)?;
        block = next;
    }
    block.end(out)?;
    writeln!(out, "</body></html>")
}

/// What a line is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    List,
    Table,
}

impl Block {
    fn of(line: &str) -> Self {
        if line.starts_with("| ") {
            Self::Table
        } else if line.starts_with("- ") {
            Self::List
        } else {
            Self::None
        }
    }

    fn begin(self, out: &mut String) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::List => writeln!(out, "<ul>"),
            Self::Table => writeln!(out, "<table>"),
        }
    }

    fn end(self, out: &mut String) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::List => writeln!(out, "</ul>"),
            Self::Table => writeln!(out, "</table>"),
        }
    }

    fn line(self, line: &str, is_first: bool, out: &mut String) -> fmt::Result {
        match self {
            Self::List => writeln!(out, "<li>{}</li>", text(line.trim_start_matches("- "))),
            Self::Table => row(line, is_first, out),
            Self::None => {
                if let Some(title) = line.strip_prefix("## ") {
                    writeln!(out, "<h2>{}</h2>", text(title))
                } else if let Some(title) = line.strip_prefix("# ") {
                    writeln!(out, "<h1>{}</h1>", text(title))
                } else if line.is_empty() {
                    Ok(())
                } else {
                    writeln!(out, "<p>{}</p>", text(line))
                }
            }
        }
    }
}

fn row(line: &str, is_head: bool, out: &mut String) -> fmt::Result {
    // The cells' own bars are escaped by a backslash.
    let line = line.replace("\\|", "&#124;");
    let inner = line.trim_start_matches("| ").trim_end_matches(" |");
    let cells: Vec<&str> = inner.split(" | ").collect();
    if cells.iter().all(|cell| cell.starts_with("---")) {
        return Ok(());
    }
    let name = if is_head { "th" } else { "td" };
    write!(out, "<tr>")?;
    for cell in cells {
        let is_number = cell.starts_with(|c: char| c.is_ascii_digit() || "-−–".contains(c));
        let class = if is_number { " class=\"number\"" } else { "" };
        let strong = cell
            .strip_prefix("**")
            .and_then(|cell| cell.strip_suffix("**"));
        match strong {
            Some(cell) => write!(out, "<{name}{class}><b>{}</b></{name}>", text(cell))?,
            None => write!(out, "<{name}{class}>{}</{name}>", text(cell))?,
        }
    }
    writeln!(out, "</tr>")
}

/// Text that is no markup; what Markdown escaped already stays so.
fn text(text: &str) -> String {
    let raw = text
        .replace("&lt;", "<")
        .replace("&#124;", "|")
        .replace("\\|", "|");
    raw.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Plan, Trials, plot, report};

    #[test]
    fn a_report_is_one_file_with_its_tables_and_pictures_and_no_foreign_markup() {
        let plan = "{title: 'A <b> & c', question: 'a | b?', primaryResponse: node_joules, \
                    arms: [{name: snow}, {name: flux}], bootstrap: {resamples: 99, seed: 1}}";
        let plan = Plan::parse("p.yaml", plan).unwrap();
        let mut csv = "trial,block,arm,provenance,node_joules\n".to_owned();
        for block in 1..=4 {
            let (one, two) = (2 * block - 1, 2 * block);
            writeln!(
                csv,
                "{one},{block},snow,modelled,{block}.5\n{two},{block},flux,modelled,1{block}"
            )
            .unwrap();
        }
        let found = report(&plan, &Trials::parse("t.csv", &csv).unwrap()).unwrap();
        let svg = plot::differences(&found, "node_joules").unwrap();
        let title = "node_joules".to_owned();
        let page = html(&found, &[Picture { title, svg }]);
        for part in [
            "<h1>A &lt;b&gt; &amp; c</h1>",
            "<p>a | b?</p>",
            "<figure><figcaption>node_joules</figcaption><svg ",
            "<th>comparison</th>",
            "<td>flux − snow</td>",
            "<p>Energy figures are modelled.</p>",
        ] {
            assert!(page.contains(part), "{part:?} is not in {page}");
        }
        for (begin, end) in [
            ("<table>", "</table>"),
            ("<ul>", "</ul>"),
            ("<tr>", "</tr>"),
        ] {
            let count = |tag: &str| page.matches(tag).count();
            assert!(count(begin) > 0 && count(begin) == count(end), "{begin}");
        }
        assert!(!page.contains("| ---"));
    }
}
