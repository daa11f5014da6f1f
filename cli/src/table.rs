//! Tables for people.

use std::io::{self, Write};

use tabwriter::{Alignment, TabWriter};

/// Rows under a heading, as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned)] }
    }

    /// Adds a row. Cells must be [`printable`].
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

/// `text` without anything that would move the cursor or the columns, or turn the writing: such
/// characters are escaped. Volumes and labels may be anybody's.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |character: char| {
        if character.is_control() || character.escape_debug().count() > 1 && !character.is_ascii() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    let text: String = text.chars().map(escaped).collect();
    if text.is_empty() { "-".to_owned() } else { text }
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

    #[test]
    fn what_would_disturb_a_terminal_is_escaped() {
        assert_eq!(printable("a\tb\n\u{1b}[2J"), "a\\tb\\n\\u{1b}[2J");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
        assert_eq!(printable("日本 'é\""), "日本 'é\"");
        assert_eq!(printable(""), "-");
    }
}
