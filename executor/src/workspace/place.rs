//! The output folder: everything in it is reached from its handle, one name at a time, and no name
//! is followed when it is a link. A process that swaps folders for links meanwhile gains nothing.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps},
    io::Errno,
};

use super::{RelativePath, SkipReason};

/// Why something was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is left out.
    Skip(SkipReason),
    /// Nothing more can be expected to work.
    Write(io::Error),
    /// The content could not be read.
    Read(io::Error),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => {
                Self::Skip(SkipReason::InTheWay)
            }
            Errno::NAMETOOLONG => Self::Skip(SkipReason::NameTooLong),
            // Some file systems take only names that are text.
            Errno::ILSEQ => Self::Skip(SkipReason::Unsupported),
            other => Self::Write(other.into()),
        }
    }
}

/// A folder that things are put into.
#[derive(Debug)]
pub(super) struct Place {
    root: OwnedFd,
    /// The folder that was used last: archives list folder by folder.
    last: Option<(RelativePath, OwnedFd)>,
    /// What the names of unfinished files begin with; nobody else's do.
    unfinished: String,
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Place {
    /// Opens the folder, which is made when it is missing. It may be a link itself: its path is the
    /// user's.
    pub(super) fn open(folder: &Path, unique: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
        Ok(Self { root, last: None, unfinished: format!(".berth-unfinished-{unique:016x}") })
    }

    /// Makes the folder and those it is in, where they are missing. The umask holds; the folder
    /// can be written to by its owner. One that is there keeps its mode.
    pub(super) fn folder(&mut self, path: &RelativePath, mode: u32) -> Result<(), Refusal> {
        self.last = None;
        let folder = self.walk(path, mode)?;
        self.last = Some((path.clone(), folder));
        Ok(())
    }

    fn walk(&self, path: &RelativePath, mode: u32) -> Result<OwnedFd, Refusal> {
        let depth = path.names().count();
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.root, 0)?;
        for (index, name) in path.names().enumerate() {
            let name = OsStr::from_bytes(name);
            let mode = if index + 1 == depth { mode | 0o700 } else { 0o777 };
            folder = match rustix::fs::openat(&folder, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&folder, name, permissions(mode))?;
                    rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?
                }
                opened => opened?,
            };
        }
        Ok(folder)
    }

    /// The folder that `path` is in.
    fn parent(&mut self, path: &RelativePath) -> Result<&OwnedFd, Refusal> {
        let Some(parent) = path.parent() else { return Ok(&self.root) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != parent) {
            self.folder(&parent, 0o777)?;
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, folder)| folder))
    }

    /// Writes a file: whole, or not at all. Replaces a file or link of that name.
    ///
    /// `modified` is in seconds since 1970.
    pub(super) fn file(
        &mut self,
        path: &RelativePath,
        mode: u32,
        modified: i64,
        content: &mut impl Read,
    ) -> Result<u64, Refusal> {
        let unfinished = self.unfinished.clone();
        let folder = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle =
            rustix::fs::openat(folder, &unfinished, flags, permissions(mode & 0o777 | 0o200))?;
        let mut file = File::from(handle);
        let written = copy(content, &mut file);
        let time = Timespec { tv_sec: modified, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        // A time that the file system cannot express is no reason to lose the file.
        rustix::fs::futimens(&file, &times).ok();
        let named = written.and_then(|length| {
            rustix::fs::renameat(folder, &unfinished, folder, last_name(path))?;
            Ok(length)
        });
        if named.is_err() {
            // What remains when even that fails is a file whose name says what it is.
            rustix::fs::unlinkat(folder, &unfinished, AtFlags::empty()).ok();
        }
        named
    }

    /// Makes a link. Replaces a file or link of that name.
    pub(super) fn link(&mut self, path: &RelativePath, target: &[u8]) -> Result<(), Refusal> {
        let unfinished = self.unfinished.clone();
        let folder = self.parent(path)?;
        rustix::fs::symlinkat(OsStr::from_bytes(target), folder, &unfinished)?;
        let named = rustix::fs::renameat(folder, &unfinished, folder, last_name(path));
        if named.is_err() {
            rustix::fs::unlinkat(folder, &unfinished, AtFlags::empty()).ok();
        }
        Ok(named?)
    }

    /// Opens a regular file to read.
    pub(super) fn read(&mut self, path: &RelativePath) -> Result<File, Refusal> {
        let folder = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(folder, last_name(path), flags, Mode::empty())?);
        if !file.metadata().map_err(Refusal::Read)?.is_file() {
            return Err(Refusal::Skip(SkipReason::LinkUnknown));
        }
        Ok(file)
    }
}

fn copy(content: &mut impl Read, file: &mut File) -> Result<u64, Refusal> {
    let mut buffer = vec![0; super::pipe::PIECE];
    let mut total = 0;
    loop {
        let length = match content.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Refusal::Read(error)),
        };
        file.write_all(&buffer[..length]).map_err(Refusal::Write)?;
        total += length as u64;
    }
}

fn last_name(path: &RelativePath) -> &OsStr {
    OsStr::from_bytes(path.names().next_back().unwrap_or_default())
}

#[expect(clippy::useless_conversion, reason = "the type of a mode differs between systems")]
fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777).try_into().unwrap_or_default())
}
