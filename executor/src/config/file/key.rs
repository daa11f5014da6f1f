//! A key of the table: its type, and what is done with it.

use super::{ConfigError, ConfigNoteKind, draft::Draft, value::Item};

/// Reads a value into the draft.
pub(super) type Apply = for<'d, 'i> fn(&mut Draft<'d>, &Item<'i>) -> Result<(), ConfigError>;

/// The keys of a table, in groups.
pub(super) type Keys = &'static [&'static [Key]];

/// A key that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) treatment: Treatment,
    /// Whether its values may be secrets.
    pub(super) is_secret: bool,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Treatment {
    /// It is read.
    Supported(Apply),
    /// It is a table of keys of its own.
    Section(Keys),
    /// It is a list of tables of keys; after each table the function adds what was read.
    Sections(Keys, Apply),
    /// It has no effect, and a note says so.
    Noted(ConfigNoteKind, &'static str),
    /// It is an error, unless its value is empty: jobs would not run as the file says.
    Refused { reason: &'static str, remedy: &'static str },
}

impl Key {
    pub(super) const fn supported(name: &'static str, kind: Kind, apply: Apply) -> Self {
        Self { name, kind, treatment: Treatment::Supported(apply), is_secret: false }
    }

    pub(super) const fn section(name: &'static str, keys: Keys) -> Self {
        Self { name, kind: Kind::Table, treatment: Treatment::Section(keys), is_secret: false }
    }

    pub(super) const fn sections(name: &'static str, keys: Keys, finish: Apply) -> Self {
        let treatment = Treatment::Sections(keys, finish);
        Self { name, kind: Kind::Tables, treatment, is_secret: false }
    }

    /// For the process that fetches jobs.
    pub(super) const fn process(name: &'static str, kind: Kind) -> Self {
        let text = "is for the process that fetches jobs; it has no effect here";
        let treatment = Treatment::Noted(ConfigNoteKind::Process, text);
        Self { name, kind, treatment, is_secret: false }
    }

    pub(super) const fn unused(name: &'static str, kind: Kind, text: &'static str) -> Self {
        let treatment = Treatment::Noted(ConfigNoteKind::Unused, text);
        Self { name, kind, treatment, is_secret: false }
    }

    pub(super) const fn refused(
        name: &'static str,
        kind: Kind,
        reason: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { name, kind, treatment: Treatment::Refused { reason, remedy }, is_secret: false }
    }

    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }
}

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    /// A date and time; GitLab Runner writes it without quotes, and some tools with them.
    Moment,
    Texts,
    /// One text, or several.
    TextOrTexts,
    TextTable,
    BooleanTable,
    TextsTable,
    /// A table; what is in it is looked at by its own rules, or not at all.
    Table,
    /// An array of tables.
    Tables,
}

impl Kind {
    /// The type in TOML's words, with its article.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
            Self::Moment => "a date and time",
            Self::Texts => "an array of strings",
            Self::TextOrTexts => "a string or an array of strings",
            Self::TextTable => "a table of strings",
            Self::BooleanTable => "a table of booleans",
            Self::TextsTable => "a table of arrays of strings",
            Self::Table => "a table",
            Self::Tables => "an array of tables",
        }
    }

    /// Whether the value is of this type, members and entries included.
    pub(super) fn check(self, item: &Item<'_>) -> Result<(), ConfigError> {
        use toml::de::DeValue as Value;

        let wrong = |item: &Item<'_>| Err(item.wrong_type(self.as_str()));
        match (self, item.value()) {
            (Self::Text | Self::TextOrTexts | Self::Moment, Value::String(_))
            | (Self::Integer, Value::Integer(_))
            | (Self::Boolean, Value::Boolean(_))
            | (Self::Moment, Value::Datetime(_))
            | (Self::Table, Value::Table(_)) => Ok(()),
            (Self::Texts | Self::TextOrTexts, Value::Array(_)) => {
                let members = item.members()?;
                let odd = members.iter().find(|member| member.value().as_str().is_none());
                odd.map_or(Ok(()), wrong)
            }
            (Self::Tables, Value::Array(_)) => {
                let members = item.members()?;
                let odd = members.iter().find(|member| member.value().as_table().is_none());
                odd.map_or(Ok(()), wrong)
            }
            (Self::TextTable, Value::Table(_)) => Self::check_entries(item, Self::Text),
            (Self::BooleanTable, Value::Table(_)) => Self::check_entries(item, Self::Boolean),
            (Self::TextsTable, Value::Table(_)) => Self::check_entries(item, Self::Texts),
            _ => wrong(item),
        }
    }

    fn check_entries(item: &Item<'_>, kind: Self) -> Result<(), ConfigError> {
        item.entries()?.iter().try_for_each(|(_, entry)| kind.check(entry))
    }
}
