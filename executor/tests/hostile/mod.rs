//! Archives that say anything, and a world that they must not change.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::PathBuf,
};

use bytes::Bytes;
use executor::workspace::{ArtifactLimits, ArtifactReport, Artifacts, WorkspaceError};
use futures_util::stream;
use tar::EntryType;

/// An archive that is put together byte by byte, so that it may say anything.
#[derive(Default, Clone)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    /// As the engine begins that of a build folder.
    pub(crate) fn new() -> Self {
        Self::default().entry(EntryType::Directory, b"build/", b"", b"")
    }

    pub(crate) fn entry(self, kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) -> Self {
        self.sized(kind, name, target, content, content.len() as u64)
    }

    pub(crate) fn sized(
        mut self,
        kind: EntryType,
        name: &[u8],
        target: &[u8],
        content: &[u8],
        size: u64,
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o6755);
        header.set_mtime(1_600_000_000);
        header.set_uid(4711);
        header.set_gid(4711);
        header.set_size(size);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name);
        fields.linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.content(content)
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str) -> Self {
        self.entry(EntryType::Regular, name.as_bytes(), b"", b"evil")
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name.as_bytes(), b"", b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    pub(crate) fn hard(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
    }

    /// Attributes for the entry that follows.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = 3 + key.len() + value.len();
            let digits = (1..9).find(|digits| (rest + digits).to_string().len() == *digits);
            let length = rest + digits.unwrap();
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.entry(EntryType::XHeader, b"pax", b"", &text)
    }

    pub(crate) fn long_name(self, name: &[u8]) -> Self {
        self.entry(EntryType::GNULongName, b"././@LongLink", b"", &[name, b"\0"].concat())
    }

    pub(crate) fn long_link(self, target: &[u8]) -> Self {
        self.entry(EntryType::GNULongLink, b"././@LongLink", b"", &[target, b"\0"].concat())
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// An output folder in a world that must not change.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        Self { folder }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) async fn unpack(&self, archive: Vec<u8>) -> Result<ArtifactReport, WorkspaceError> {
        self.select(&["**"], archive).await
    }

    pub(crate) async fn select(
        &self,
        patterns: &[&str],
        archive: Vec<u8>,
    ) -> Result<ArtifactReport, WorkspaceError> {
        let limits = ArtifactLimits { bytes: 1_000_000, entries: 1000 };
        Artifacts::new(patterns)?.limits(limits).unpack(pieces(&archive), self.out()).await
    }

    /// Says that nothing outside was changed, and that nothing inside leads out or does harm.
    pub(crate) fn assert_unharmed(&self, case: &str) {
        let root = self.folder.path();
        let mut beside: Vec<_> =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        beside.sort();
        assert_eq!(beside, ["out", "outside", "secret"], "{case}");
        assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 1, "{case}");
        for secret in ["secret", "outside/secret"] {
            let metadata = fs::metadata(root.join(secret)).unwrap();
            assert_eq!(fs::read_to_string(root.join(secret)).unwrap(), "secret", "{case}");
            assert_eq!((metadata.nlink(), metadata.mode() & 0o7000), (1, 0), "{case}");
        }
        let top = self.out().canonicalize().unwrap();
        let mut folders = vec![self.out()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let kind = metadata.file_type();
                assert!(kind.is_file() || kind.is_dir() || kind.is_symlink(), "{case}");
                assert!(!kind.is_fifo() && !kind.is_char_device(), "{case}");
                assert!(!path.display().to_string().contains("berth-unfinished"), "{case}");
                if kind.is_symlink() {
                    if let Ok(target) = path.canonicalize() {
                        assert!(target.starts_with(&top), "{case}: {}", path.display());
                    }
                    continue;
                }
                assert_eq!(metadata.mode() & 0o7000, 0, "{case}");
                if kind.is_dir() {
                    folders.push(path);
                } else {
                    assert_eq!(metadata.nlink(), 1, "{case}");
                    assert_ne!(fs::read_to_string(&path).unwrap(), "secret", "{case}");
                }
            }
        }
    }
}

pub(crate) fn pieces(
    archive: &[u8],
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + use<> {
    let pieces: Vec<_> =
        archive.chunks(300).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}
