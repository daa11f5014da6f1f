//! Reading a spec.
//!
//! ```text
//! spec        := [ source ":" ] destination { ":" option { "," option } }
//! source      := absolute path of the host | name of a volume
//! destination := absolute path in the container
//! option      := "ro" | "rw" | "nocopy"
//! ```
//! No part may hold a colon. A first part that is a path, with a second part that is none, is a
//! cache's destination: `/cache:ro` is a cache that is only read. Options may come in any order.

use std::{fmt, str::FromStr};

use docker_api_trait::VolumeName;
use serde::{Deserialize, Serialize};

use super::{SpecError, SpecPart, SpecProblem};
use crate::{ContainerPath, HostPath};

/// Where what is mounted comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VolumeSource {
    /// A cache of the project: Berth names it and keeps it.
    Cache,
    /// A path of the engine's host.
    Host(HostPath),
    /// A volume of the user's own: never labelled, changed or removed by us.
    Named(VolumeName),
}

/// What the container may do with a mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and write.
    #[default]
    ReadWrite,
    /// Read only.
    ReadOnly,
}

/// One volume that a job asks for. Reads from text with [`FromStr`] and serde; whether the job may
/// have it is decided later, by the [`Policy`](crate::Policy).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct VolumeSpec {
    /// Where it comes from.
    pub source: VolumeSource,
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What the container may do with it.
    pub access: Access,
    /// Whether an empty volume stays empty, instead of being filled with what the image has at the
    /// destination.
    pub no_copy: bool,
}

impl FromStr for VolumeSpec {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        let mut parts = columns(spec, 1, ':').peekable();
        let first = parts.next().unwrap_or(Piece { text: "", column: 1 });
        let has_source = match parts.peek() {
            None => false,
            // After a path, a word is an option; after a name, it can only be a destination.
            Some(second) => second.text.starts_with('/') || !first.text.starts_with('/'),
        };
        let (source, destination) = if has_source {
            let destination = parts.next().unwrap_or(first);
            (first.source(spec)?, destination)
        } else {
            (VolumeSource::Cache, first)
        };
        let path = ContainerPath::new(destination.text).map_err(|problem| {
            destination.error(spec, SpecPart::Destination, SpecProblem::Path(problem))
        })?;
        let mut read =
            Self { source, destination: path, access: Access::ReadWrite, no_copy: false };
        read.options(spec, parts.flat_map(|part| columns(part.text, part.column, ',')))?;
        Ok(read)
    }
}

impl VolumeSpec {
    fn options<'a>(
        &mut self,
        spec: &str,
        pieces: impl Iterator<Item = Piece<'a>>,
    ) -> Result<(), SpecError> {
        let mut access: Option<&str> = None;
        for piece in pieces {
            let earlier = match piece.text.to_ascii_lowercase().as_str() {
                "ro" | "rw" => {
                    if piece.text.eq_ignore_ascii_case("ro") {
                        self.access = Access::ReadOnly;
                    }
                    access.replace(piece.text)
                }
                "nocopy" if matches!(self.source, VolumeSource::Host(_)) => {
                    return Err(piece.error(spec, SpecPart::Option, SpecProblem::Meaningless));
                }
                "nocopy" => std::mem::replace(&mut self.no_copy, true).then_some("nocopy"),
                _ => return Err(piece.error(spec, SpecPart::Option, SpecProblem::UnknownOption)),
            };
            if let Some(earlier) = earlier {
                let problem = SpecProblem::Conflict(earlier.to_owned());
                return Err(piece.error(spec, SpecPart::Option, problem));
            }
        }
        Ok(())
    }
}

/// A piece of a spec, and the column where it begins.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    column: usize,
}

impl Piece<'_> {
    fn error(self, spec: &str, part: SpecPart, problem: SpecProblem) -> SpecError {
        SpecError {
            spec: spec.to_owned(),
            part,
            text: self.text.to_owned(),
            column: self.column,
            problem,
        }
    }

    fn source(self, spec: &str) -> Result<VolumeSource, SpecError> {
        let problem = if self.text.starts_with('/') {
            match HostPath::new(self.text) {
                Ok(path) => return Ok(VolumeSource::Host(path)),
                Err(problem) => SpecProblem::Path(problem),
            }
        } else {
            match VolumeName::new(self.text) {
                Ok(name) => return Ok(VolumeSource::Named(name)),
                Err(invalid) => SpecProblem::Name(invalid),
            }
        };
        Err(self.error(spec, SpecPart::Source, problem))
    }
}

