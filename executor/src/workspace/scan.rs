//! A project's files as they are now.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::Metadata,
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{
    Entry, EntryKind, RelativePath, SkipReason, Skipped, WorkspaceError,
    list::{Listing, list},
    pipe,
};

/// A folder of this machine that holds a project.
#[derive(Debug, Clone)]
pub struct Workspace {
    folder: PathBuf,
    git: OsString,
}

impl Workspace {
    /// The project in `folder`. Nothing is looked at yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), git: "git".into() }
    }

    /// Runs this program instead of `git`.
    pub fn git(mut self, program: impl Into<OsString>) -> Self {
        self.git = program.into();
        self
    }

    /// Lists the project's files: in a repository, what Git tracks and what it does not ignore;
    /// elsewhere, and where there is no `git`, what `.gitignore` and `.ignore` do not exclude.
    ///
    /// Tracked files that were deleted are left out; of a submodule or another repository inside,
    /// the folder alone is listed. The folders on the way to each file are. `.git` never is. Links
    /// are listed as links, but for those that lead above the project's folder, which an engine would
    /// refuse: they are left out with a note. The project's folder itself may be a link.
    ///
    /// `now` tells which files changed so lately that they could change again without its showing
    /// in the time: they are sent again the next time.
    ///
    /// # Errors
    /// [`WorkspaceError::Folder`] when the folder cannot be read, [`WorkspaceError::Git`] when it
    /// is in a repository and Git fails.
    pub async fn scan(&self, now: SystemTime) -> Result<Scan, WorkspaceError> {
        let workspace = self.clone();
        pipe::join(tokio::task::spawn_blocking(move || workspace.scan_now(now)).await)
    }

    fn scan_now(&self, now: SystemTime) -> Result<Scan, WorkspaceError> {
        let failed = |source| WorkspaceError::Folder { path: self.folder.clone(), source };
        let folder = self.folder.canonicalize().map_err(failed)?;
        if !folder.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let (listing, paths) = list(&folder, &self.git)?;
        let mut collector = Collector::new(&folder);
        for path in paths {
            collector.add(path, listing)?;
        }
        let Collector { entries, skipped, .. } = collector;
        let entries = entries.into_values().collect();
        Ok(Scan { folder, entries, skipped, now: nanoseconds(now) })
    }
}

struct Collector<'a> {
    folder: &'a Path,
    entries: BTreeMap<RelativePath, Entry>,
    /// Names that are no folder, so that what Git still lists below them is not there any more.
    gone: BTreeSet<RelativePath>,
    skipped: Vec<Skipped>,
}

