//! Packs what changed as a tar archive, while the files may change under it.
//!
//! Headers are written here rather than by the tar crate's builder, which would tidy up the targets
//! of links. Times are whole seconds: fractions would need an extended header, a kilobyte for each
//! file.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use rustix::fs::OFlags;
use tar::{EntryType, Header};
use tokio::task::JoinHandle;

use super::{
    Changes, Entry, EntryKind, MANIFEST_NAME, Manifest, RelativePath, SCRIPT_NAME, SkipReason,
    Skipped, WorkspaceError,
    change::settled,
    manifest::Known,
    pipe::{self, PIECE, PipeWriter},
    scan::modified,
};

/// The name that the complete manifest is written under.
const NEXT_NAME: &str = ".berth-workspace.next";

/// Whose the files are in the container. Default: root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

/// How far packing has come. Copies show the same.
#[derive(Debug, Clone, Default)]
pub struct PackProgress {
    done: Arc<(AtomicU64, AtomicU64)>,
    files: u64,
    bytes: u64,
}

/// A look at a [`PackProgress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressCount {
    /// Files packed so far.
    pub files: u64,
    /// Bytes of files packed so far.
    pub bytes: u64,
    /// How many files there are to pack.
    pub total_files: u64,
    /// How many bytes they had when they were listed.
    pub total_bytes: u64,
}

impl PackProgress {
    /// Where packing is now. What is packed may still be on its way, up to half a mebibyte.
    pub fn count(&self) -> ProgressCount {
        ProgressCount {
            files: self.done.0.load(Ordering::Relaxed),
            bytes: self.done.1.load(Ordering::Relaxed),
            total_files: self.files,
            total_bytes: self.bytes,
        }
    }
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PackReport {
    /// How many files.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Files that were listed and could not be packed, and why.
    pub skipped: Vec<Skipped>,
}

/// An archive that is being made on a thread of its own.
#[derive(Debug)]
pub struct Packing {
    progress: PackProgress,
    task: JoinHandle<Result<PackReport, WorkspaceError>>,
}

impl Packing {
    /// How far it is.
    pub fn progress(&self) -> PackProgress {
        self.progress.clone()
    }

    /// Waits for the end of the archive, or for the fault that ended its stream. Read the stream
    /// first, or drop it.
    ///
    /// # Errors
    /// [`WorkspaceError::Read`] when a file cannot be read, [`WorkspaceError::Shrunk`] when a large
    /// one became shorter meanwhile, [`WorkspaceError::Abandoned`] when the stream was dropped
    /// before its end.
    pub async fn finish(self) -> Result<PackReport, WorkspaceError> {
        pipe::join(self.task.await)
    }
}

impl Changes {
    /// Packs the files, folders and links to send, the script, and the manifest. Begins at once,
    /// and holds about half a mebibyte beside the list of files, however large these are. Has to be
    /// called on a Tokio runtime.
    ///
    /// A file that vanished is left out with a note; one that grew is cut off where it ended
    /// when it was opened, and sent again the next time; a large one that shrank ends the archive,
    /// as its length was already said. A fault ends the stream with an error, so that no half of an
    /// archive is taken for a whole one; [`Packing::finish`] says which fault it was.
    pub fn pack(&self, owner: Owner) -> (BoxStream<'static, io::Result<Bytes>>, Packing) {
        let (writer, stream) = pipe::pipe();
        let progress =
            PackProgress { done: Arc::default(), files: self.files(), bytes: self.bytes() };
        let changes = self.clone();
        let shown = progress.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut packer = Packer {
                archive: Archive { writer, owner },
                progress: shown,
                report: PackReport::default(),
                buffer: vec![0; PIECE],
            };
            let result = packer.pack(&changes);
            let fault = result.as_ref().err().map(ToString::to_string);
            packer.archive.writer.finish(fault);
            result.map(|()| packer.report)
        });
        (stream.boxed(), Packing { progress, task })
    }
}

struct Packer {
    archive: Archive<PipeWriter>,
    progress: PackProgress,
    report: PackReport,
    buffer: Vec<u8>,
}

