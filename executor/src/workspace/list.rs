//! Which files a project has: what Git tracks or would track, or, without Git, what no rule
//! ignores.
//!
//! Git is asked by running it. Reading ignore rules alone would not do: a tracked file that matches
//! a rule belongs to the project, and only Git's index knows that it is tracked.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ignore::WalkBuilder;

use super::{RelativePath, WorkspaceError};

/// How the files of a project were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// By Git.
    Git,
    /// By reading ignore rules.
    Rules,
}

/// The paths of the project in `folder`; folders only where nothing in them is listed.
pub(super) fn list(
    folder: &Path,
    git: &OsStr,
) -> Result<(Listing, BTreeSet<RelativePath>), WorkspaceError> {
    let in_repository = folder.ancestors().any(|folder| folder.join(".git").exists());
    if in_repository && let Some(paths) = by_git(folder, git)? {
        return Ok((Listing::Git, paths));
    }
    Ok((Listing::Rules, by_rules(folder, in_repository)?))
}

/// What Git lists, or nothing when there is no such program.
fn by_git(folder: &Path, git: &OsStr) -> Result<Option<BTreeSet<RelativePath>>, WorkspaceError> {
    let failed = |detail: String| WorkspaceError::Git { path: folder.to_owned(), detail };
    let output = Command::new(git)
        // A program that the repository names is not run by listing its files.
        .args(["-c", "core.fsmonitor=false", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(folder)
        // Set in hooks, they would point to another repository or index than the folder's own.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_PREFIX")
        // Listing must not wait for, or write, anything.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // A merge with conflicts lists a path several times. A repository inside ends in a slash.
    Ok(Some(
        output
            .stdout
            .split(|byte| *byte == 0)
            .map(|path| path.strip_suffix(b"/").unwrap_or(path))
            .filter_map(RelativePath::new)
            .collect(),
    ))
}

fn by_rules(folder: &Path, in_repository: bool) -> Result<BTreeSet<RelativePath>, WorkspaceError> {
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .follow_links(false)
        .require_git(false)
        // Above a project that is in no repository are files that have nothing to do with it.
        .parents(in_repository)
        .git_global(in_repository)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut paths = BTreeSet::new();
    for entry in walk {
        let entry = entry.map_err(|error| WorkspaceError::Folder {
            path: folder.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| io::Error::other("ignore rules")),
        })?;
        let path = entry.path().strip_prefix(folder).map(PathBuf::from).unwrap_or_default();
        // The folder itself is not below it.
        paths.extend(RelativePath::new(path.as_os_str().as_bytes()));
    }
    Ok(paths)
}
