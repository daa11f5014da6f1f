//! The manifest: what the last upload left in the build folder, kept in that folder.
//!
//! A text of lines, so that a person can read it and the script can add to it:
//!
//! ```text
//! berth-workspace 1 complete      format 1; `partial` while an upload is under way
//! d src                           a folder
//! f 644 1234 1764000000123456789 src/main.rs
//!                                 mode, size, time of change in ns; `-` when that is not certain
//! l current                       a link
//! g old.rs                        no more in the project, to be removed by the script
//! G old                           a folder of that sort
//! end 5                           how many entries there are
//! removed                         added by the script: what begins with g or G is gone
//! ```
//!
//! In paths, `%`, blanks and control characters are written `%20`. Jobs can write to the file: it
//! is read as a stranger's. A false one can only make the project's own next run send too much or
//! too little, and have paths below the build folder removed.

use std::{collections::BTreeMap, error::Error, io::Read as _};

use bytes::Bytes;
use futures_util::Stream;

use super::{
    RelativePath, WorkspaceError,
    archive::{MemberKind, TarReader},
    pipe,
};

/// The manifest's name in the build folder.
pub const MANIFEST_NAME: &str = ".berth-workspace";

const FORMAT: &str = "berth-workspace 1";
/// A million files with paths of two hundred bytes.
const SIZE_LIMIT: u64 = 256 * 1024 * 1024;

/// What is known of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    File {
        size: u64,
        mode: u32,
        /// Nothing when the file could have changed after it was read, without its showing.
        modified: Option<i64>,
    },
    Folder,
    Link,
    /// To be removed.
    Gone {
        folder: bool,
    },
}

impl Known {
    pub(super) fn is_folder(self) -> bool {
        matches!(self, Self::Folder | Self::Gone { folder: true })
    }
}

/// What the last upload left in a build folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(super) complete: bool,
    pub(super) entries: BTreeMap<RelativePath, Known>,
}

impl Manifest {
    /// Reads a manifest. Nothing when it is of another format or damaged: then all has to be sent.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|byte| *byte == b'\n');
        let complete = match lines.next()?.strip_prefix(FORMAT.as_bytes())? {
            b" complete" => true,
            b" partial" => false,
            _ => return None,
        };
        let mut entries = BTreeMap::new();
        let count = loop {
            let line = lines.next()?;
            if let Some(count) = line.strip_prefix(b"end ") {
                break number::<usize>(count)?;
            }
            let (path, known) = entry(line)?;
            entries.insert(path, known);
        };
        if count != entries.len() {
            return None;
        }
        if lines.any(|line| line == b"removed") {
            entries.retain(|_, known| !matches!(known, Known::Gone { .. }));
        }
        Some(Self { complete, entries })
    }

    /// The manifest's text.
    pub(super) fn render(entries: &BTreeMap<RelativePath, Known>, complete: bool) -> Vec<u8> {
        let state = if complete { "complete" } else { "partial" };
        let mut text = format!("{FORMAT} {state}\n").into_bytes();
        for (path, known) in entries {
            let head = match known {
                Known::File { size, mode, modified: Some(modified) } => {
                    format!("f {mode:o} {size} {modified} ")
                }
                Known::File { size, mode, modified: None } => format!("f {mode:o} {size} - "),
                Known::Folder => "d ".to_owned(),
                Known::Link => "l ".to_owned(),
                Known::Gone { folder: false } => "g ".to_owned(),
                Known::Gone { folder: true } => "G ".to_owned(),
            };
            text.extend_from_slice(head.as_bytes());
            escape(path.as_bytes(), &mut text);
            text.push(b'\n');
        }
        text.extend_from_slice(format!("end {}\n", entries.len()).as_bytes());
        text
    }

    /// Whether the upload that wrote it came to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

