//! Aligned columns: upper-case headers, no boxes, every cell one word or `-`,
//! so that `awk` works on what people read.

use std::fmt;

use tanso_faces::letters;

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table that is printed as a whole.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Spaces between two columns, as `kubectl` has them.
const GAP: &str = "   ";

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells become `-`, more than there are columns are
    /// dropped.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells
            .into_iter()
            .map(|cell| {
                if cell.is_empty() {
                    "-".to_owned()
                } else {
                    letters::line(&cell).into_owned()
                }
            })
            .collect();
        row.resize(self.columns.len(), "-".to_owned());
        self.rows.push(row);
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn width(&self, column: usize, header: &str) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(header.chars().count())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout: Vec<(usize, Align)> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (header, align))| (self.width(index, header), *align))
            .collect();
        let headers: Vec<&str> = self.columns.iter().map(|(header, _)| *header).collect();
        writeln!(f, "{}", line(&headers, &layout))?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            writeln!(f, "{}", line(&cells, &layout))?;
        }
        Ok(())
    }
}

fn line(cells: &[&str], layout: &[(usize, Align)]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(layout)
        .map(|(cell, (width, align))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        })
        .collect();
    padded.join(GAP).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right_without_trailing_spaces() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("KWH", Align::Right),
            ("VERDICT", Align::Left),
        ]);
        table.push(["a".to_owned(), "12.5".to_owned(), "Compliant".to_owned()]);
        table.push(["longer".to_owned(), String::new()]);
        let expected = "NAME      KWH   VERDICT\na        12.5   Compliant\nlonger      -   -\n";
        assert_eq!(table.to_string(), expected);
        table.push(["\u{1b}[31mred\nrow".to_owned()]);
        let text = table.to_string();
        assert!(text.contains(" [31mred row"), "{text:?}");
    }
}
