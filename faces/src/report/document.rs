//! A report as parts of a page, before it is Markdown or HTML. Text only: no
//! part knows how it will be written.

use super::Language;

/// A whole report in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The language of its words.
    pub language: Language,
    /// The title.
    pub title: String,
    /// The line under it.
    pub subtitle: String,
    /// The answer in a few words: a label and a figure each.
    pub headline: Vec<(String, String)>,
    /// A warning that must stand first, if there is one.
    pub warning: Option<String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its anchor, the same in every language.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Labels with what they stand for.
    Facts(Vec<(String, String)>),
    /// A table.
    Sheet(Sheet),
    /// A drawing: SVG, and its words for who does not see it.
    Chart {
        /// The SVG element.
        svg: String,
        /// What it shows, in a sentence.
        summary: String,
    },
    /// A command to run.
    Command(String),
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What it holds.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows: as many cells as columns.
    pub rows: Vec<Vec<String>>,
    /// The sum, in the last row.
    pub sum: Option<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title, the unit in it.
    pub title: String,
    /// Whether it holds numbers.
    pub is_number: bool,
}

impl Sheet {
    /// An empty table; a title that begins with `#` is of a column of numbers.
    #[must_use]
    pub fn new(caption: &str, titles: &[&str]) -> Self {
        let column = |title: &&str| Column {
            is_number: title.starts_with('#'),
            title: title.trim_start_matches('#').to_owned(),
        };
        Self {
            caption: caption.to_owned(),
            columns: titles.iter().map(column).collect(),
            ..Self::default()
        }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(self.row(cells));
    }

    /// Sets the sum.
    pub fn total(&mut self, cells: impl IntoIterator<Item = String>) {
        self.sum = Some(self.row(cells));
    }

    /// Cells as a row: an empty one is shown as `-`.
    fn row(&self, cells: impl IntoIterator<Item = String>) -> Vec<String> {
        let shown = |cell: String| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                cell
            }
        };
        let mut row: Vec<_> = cells.into_iter().map(shown).collect();
        row.resize(self.columns.len(), "-".to_owned());
        row
    }
}