/// Splits `text`, which begins at `column`, and tells where each piece begins.
fn columns(text: &str, column: usize, separator: char) -> impl Iterator<Item = Piece<'_>> {
    text.split(separator).scan(column, |next, text| {
        let column = *next;
        *next += text.chars().count() + 1;
        Some(Piece { text, column })
    })
}

/// The canonical form, which reads back as the same spec.
impl fmt::Display for VolumeSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            VolumeSource::Cache => {}
            VolumeSource::Host(path) => write!(formatter, "{path}:")?,
            VolumeSource::Named(name) => write!(formatter, "{name}:")?,
        }
        write!(formatter, "{}", self.destination)?;
        let mut separator = ':';
        for (option, given) in [("ro", self.access == Access::ReadOnly), ("nocopy", self.no_copy)] {
            if given {
                write!(formatter, "{separator}{option}")?;
                separator = ',';
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for VolumeSpec {
    type Error = SpecError;

    fn try_from(spec: String) -> Result<Self, SpecError> {
        spec.parse()
    }
}

impl From<VolumeSpec> for String {
    fn from(spec: VolumeSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `kind source destination options` of a spec, or `part@column` of what is wrong with it.
    fn read(spec: &str) -> String {
        match spec.parse::<VolumeSpec>() {
            Ok(read) => {
                let kind = match read.source {
                    VolumeSource::Cache => "cache",
                    VolumeSource::Host(_) => "host",
                    VolumeSource::Named(_) => "named",
                };
                format!("{kind} {read}")
            }
            Err(error) => format!("{}@{}", error.part, error.column),
        }
    }

    #[test]
    fn a_path_alone_is_a_cache_whatever_its_options() {
        for (spec, expected) in [
            ("/cache", "cache /cache"),
            ("/cache/", "cache /cache"),
            ("/cache:ro", "cache /cache:ro"),
            ("/cache:RO", "cache /cache:ro"),
            ("/cache:rw", "cache /cache"),
            ("/cache:nocopy,ro", "cache /cache:ro,nocopy"),
            ("/cache:ro:nocopy", "cache /cache:ro,nocopy"),
            ("/with space", "cache /with space"),
        ] {
            assert_eq!(read(spec), expected, "{spec}");
        }
    }

    #[test]
    fn a_source_is_a_name_or_a_path_of_the_host() {
        for (spec, expected) in [
            ("data:/data", "named data:/data"),
            ("data:/data/:ro", "named data:/data:ro"),
            ("/host:/path", "host /host:/path"),
            ("/host/:/path:ro", "host /host:/path:ro"),
            ("/:/host", "host /:/host"),
        ] {
            assert_eq!(read(spec), expected, "{spec}");
        }
    }

    #[test]
    fn an_error_names_the_part_and_its_column() {
        for (spec, expected) in [
            ("", "destination@1"),
            ("relative/path", "destination@1"),
            ("/", "destination@1"),
            ("/a/../b", "destination@1"),
            ("name:relative", "destination@6"),
            ("name:", "destination@6"),
            (":/cache", "source@1"),
            ("../x:/cache", "source@1"),
            ("x?force=true:/cache", "source@1"),
            ("/h/..:/cache", "source@1"),
            ("/cache:z", "option@8"),
            ("/cache:", "option@8"),
            ("/cache:ro,", "option@11"),
            ("/cache:ro,rw", "option@11"),
            ("/cache:nocopy,nocopy", "option@15"),
            ("/host:/path:nocopy", "option@13"),
            ("/a:/b:/c", "option@7"),
            ("日本:/cache", "source@1"),
            ("/日本:qq", "option@5"),
        ] {
            assert_eq!(read(spec), expected, "{spec:?}");
        }
    }

    #[test]
    fn an_error_is_one_line_with_the_spec_in_it() {
        let error = "relative/path".parse::<VolumeSpec>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid volume \"relative/path\": the destination \"relative/path\" at column 1 is \
             not an absolute path"
        );
        let hostile = format!("/a\nb{}", "x".repeat(5000)).parse::<VolumeSpec>().unwrap_err();
        assert!(hostile.to_string().len() < 400 && !hostile.to_string().contains('\n'));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_back_the_same(spec in "[/a:,.\\PC]{0,20}") {
            if let Ok(read) = spec.parse::<VolumeSpec>() {
                prop_assert_eq!(read.to_string().parse::<VolumeSpec>(), Ok(read));
            }
        }
    }
}