impl<'a> Collector<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, entries: BTreeMap::new(), gone: BTreeSet::new(), skipped: Vec::new() }
    }

    fn add(&mut self, path: RelativePath, listing: Listing) -> Result<(), WorkspaceError> {
        if path.is_reserved() {
            self.skipped.push(Skipped::new(path.as_bytes(), SkipReason::Reserved));
            return Ok(());
        }
        if self.entries.contains_key(&path) || !self.add_folders(&path)? {
            return Ok(());
        }
        let Some(metadata) = self.look(&path)? else { return Ok(()) };
        let kind = if metadata.is_file() {
            EntryKind::File { size: metadata.len() }
        } else if metadata.is_symlink() {
            match std::fs::read_link(self.folder.join(path.as_path())) {
                // The engine refuses a whole archive for one such link.
                Ok(target) if climbs_out(&path, &target) => {
                    self.skipped.push(Skipped::new(path.as_bytes(), SkipReason::LinkOutside));
                    return Ok(());
                }
                Ok(target) => EntryKind::Link { target: target.as_os_str().as_bytes().to_vec() },
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(source) => return Err(WorkspaceError::Read { path, source }),
            }
        } else if metadata.is_dir() {
            if listing == Listing::Git {
                self.skipped.push(Skipped::new(path.as_bytes(), SkipReason::Repository));
            }
            EntryKind::Folder
        } else {
            self.skipped.push(Skipped::new(path.as_bytes(), SkipReason::Special));
            return Ok(());
        };
        self.insert(path, kind, &metadata);
        Ok(())
    }

    /// Adds the folders that `path` is in; says whether they all are folders, not links to some.
    fn add_folders(&mut self, path: &RelativePath) -> Result<bool, WorkspaceError> {
        let mut missing: Vec<_> = path
            .ancestors()
            .take_while(|folder| {
                !matches!(self.entries.get(folder), Some(Entry { kind: EntryKind::Folder, .. }))
            })
            .collect();
        while let Some(folder) = missing.pop() {
            if self.gone.contains(&folder) {
                return Ok(false);
            }
            match self.look(&folder)? {
                Some(metadata) if metadata.is_dir() => {
                    self.insert(folder, EntryKind::Folder, &metadata);
                }
                _ => {
                    self.gone.insert(folder);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn look(&self, path: &RelativePath) -> Result<Option<Metadata>, WorkspaceError> {
        match std::fs::symlink_metadata(self.folder.join(path.as_path())) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(WorkspaceError::Read { path: path.clone(), source }),
        }
    }

    fn insert(&mut self, path: RelativePath, kind: EntryKind, metadata: &Metadata) {
        let entry = Entry {
            path: path.clone(),
            kind,
            mode: metadata.mode() & 0o777,
            modified: modified(metadata),
        };
        self.entries.insert(path, entry);
    }
}

/// Whether a relative link leads above the project's folder, by its text. An absolute one leads to a
/// place in the container.
fn climbs_out(link: &RelativePath, target: &Path) -> bool {
    if target.is_absolute() {
        return false;
    }
    let mut depth = link.as_path().components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::ParentDir => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

/// A file's time of change in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// What a project's folder holds, sorted by path. Data: it does not change when the files do.
#[derive(Debug, Clone)]
pub struct Scan {
    pub(super) folder: PathBuf,
    pub(super) entries: Arc<[Entry]>,
    skipped: Vec<Skipped>,
    pub(super) now: i64,
}

impl Scan {
    #[cfg(test)]
    pub(super) fn of(folder: PathBuf, entries: Vec<Entry>, now: i64) -> Self {
        Self { folder, entries: entries.into(), skipped: Vec::new(), now }
    }

    /// The files, folders and links, sorted by path; a folder comes before what is in it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is there and was left out, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(folder)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    fn write(folder: &Path, path: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn scan(workspace: &Workspace) -> Scan {
        workspace.scan_now(SystemTime::now()).unwrap()
    }

    fn paths(scan: &Scan) -> Vec<String> {
        scan.entries().iter().map(|entry| entry.path.to_string()).collect()
    }

    #[test]
    fn lists_what_git_tracks_or_would_track() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init"]);
        for path in [
            "a.rs",
            "deleted",
            "src/b.rs",
            "out/kept.log",
            "out/x.log",
            "new",
            "ü/ n\n",
            "was/folder",
        ] {
            write(root, path);
        }
        fs::write(root.join(".gitignore"), "*.log\n").unwrap();
        git(root, &["add", "-f", "a.rs", "deleted", "src", "out/kept.log", "was"]);
        git(root, &["commit", "-m", "one"]);
        fs::remove_file(root.join("deleted")).unwrap();
        fs::remove_dir_all(root.join("was")).unwrap();
        symlink("src", root.join("was")).unwrap();
        write(root, "src/folder");
        let scan = scan(&Workspace::new(root));
        let expected = [
            ".gitignore",
            "a.rs",
            "new",
            "out",
            "out/kept.log",
            "src",
            "src/b.rs",
            "src/folder",
            "was",
            "ü",
            "ü/ n\\n",
        ];
        assert_eq!(paths(&scan), expected);
        let was = scan.entries().iter().find(|entry| entry.path.as_bytes() == b"was").unwrap();
        assert_eq!(was.kind, EntryKind::Link { target: b"src".to_vec() });
    }

    #[test]
    fn lists_a_folder_inside_a_repository_alone() {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init"]);
        write(folder.path(), "outside");
        write(folder.path(), "part/inside");
        write(folder.path(), "part/x.log");
        fs::write(folder.path().join(".gitignore"), "*.log\n").unwrap();
        let part = Workspace::new(folder.path().join("part"));
        assert_eq!(paths(&scan(&part)), ["inside"]);
        let without = part.git("no-such-program-anywhere");
        assert_eq!(paths(&scan(&without)), ["inside"]);
    }

    #[test]
    fn lists_repositories_inside_as_folders_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init"]);
        fs::create_dir(root.join("inner")).unwrap();
        git(&root.join("inner"), &["init"]);
        write(root, "inner/file");
        git(&root.join("inner"), &["add", "."]);
        git(&root.join("inner"), &["commit", "-m", "one"]);
        let untracked = scan(&Workspace::new(root));
        assert_eq!(paths(&untracked), ["inner"]);
        assert_eq!(untracked.skipped()[0].reason, SkipReason::Repository);
        git(root, &["submodule", "add", "./inner", "module"]);
        assert_eq!(paths(&scan(&Workspace::new(root))), [".gitmodules", "inner", "module"]);
    }

    #[test]
    fn reads_ignore_rules_where_there_is_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        for path in ["a", "x.log", ".hidden", "sub/y.tmp", "sub/z", "empty/no.log"] {
            write(&project, path);
        }
        write(folder.path(), ".gitignore");
        fs::write(folder.path().join(".gitignore"), "a\n").unwrap();
        fs::write(project.join(".gitignore"), "*.log\n").unwrap();
        fs::write(project.join(".ignore"), "*.tmp\n").unwrap();
        let found = paths(&scan(&Workspace::new(&project)));
        assert_eq!(found, [".gitignore", ".hidden", ".ignore", "a", "empty", "sub", "sub/z"]);
    }

    #[test]
    fn leaves_out_sockets_and_reserved_names() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ".berth-workspace");
        write(folder.path(), "a");
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
        let scan = scan(&Workspace::new(folder.path()));
        assert_eq!(paths(&scan), ["a"]);
        let reasons: Vec<_> = scan.skipped().iter().map(|skipped| skipped.reason).collect();
        assert_eq!(reasons, [SkipReason::Reserved, SkipReason::Special]);
    }

    #[test]
    fn fails_where_git_fails_instead_of_guessing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".git"), "gitdir: /nowhere\n").unwrap();
        let error = Workspace::new(folder.path()).scan_now(SystemTime::now()).unwrap_err();
        assert!(matches!(error, WorkspaceError::Git { .. }));
        let error = Workspace::new("/no/such/folder").scan_now(SystemTime::now()).unwrap_err();
        assert!(matches!(error, WorkspaceError::Folder { .. }));
    }
}
