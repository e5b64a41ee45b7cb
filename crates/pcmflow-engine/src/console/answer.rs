//! Answers: for people as aligned text, for programs as JSON.

use crate::config::printable;
use core::fmt;
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

/// One value of a [`Table`]: text, number, true, false or nothing.
pub use serde_json::Value as Cell;

/// Rows of values under named columns.
///
/// ```
/// use pcmflow_engine::console::{Answer, Cell, Table};
/// let mut table = Table::new(["buffer", "fill_percent"]);
/// table.row([Cell::from("input"), Cell::from(7)]);
/// table.row([Cell::from("pitch"), Cell::from(100)]);
/// let answer = Answer::table(table);
/// assert_eq!(answer.to_string(), "buffer  fill_percent\ninput              7\npitch            100\n");
/// assert_eq!(
///     answer.to_json(),
///     r#"{"ok":true,"rows":[{"buffer":"input","fill_percent":7},{"buffer":"pitch","fill_percent":100}]}"#
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<&'static str>,
    /// Each as long as `columns`.
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    ///
    /// Not RT-safe: allocates.
    pub fn new<const COLUMNS: usize>(columns: [&'static str; COLUMNS]) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row: a cell for every column. Missing ones are empty, and nobody sees those too many.
    ///
    /// Not RT-safe: allocates.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells = cells.into_iter().chain(std::iter::repeat(Cell::Null));
        self.rows.push(cells.take(self.columns.len()).collect());
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// Columns two spaces apart, numbers to the right.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<Vec<String>> = vec![self.columns.iter().map(|name| (*name).to_owned()).collect()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(written).collect()));
        let columns = (0..self.columns.len()).map(|column| {
            let width = lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
            let number = |row: &Vec<Cell>| row[column].is_number() || row[column].is_null();
            (width, !self.rows.is_empty() && self.rows.iter().all(number))
        });
        let columns: Vec<_> = columns.collect();
        for line in &lines {
            let cells = line.iter().zip(&columns).map(|(text, &(width, right))| match right {
                true => format!("{text:>width$}"),
                false => format!("{text:<width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A list of rows, each with its columns in their order.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Row<'a>(&'a [&'static str], &'a [Cell]);
        impl Serialize for Row<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().zip(self.1))
            }
        }
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            rows.serialize_element(&Row(&self.columns, row))?;
        }
        rows.end()
    }
}

/// What came of a command.
///
/// As text it is the words, if there are any, and the table, if there is one.
///
/// ```
/// use pcmflow_engine::console::Answer;
/// let answer = Answer::refused("there is no input `mic`");
/// assert_eq!(answer.to_string(), "there is no input `mic`\n");
/// assert_eq!(answer.to_json(), r#"{"ok":false,"text":"there is no input `mic`"}"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// In words; may be empty.
    pub text: String,
    /// In figures.
    pub table: Option<Table>,
}

impl Answer {
    /// It was done.
    ///
    /// Not RT-safe: allocates.
    pub fn done(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), table: None }
    }

    /// It was not done, and why.
    ///
    /// Not RT-safe: allocates.
    pub fn refused(text: impl Into<String>) -> Self {
        Self { ok: false, text: text.into(), table: None }
    }

    /// It was done, and this is what was asked for.
    ///
    /// Not RT-safe: for the control side.
    pub fn table(table: Table) -> Self {
        Self { ok: true, text: String::new(), table: Some(table) }
    }

    /// One line of JSON: `ok`, and `text` and `rows` where there are any.
    ///
    /// Not RT-safe: allocates.
    pub fn to_json(&self) -> String {
        // Nothing in it can fail: keys are text, and what is no number is null.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.text.is_empty() {
            writeln!(f, "{}", self.text)?;
        }
        self.table.iter().try_for_each(|table| table.fmt(f))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_struct("Answer", 3)?;
        answer.serialize_field("ok", &self.ok)?;
        if !self.text.is_empty() {
            answer.serialize_field("text", &self.text)?;
        }
        if let Some(table) = &self.table {
            answer.serialize_field("rows", table)?;
        }
        answer.end()
    }
}