fn entry(line: &[u8]) -> Option<(RelativePath, Known)> {
    let mut words = line.split(|byte| *byte == b' ');
    let known = match words.next()? {
        b"d" => Known::Folder,
        b"l" => Known::Link,
        b"g" => Known::Gone { folder: false },
        b"G" => Known::Gone { folder: true },
        b"f" => Known::File {
            mode: u32::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 8).ok()?,
            size: number(words.next()?)?,
            modified: match words.next()? {
                b"-" => None,
                time => Some(number(time)?),
            },
        },
        _ => return None,
    };
    let path = RelativePath::new(unescape(words.next()?)?)?;
    (words.next().is_none() && !path.is_reserved()).then_some((path, known))
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn escape(path: &[u8], text: &mut Vec<u8>) {
    for &byte in path {
        if byte <= b' ' || byte == b'%' || byte == 0x7f {
            text.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            text.push(byte);
        }
    }
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            path.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            path.push(*first);
            rest = tail;
        }
    }
    Some(path)
}

/// Reads the manifest out of the archive that the engine packs of [`MANIFEST_NAME`] in the build
/// folder.
///
/// Nothing when what is there is no manifest of this format. That there is no such file is the
/// engine's answer to the download, [`NotFound`](docker_api_trait::ApiError::NotFound). Holds at
/// most 256 MiB.
///
/// # Errors
/// [`WorkspaceError::Transfer`] when the stream fails, [`WorkspaceError::Archive`] when it is no
/// archive.
pub async fn read_manifest<S, E>(archive: S) -> Result<Option<Manifest>, WorkspaceError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    pipe::feed(archive, |reader| {
        let mut archive = TarReader::new(reader);
        let Some(member) = archive.next()? else { return Ok(None) };
        if member.kind != MemberKind::File || member.size > SIZE_LIMIT {
            return Ok(None);
        }
        let mut text = Vec::new();
        archive.body().read_to_end(&mut text).map_err(|error| archive.fault(error))?;
        Ok(Manifest::parse(&text))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: impl Into<Vec<u8>>) -> RelativePath {
        RelativePath::new(text).unwrap()
    }

    fn entries() -> BTreeMap<RelativePath, Known> {
        BTreeMap::from([
            (path("a b"), Known::Folder),
            (path("a b/%20\n\tü"), Known::File { size: 7, mode: 0o755, modified: Some(-3) }),
            (path("a b/racy"), Known::File { size: u64::MAX, mode: 0, modified: None }),
            (path(&b"\xff"[..]), Known::Link),
            (path("old"), Known::Gone { folder: true }),
            (path("old/x"), Known::Gone { folder: false }),
        ])
    }

    #[test]
    fn reads_what_it_writes() {
        for complete in [true, false] {
            let text = Manifest::render(&entries(), complete);
            assert_eq!(Manifest::parse(&text), Some(Manifest { complete, entries: entries() }));
        }
    }

    #[test]
    fn forgets_what_the_script_removed() {
        let mut text = Manifest::render(&entries(), true);
        text.extend_from_slice(b"removed\n");
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.entries.len(), 4);
    }

    #[test]
    fn takes_nothing_from_a_damaged_one() {
        let text = Manifest::render(&entries(), true);
        for length in 0..text.len() - 1 {
            assert_eq!(Manifest::parse(&text[..length]), None, "cut after {length}");
        }
        for bad in [
            "",
            "berth-workspace 2 complete\nend 0\n",
            "berth-workspace 1 complete\nd ../x\nend 1\n",
            "berth-workspace 1 complete\nd /x\nend 1\n",
            "berth-workspace 1 complete\nd a b\nend 1\n",
            "berth-workspace 1 complete\nd %zz\nend 1\n",
            "berth-workspace 1 complete\nd a\nend 2\n",
            "berth-workspace 1 complete\ng a%00\nend 1\n",
            "berth-workspace 1 complete\nx a\nend 1\n",
            "berth-workspace 1 complete\ng .berth-workspace\nend 1\n",
        ] {
            assert_eq!(Manifest::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
