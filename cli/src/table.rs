//! Tables for people.

use std::io::{self, Write};

use serde::Serialize;
use tabwriter::{Alignment, TabWriter};

use crate::failure::Failure;

/// Rows under a heading, as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row. Cells must be [`printable`](crate::teller::printable).
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut writer = TabWriter::new(Vec::new()).padding(3).alignment(Alignment::Left);
        for row in &self.rows {
            writeln!(writer, "{}", row.join("\t"))?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        output.write_all(&bytes)
    }
}

/// Prints a value as JSON; returns the exit code.
pub(crate) fn print_json(value: &impl Serialize) -> Result<u8, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other);
    text.and_then(|text| writeln!(io::stdout().lock(), "{text}"))
        .map_err(|error| Failure::unwritable(&error))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["A", "B"]);
        table.row(["long one".to_owned(), "x".to_owned()]);
        let mut bytes = Vec::new();
        table.print(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "A          B\nlong one   x\n");
    }
}
