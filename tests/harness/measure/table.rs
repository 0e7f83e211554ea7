//! Tables for terminals.

/// Rows under headings; columns as wide as necessary.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// How many columns, from the first on, are words; the others are numbers, aligned to the
    /// right.
    words: usize,
}

impl Table {
    /// An empty table whose first `words` columns are words.
    pub fn new(words: usize, headings: &[&str]) -> Table {
        Table {
            rows: vec![headings.iter().map(|text| (*text).to_owned()).collect()],
            words,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column < self.words {
                    line.push_str(&format!("{cell:width$}  "));
                } else {
                    line.push_str(&format!("{cell:>width$}  "));
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(f, "{}", rule.join("  "))?;
            }
        }
        Ok(())
    }
}
