//! The report that an auditor gets: one policy, one period, every figure as the
//! status has it, with what it was made from and the command that makes it anew.
//!
//! Pure: objects go in, text comes out. No figure is computed here but sums of
//! whole numbers and shares for showing. Five formats, two languages; the text
//! ends in a digest of itself, so that a change of one letter shows.

mod build;
pub mod chart;
mod csv;
pub mod document;
pub mod figure;
pub mod hours;
mod html;
pub(crate) mod korean;
mod language;
mod markdown;
mod model;
pub mod period;
mod recompute;
pub mod seal;
mod sections;
#[cfg(test)]
mod tests;

pub(crate) use build::rule_of;
pub use build::{BuildError, Inputs, OtherTime, build};
pub use language::Language;
pub use model::{
    Digests, EnergyOf, Hour, Hours, Method, PathPoint, Period, PolicyRef, ReductionPath, Report,
    RuleFacts, SCHEMA, Statement,
};
pub use seal::{Verified, VerifyError, verify};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// Markdown with tables.
    #[default]
    Markdown,
    /// One HTML file, ready to print; nothing is loaded from elsewhere.
    Html,
    /// Comma-separated values: one fact a line.
    Csv,
    /// JSON: whole numbers, the unit in each name.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// Writes a report, sealed with the digest of its own text.
///
/// The words of JSON and YAML and the first columns of CSV are the same in every
/// language.
#[must_use]
pub fn render(report: &Report, format: Format, language: Language) -> String {
    match format {
        Format::Json => seal::json(report),
        Format::Yaml => seal::yaml(report),
        Format::Csv => seal::seal(&csv::write(report), seal::Comment::Hash),
        Format::Markdown => {
            let document = sections::document(report, language);
            seal::seal(&markdown::write(&document), seal::Comment::Html)
        }
        Format::Html => {
            let document = sections::document(report, language);
            seal::seal(&html::write(&document), seal::Comment::Html)
        }
    }
}

/// The evaluation in a few sentences of a language.
pub(crate) fn answer(report: &Report, language: Language) -> String {
    sections::Writer { report, language }.answer()
}

/// The Korean wording of a sentence of the engine, if it has one.
pub(crate) fn korean(sentence: &str) -> Option<String> {
    korean::known(sentence, &korean::RuleNames::new())
}

/// A table as HTML, as a report has it.
#[must_use]
pub fn sheet_html(sheet: &document::Sheet) -> maud::Markup {
    html::sheet(sheet)
}

/// The time zone of a name; UTC for one that is none, which a spec never is.
pub(crate) fn zone(name: &str) -> jiff::tz::TimeZone {
    tanso_carbon::calendar::time_zone(name).unwrap_or(jiff::tz::TimeZone::UTC)
}
