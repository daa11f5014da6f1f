//! A value of the file with its key and its place, and its typed views.

use toml::{Spanned, de::DeValue};

use super::{ConfigError, error::quoted, text::Problem};

/// The file's text, and where its lines begin.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(index, _)| index + 1)).collect();
        Self { text, lines }
    }

    /// Line and column of a byte of the text, from 1.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// A value of the file.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    source: &'a Source<'a>,
    /// With the tables that it is in.
    key: String,
    is_secret: bool,
    value: &'a DeValue<'a>,
    /// Where it begins.
    offset: usize,
    /// Where its key begins.
    key_offset: usize,
}

impl<'a> Item<'a> {
    pub(super) fn new(source: &'a Source<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            source,
            key: key.to_owned(),
            is_secret: false,
            value: value.get_ref(),
            offset: value.span().start,
            key_offset: value.span().start,
        }
    }

    /// The value as one that no error may show.
    pub(super) fn secret(mut self, is_secret: bool) -> Self {
        self.is_secret = is_secret;
        self
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// Line and column, from 1.
    pub(super) fn place(&self) -> (usize, usize) {
        self.source.place(self.offset)
    }

    /// Line and column of its key, from 1.
    pub(super) fn key_place(&self) -> (usize, usize) {
        self.source.place(self.key_offset)
    }

    /// The item of this table, under the canonical name of its key.
    pub(super) fn rename(&self, item: &Self, name: &str) -> Self {
        Self { key: joined(&self.key, name), ..item.clone() }
    }

    /// What would be at this key of the table, if it were there.
    pub(super) fn below(&self, name: &str) -> Self {
        Self { key: format!("{}.{name}", self.key), ..self.clone() }
    }

    /// The same key with another value below it: a list's member.
    fn member(&self, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { value: value.get_ref(), offset: value.span().start, ..self.clone() }
    }

    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        let text = self.value.as_str().ok_or_else(|| self.wrong_type("a string"))?;
        if text.contains('\0') {
            return Err(self.invalid(&Problem::new("has a NUL character in it", "text")));
        }
        Ok(text)
    }

    /// The text, read by `read`.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, ConfigError> {
        read(self.text()?).map_err(|problem| self.invalid(&problem))
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("a boolean"))
    }

    pub(super) fn integer(&self) -> Result<i64, ConfigError> {
        let written = self.value.as_integer().ok_or_else(|| self.wrong_type("an integer"))?;
        i64::from_str_radix(written.as_str(), written.radix()).map_err(|_| {
            self.invalid(&Problem::new("is out of range", "an integer of at most 64 bits"))
        })
    }

    /// The integer, when it is within the range.
    pub(super) fn integer_in<T: TryFrom<i64>>(
        &self,
        range: std::ops::RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        let number = self.integer()?;
        let read = range.contains(&number).then(|| T::try_from(number).ok()).flatten();
        read.ok_or_else(|| self.invalid(&Problem::new("is out of range", expected)))
    }

    /// The members of a list.
    pub(super) fn members(&self) -> Result<Vec<Self>, ConfigError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong_type("an array"))?;
        Ok(list.iter().map(|value| self.member(value)).collect())
    }

    /// The members of a list of texts, each read by `read`.
    pub(super) fn read_all<T>(
        &self,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, ConfigError> {
        self.members()?.iter().map(|member| member.read(&read)).collect()
    }

    /// The entries of a table, in the order of the file.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ConfigError> {
        let table = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                let key = joined(&self.key, name.get_ref());
                (
                    name.get_ref().as_ref(),
                    Self { key, key_offset: name.span().start, ..self.member(value) },
                )
            })
            .collect();
        entries.sort_by_key(|(_, entry)| entry.offset);
        if let Some((_, entry)) = entries.iter().find(|(name, _)| name.contains('\0')) {
            let problem = Problem::new("has a NUL character in its name", "text");
            return Err(entry.clone().secret(true).invalid(&problem));
        }
        Ok(entries)
    }

    /// Whether it says as much as a key that is not there: GitLab Runner writes many of those.
    pub(super) fn is_empty(&self) -> bool {
        is_empty(self.value)
    }

    pub(super) fn wrong_type(&self, expected: &'static str) -> ConfigError {
        let (line, column) = self.place();
        let found = self.value.type_str();
        ConfigError::WrongType { key: self.key.clone(), line, column, expected, found }
    }

    pub(super) fn invalid(&self, problem: &Problem) -> ConfigError {
        let (line, column) = self.place();
        let value = match self.value {
            _ if self.is_secret => None,
            DeValue::String(text) => Some(quoted(text)),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        };
        ConfigError::Value {
            key: self.key.clone(),
            line,
            column,
            value,
            problem: problem.problem.clone(),
            expected: problem.expected,
        }
    }
}

/// The key `name` in the table `table`, cut when it is long.
pub(super) fn joined(table: &str, name: &str) -> String {
    const SHOWN: usize = 80;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = if !name.is_empty() && name.len() <= SHOWN && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(name)
    };
    if table.is_empty() { name } else { format!("{table}.{name}") }
}

fn is_empty(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => text.is_empty(),
        DeValue::Integer(number) => number.as_str().trim_start_matches(['+', '-']) == "0",
        DeValue::Float(number) => number.as_str().parse::<f64>().is_ok_and(|value| value == 0.0),
        DeValue::Boolean(boolean) => !boolean,
        DeValue::Datetime(_) => false,
        DeValue::Array(list) => list.is_empty(),
        DeValue::Table(table) => table.values().all(|value| is_empty(value.get_ref())),
    }
}
