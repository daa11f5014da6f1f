//! Reads a tar archive of unknown origin, in bounded memory.
//!
//! The tar crate knows the fields of a header. It would read a long name of any length into memory,
//! and the attributes of a file by splitting at newlines, which may be in a name; so the order of
//! headers and what extends them is read here.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::{ArchiveFault, WorkspaceError, pipe};

const BLOCK: usize = 512;
/// A name of an extension. Linux allows 4096 bytes in one call.
const NAME_LIMIT: u64 = 64 * 1024;
/// Attributes of a file; extended ones of its file system may be among them.
const ATTRIBUTES_LIMIT: u64 = 1024 * 1024;
/// How many extensions one entry may have, so that a chain of them ends.
const EXTENSIONS_LIMIT: usize = 16;

/// What a header says that its entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    Folder,
    SymbolicLink,
    HardLink,
    /// A device or FIFO.
    Special,
    /// A sparse file, or what we do not know.
    Unsupported,
}

/// An entry, its names as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) kind: MemberKind,
    pub(super) mode: u32,
    /// In seconds since 1970.
    pub(super) modified: i64,
    pub(super) size: u64,
}

/// What the headers before an entry's own say of it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
    sparse: bool,
}

/// Reads entry by entry.
pub(super) struct TarReader<R> {
    source: R,
    /// What is left of the entry's content, and of the zeroes after it.
    left: u64,
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, left: 0, padding: 0 }
    }

    /// The next entry; nothing at the end mark.
    pub(super) fn next(&mut self) -> Result<Option<Member>, WorkspaceError> {
        self.skip()?;
        let mut extension = Extension::default();
        for _ in 0..EXTENSIONS_LIMIT {
            let Some(header) = self.header()? else { return Ok(None) };
            let size = header.entry_size().map_err(|_| damaged("a size is no number"))?;
            self.left = size;
            self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            match header.entry_type() {
                EntryType::GNULongName => {
                    extension.name = Some(terminated(self.extension(NAME_LIMIT)?));
                }
                EntryType::GNULongLink => {
                    extension.target = Some(terminated(self.extension(NAME_LIMIT)?));
                }
                EntryType::XHeader => {
                    attributes(&self.extension(ATTRIBUTES_LIMIT)?, &mut extension)?;
                }
                // For all entries that follow; nothing in it is of use here.
                EntryType::XGlobalHeader => drop(self.extension(ATTRIBUTES_LIMIT)?),
                kind => return self.member(&header, kind, extension).map(Some),
            }
            self.skip()?;
        }
        Err(damaged("an entry has too many extensions"))
    }

    fn member(
        &mut self,
        header: &Header,
        kind: EntryType,
        extension: Extension,
    ) -> Result<Member, WorkspaceError> {
        let name = extension.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = match kind {
            _ if extension.sparse => MemberKind::Unsupported,
            // From before there were folders in the format.
            EntryType::Regular if name.ends_with(b"/") => MemberKind::Folder,
            EntryType::Regular | EntryType::Continuous => MemberKind::File,
            EntryType::Directory => MemberKind::Folder,
            EntryType::Symlink => MemberKind::SymbolicLink,
            EntryType::Link => MemberKind::HardLink,
            EntryType::Char | EntryType::Block | EntryType::Fifo => MemberKind::Special,
            EntryType::GNUSparse => {
                self.skip_map(header)?;
                MemberKind::Unsupported
            }
            _ => MemberKind::Unsupported,
        };
        if let Some(size) = extension.size {
            self.left = size;
            self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        }
        // Readers do not agree whether content follows; so one could hide entries from another.
        if self.left > 0 && !matches!(kind, MemberKind::File | MemberKind::Unsupported) {
            return Err(damaged("an entry that is no file has content"));
        }
        let target = extension
            .target
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let modified = extension
            .modified
            .or_else(|| i64::try_from(header.mtime().ok()?).ok())
            .unwrap_or_default();
        let mode = header.mode().unwrap_or(0o644);
        Ok(Member { name, target, kind, mode, modified, size: self.left })
    }

    /// The content of the entry, or what is left of it.
    pub(super) fn body(&mut self) -> Body<'_, R> {
        Body { reader: self }
    }

    /// What a failed read of a body was: the archive's fault, or the stream's.
    #[expect(clippy::unused_self, reason = "it is the reader's own errors that it knows")]
    pub(super) fn fault(&self, error: io::Error) -> WorkspaceError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return ArchiveFault::Truncated.into();
        }
        pipe::failure(error)
    }

    fn header(&mut self) -> Result<Option<Header>, WorkspaceError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The sum counts its own field as blanks.
        let field = 148..156;
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(index, byte)| if field.contains(&index) { 32 } else { u32::from(*byte) })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(damaged("the check sum of a header is wrong"));
        }
        Ok(Some(header))
    }

    /// The content of an extension.
    fn extension(&mut self, limit: u64) -> Result<Vec<u8>, WorkspaceError> {
        if self.left > limit {
            return Err(ArchiveFault::HeaderTooLarge { size: self.left, limit }.into());
        }
        let mut content = Vec::new();
        self.body().read_to_end(&mut content).map_err(|error| self.fault(error))?;
        Ok(content)
    }

    /// The blocks that go on with the map of a sparse file; they come before its content.
    fn skip_map(&mut self, header: &Header) -> Result<(), WorkspaceError> {
        let mut more = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while more {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            more = block[BLOCK - 8] == 1;
        }
        Ok(())
    }

    /// Goes to the end of the entry.
    fn skip(&mut self) -> Result<(), WorkspaceError> {
        let mut scratch = [0; 8 * 1024];
        while self.left > 0 {
            let length = self.body().read(&mut scratch);
            length.map_err(|error| self.fault(error))?;
        }
        let padding = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or(0);
        self.fill(&mut scratch[..padding])
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), WorkspaceError> {
        self.source.read_exact(buffer).map_err(|error| self.fault(error))
    }
}

/// The content of an entry. Its end before the length that the header said is an error.
pub(super) struct Body<'a, R> {
    reader: &'a mut TarReader<R>,
}

impl<R: Read> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.reader.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let length = self.reader.source.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.reader.left -= length as u64;
        Ok(length)
    }
}

fn damaged(problem: &'static str) -> WorkspaceError {
    ArchiveFault::Damaged { problem }.into()
}

/// A long name without the NUL that ends it.
fn terminated(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// Reads the records of an extended header, `LENGTH KEY=VALUE\n`.
fn attributes(mut text: &[u8], extension: &mut Extension) -> Result<(), WorkspaceError> {
    let wrong = || damaged("an extended header is malformed");
    while !text.is_empty() {
        let blank = text.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let length: usize = number(&text[..blank]).ok_or_else(wrong)?;
        if length <= blank + 1 || length > text.len() || text[length - 1] != b'\n' {
            return Err(wrong());
        }
        let record = &text[blank + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extension.name = Some(value.to_vec()),
            b"linkpath" => extension.target = Some(value.to_vec()),
            b"size" => extension.size = Some(number(value).ok_or_else(wrong)?),
            b"mtime" => {
                let seconds = value.split(|byte| *byte == b'.').next().unwrap_or_default();
                extension.modified = Some(number(seconds).ok_or_else(wrong)?);
            }
            _ if key.starts_with(b"GNU.sparse.") => extension.sparse = true,
            _ => {}
        }
        text = &text[length..];
    }
    Ok(())
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
