//! Comma-separated values with a header, as far as they are used here: quotes, but no line breaks within them.

/// A table whose columns are found by name.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.is_empty()).map(split);
        Self { header: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    /// The column called `name`.
    pub(crate) fn column(&self, name: &str) -> Result<usize, String> {
        self.header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| format!("there is no column `{name}`"))
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }
}

/// The cell of `row` in `column`; empty where the row is too short.
pub(crate) fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

/// The number in that cell.
pub(crate) fn number(row: &[String], column: usize) -> Result<f64, String> {
    let text = cell(row, column);
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn split(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut cells, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => push(&mut cells, c),
        }
    }
    cells
}

fn push(cells: &mut [String], c: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas() {
        assert_eq!(split(r#""a, b.flac",7,,x"#), ["a, b.flac", "7", "", "x"]);
    }

    #[test]
    fn quotes_protect_commas_and_double_for_themselves() {
        let table = Table::parse("file,x\r\n\"a, \"\"b\"\".wav\",1.5\n\nc,\n");
        assert_eq!(table.column("x"), Ok(1));
        assert!(table.column("y").is_err());
        let rows = table.rows();
        assert_eq!((cell(&rows[0], 0), number(&rows[0], 1)), ("a, \"b\".wav", Ok(1.5)));
        assert!(number(&rows[1], 1).is_err() && number(&rows[1], 7).is_err());
    }
}
