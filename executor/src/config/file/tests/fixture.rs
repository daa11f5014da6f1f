//! Files to read.

use std::{io, path::Path};

use crate::config::file::{
    ConfigError, RunnerConfig, RunnerSelection,
    key::{Key, Kind},
    read::{flat, read_config},
    table::SECTIONS,
};

pub(super) const PROFILE: &str = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";

/// Files beside the configuration.
fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/etc/profile.json") => Ok(PROFILE.to_owned()),
        Some("/etc/broken.json") => Ok("{".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

pub(super) fn read(text: &str) -> Result<RunnerConfig, ConfigError> {
    read_config(text, &RunnerSelection::new("me"), &read_file)
}

pub(super) fn read_named(text: &str, name: &str) -> Result<RunnerConfig, ConfigError> {
    read_config(text, &RunnerSelection::new("me").named(name), &read_file)
}

/// A file with these lines in `[runners.docker]`.
pub(super) fn docker(lines: &str) -> String {
    in_section("runners.docker", lines)
}

/// A file with these lines in the table `section`.
pub(super) fn in_section(section: &str, lines: &str) -> String {
    let executor = if lines.starts_with("executor ") { "" } else { "executor = \"docker\"\n" };
    match section {
        "" if lines.starts_with("runners ") => lines.to_owned(),
        "" => format!("{lines}\n[[runners]]\n{executor}"),
        "runners" => format!("[[runners]]\n{executor}{lines}\n"),
        "runners.docker.services" => {
            let name = if lines.starts_with("name ") { "" } else { "name = \"redis:7\"\n" };
            format!("[[runners]]\n{executor}[[{section}]]\n{name}{lines}\n")
        }
        _ => format!("[[runners]]\n{executor}[{section}]\n{lines}\n"),
    }
}

/// Every key, with its section.
pub(super) fn all_keys() -> Vec<(&'static str, &'static Key)> {
    let sections = SECTIONS.iter();
    sections.flat_map(|(section, keys)| flat(keys).map(|key| (*section, key))).collect()
}

/// A key with its section.
pub(super) fn path(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// A value of that type that says something.
pub(super) fn sample(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "\"x\"",
        Kind::Integer => "7",
        Kind::Boolean => "true",
        Kind::Moment => "2026-11-25T10:00:00Z",
        Kind::Texts | Kind::TextOrTexts => "[\"x\"]",
        Kind::TextTable => "{ x = \"y\" }",
        Kind::BooleanTable => "{ x = true }",
        Kind::TextsTable => "{ x = [\"y\"] }",
        Kind::Table => "{ x = 1 }",
        Kind::Tables => "[{ x = 1 }]",
    }
}