impl Packer {
    fn pack(&mut self, changes: &Changes) -> Result<(), WorkspaceError> {
        if !changes.is_unchanged() {
            self.text(MANIFEST_NAME, &Manifest::render(&changes.claims, false))?;
        }
        let mut claims = changes.claims.clone();
        for index in &changes.send {
            self.entry(changes, &changes.entries[*index], &mut claims)?;
        }
        self.text(SCRIPT_NAME, &changes.script())?;
        if !changes.is_unchanged() {
            // A manifest that was cut off would say less than the one before it. A link is made
            // in one step, and makes the name mean the whole of the new one.
            self.text(NEXT_NAME, &Manifest::render(&claims, true))?;
            let linked = self.archive.hard_link(MANIFEST_NAME.as_bytes(), NEXT_NAME.as_bytes());
            linked.map_err(abandoned)?;
        }
        self.archive.writer.write_all(&[0; 1024]).map_err(abandoned)
    }

    fn text(&mut self, name: &str, text: &[u8]) -> Result<(), WorkspaceError> {
        self.archive.file(name.as_bytes(), 0o644, 0, text).map_err(abandoned)
    }

    fn entry(
        &mut self,
        changes: &Changes,
        entry: &Entry,
        claims: &mut BTreeMap<RelativePath, Known>,
    ) -> Result<(), WorkspaceError> {
        let path = entry.path.as_bytes();
        let time = header_time(entry.modified);
        match &entry.kind {
            EntryKind::Folder => {
                let name = [path, b"/"].concat();
                self.archive.head(EntryType::Directory, &name, entry.mode, time, 0)
            }
            EntryKind::Link { target } => self.archive.link(path, target, time),
            EntryKind::File { .. } => {
                let known = self.file(changes, &entry.path)?.unwrap_or_else(|| {
                    self.report.skipped.push(Skipped::new(path, SkipReason::Vanished));
                    // It may be there from before.
                    Known::Gone { folder: false }
                });
                claims.insert(entry.path.clone(), known);
                Ok(())
            }
        }
        .map_err(abandoned)
    }

    /// Packs a file as it is now; says what was packed, and nothing when there is no file any more.
    fn file(
        &mut self,
        changes: &Changes,
        path: &RelativePath,
    ) -> Result<Option<Known>, WorkspaceError> {
        let failed = |source| WorkspaceError::Read { path: path.clone(), source };
        let Some(mut file) = open(&changes.folder.join(path.as_path())).map_err(failed)? else {
            return Ok(None);
        };
        let before = file.metadata().map_err(failed)?;
        if !before.is_file() {
            return Ok(None);
        }
        let mode = before.mode() & 0o777;
        let time = header_time(modified(&before));
        let mut left = before.len();
        let mut size = left;
        if left <= PIECE as u64 {
            // The length is said after reading, so that nothing can make it wrong.
            let mut content = Vec::new();
            (&file).take(left).read_to_end(&mut content).map_err(failed)?;
            size = content.len() as u64;
            self.archive.file(path.as_bytes(), mode, time, &content).map_err(abandoned)?;
            self.progress.done.1.fetch_add(size, Ordering::Relaxed);
        } else {
            let head = self.archive.head(EntryType::Regular, path.as_bytes(), mode, time, left);
            head.map_err(abandoned)?;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                let piece = &mut self.buffer[..most];
                let length = match file.read(piece) {
                    Ok(0) => return Err(WorkspaceError::Shrunk { path: path.clone() }),
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(failed(error)),
                };
                self.archive.writer.write_all(&piece[..length]).map_err(abandoned)?;
                left -= length as u64;
                self.progress.done.1.fetch_add(length as u64, Ordering::Relaxed);
            }
            self.archive.pad(size).map_err(abandoned)?;
        }
        self.progress.done.0.fetch_add(1, Ordering::Relaxed);
        self.report.files += 1;
        self.report.bytes += size;
        let after = file.metadata().map_err(failed)?;
        let still = (after.len(), modified(&after)) == (size, modified(&before));
        let known = still.then(|| settled(modified(&before), changes.now)).flatten();
        Ok(Some(Known::File { size, mode, modified: known }))
    }
}

/// Opens a file to read; nothing when there is none, or a link in its place. Does not wait for the
/// writer of a FIFO.
fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            let gone = [
                rustix::io::Errno::NOENT,
                rustix::io::Errno::NOTDIR,
                rustix::io::Errno::LOOP,
                // A socket in its place.
                rustix::io::Errno::NXIO,
            ]
            .map(rustix::io::Errno::raw_os_error);
            if error.raw_os_error().is_some_and(|code| gone.contains(&code)) {
                return Ok(None);
            }
            Err(error)
        }
    }
}

/// Writing fails only when nobody reads any more.
fn abandoned(_: io::Error) -> WorkspaceError {
    WorkspaceError::Abandoned
}

/// The whole seconds that a header says of a time.
pub(super) fn header_time(modified: i64) -> u64 {
    u64::try_from(modified.div_euclid(1_000_000_000)).unwrap_or(0)
}

/// An archive of one file, readable for all.
pub(super) fn single(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Archive { writer: Vec::new(), owner: Owner::default() };
    // Writing to memory does not fail.
    archive.file(name.as_bytes(), 0o644, 0, content).ok();
    archive.writer.extend_from_slice(&[0; 1024]);
    archive.writer
}

struct Archive<W> {
    writer: W,
    owner: Owner,
}

impl<W: Write> Archive<W> {
    fn file(&mut self, name: &[u8], mode: u32, time: u64, content: &[u8]) -> io::Result<()> {
        let size = content.len() as u64;
        self.head(EntryType::Regular, name, mode, time, size)?;
        self.writer.write_all(content)?;
        self.pad(size)
    }

    fn hard_link(&mut self, name: &[u8], target: &[u8]) -> io::Result<()> {
        let mut header = self.header(EntryType::Link, 0o644, 0, 0);
        fill(gnu(&mut header, |gnu| &mut gnu.linkname), target);
        self.named(header, name)
    }

    fn link(&mut self, name: &[u8], target: &[u8], time: u64) -> io::Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, time, 0);
        if !fill(gnu(&mut header, |gnu| &mut gnu.linkname), target) {
            self.long(EntryType::GNULongLink, target)?;
        }
        self.named(header, name)
    }

    fn head(
        &mut self,
        kind: EntryType,
        name: &[u8],
        mode: u32,
        time: u64,
        size: u64,
    ) -> io::Result<()> {
        let header = self.header(kind, mode, time, size);
        self.named(header, name)
    }

    fn header(&self, kind: EntryType, mode: u32, time: u64, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(time);
        header.set_size(size);
        header.set_uid(self.owner.user.into());
        header.set_gid(self.owner.group.into());
        header
    }

    fn named(&mut self, mut header: Header, name: &[u8]) -> io::Result<()> {
        if !fill(gnu(&mut header, |gnu| &mut gnu.name), name) {
            self.long(EntryType::GNULongName, name)?;
        }
        header.set_cksum();
        self.writer.write_all(header.as_bytes())
    }

    /// A name that does not fit into the next header.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        let size = name.len() as u64 + 1;
        let mut header = self.header(kind, 0o644, 0, size);
        fill(gnu(&mut header, |gnu| &mut gnu.name), b"././@LongLink");
        header.set_cksum();
        self.writer.write_all(header.as_bytes())?;
        self.writer.write_all(name)?;
        self.writer.write_all(&[0])?;
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        const ZEROES: [u8; 512] = [0; 512];
        let over = usize::try_from(size % 512).unwrap_or(0);
        if over == 0 { Ok(()) } else { self.writer.write_all(&ZEROES[over..]) }
    }
}

fn gnu(
    header: &mut Header,
    field: impl FnOnce(&mut tar::GnuHeader) -> &mut [u8; 100],
) -> Option<&mut [u8; 100]> {
    header.as_gnu_mut().map(field)
}

/// Puts as much of the name into the field as it takes; says whether that was all, and a NUL.
fn fill(field: Option<&mut [u8; 100]>, name: &[u8]) -> bool {
    let Some(field) = field else { return false };
    let length = name.len().min(field.len() - 1);
    field[..length].copy_from_slice(&name[..length]);
    length == name.len()
}
