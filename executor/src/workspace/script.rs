//! The script that does in the container what an archive cannot: remove, and look.
//!
//! Plain POSIX `sh`, `rm` and `rmdir`, and `stat -c`, which coreutils, `BusyBox` and Toybox have.
//! Without `stat` no file counts as looked at, so that everything is sent each time.

use std::io::Write as _;

use super::{
    Changes, Entry, EntryKind, RelativePath, SCRIPT_NAME, Scan,
    pack::{header_time, single},
};

/// How many paths one call takes. `set --` in the functions is quadratic in it; a call of a program
/// costs half a millisecond.
const BATCH: usize = 100;
/// So that the paths of one call fit into the arguments of a program, whatever their length.
const BATCH_BYTES: usize = 64 * 1024;

/// The functions. No path has a `-` first: all begin with `./`.
const HEAD: &str = r#"# Written by berth for its workspace; runs in the build folder before the job.
LC_ALL=C
[ -f ./.berth-workspace.sh ] || { echo 'berth: not in the build folder' >&2; exit 1; }
rm -f ./.berth-workspace.stale
failed= stale=
# Are all of these folders, and no links to some?
t() { for p do [ -d "$p" ] && [ ! -h "$p" ] || return 1; done; }
# Removes what is no folder: a folder here is the job's own.
x() {
  n=$#
  while [ "$n" -gt 0 ]; do
    if [ -h "$1" ] || [ ! -d "$1" ]; then set -- "$@" "$1"; fi
    shift; n=$((n - 1))
  done
  [ "$#" -eq 0 ] || rm -f "$@" || failed=1
}
# Removes folders that are empty.
d() { rmdir "$@" 2>/dev/null; }
# Removes what is in the way.
o() { rm -rf "$@" || failed=1; stale=1; }
# Are these files what they were left as? Clears the way where one is a folder now.
k() {
  e=$1; shift
  [ "$(stat -c '%f %s %Y' "$@" 2>/dev/null)" = "$e" ] && return
  stale=1
  for p do if [ -d "$p" ] && [ ! -h "$p" ]; then rm -rf "$p" || failed=1; fi; done
}
# Clears the way for files, and for folders.
f() { for p do if [ -d "$p" ] && [ ! -h "$p" ]; then rm -rf "$p" || failed=1; fi; done; }
g() { for p do if [ -h "$p" ] || { [ -e "$p" ] && [ ! -d "$p" ]; }; then rm -f "$p" || failed=1; fi; done; }
"#;

const REMOVED: &str = r#"[ -n "$failed" ] || { [ ! -h ./.berth-workspace ] && echo removed >> ./.berth-workspace; } 2>/dev/null
"#;

const TAIL: &str = r#"if [ -n "$failed" ]; then
  echo 'berth: files of the project could not be removed from the build folder' >&2
  exit 1
fi
if [ -n "$stale" ]; then
  { echo > ./.berth-workspace.stale; } 2>/dev/null
  exit 79
fi
rm -f ./.berth-workspace.sh 2>/dev/null
exit 0
"#;

impl Changes {
    /// The script's text, as it is in the archive under [`SCRIPT_NAME`].
    ///
    /// It removes what vanished from the project and looks at the files that are not sent. It
    /// follows no link and touches nothing outside its working directory; it may run twice.
    pub fn script(&self) -> Vec<u8> {
        let mut script = HEAD.as_bytes().to_vec();
        for path in &self.obstacles {
            guarded(&mut script, path.parent().as_ref(), "o", &[path]);
        }
        let mut rest = self.files_gone.as_slice();
        while let Some(first) = rest.first() {
            let parent = first.parent();
            let length = rest.iter().take_while(|path| path.parent() == parent).count();
            let (siblings, others) = rest.split_at(length);
            for batch in batches(siblings.iter()) {
                guarded(&mut script, parent.as_ref(), "x", &batch);
            }
            rest = others;
        }
        // What is in a folder sorts after it.
        for path in self.folders_gone.iter().rev() {
            guarded(&mut script, path.parent().as_ref(), "d", &[path]);
        }
        if self.removals().next().is_some() {
            script.extend_from_slice(REMOVED.as_bytes());
        }
        let kept: Vec<&Entry> = self.kept.iter().map(|index| &self.entries[*index]).collect();
        for batch in batches(kept.iter().map(|entry| &entry.path)) {
            script.extend_from_slice(b"k '");
            // The paths are in the order of the entries, and so are the batches.
            for (position, path) in batch.iter().enumerate() {
                let entry = kept.binary_search_by(|entry| entry.path.cmp(path));
                let Some(entry) = entry.ok().and_then(|index| kept.get(index)) else { continue };
                let EntryKind::File { size } = entry.kind else { continue };
                let end = if position == 0 { "" } else { "\n" };
                let mode = 0o100_000 | entry.mode;
                let time = header_time(entry.modified);
                write!(script, "{end}{mode:x} {size} {time}").ok();
            }
            script.push(b'\'');
            call(&mut script, &batch);
        }
        script.extend_from_slice(TAIL.as_bytes());
        script
    }
}

impl Scan {
    /// An archive with nothing but a script, for when the engine refused an upload because a job
    /// had put a folder in a file's place, or a file or link in a folder's: run it, and it
    /// clears the way and ends with [`STALE_STATUS`](crate::workspace::STALE_STATUS). Then send everything.
    pub fn repair_archive(&self) -> Vec<u8> {
        let mut script = HEAD.as_bytes().to_vec();
        for (function, folders) in [("g", true), ("f", false)] {
            let paths = self.entries.iter().filter(|e| (e.kind == EntryKind::Folder) == folders);
            for batch in batches(paths.map(|entry| &entry.path)) {
                script.extend_from_slice(function.as_bytes());
                call(&mut script, &batch);
            }
        }
        script.extend_from_slice(b"stale=1\n");
        script.extend_from_slice(TAIL.as_bytes());
        single(SCRIPT_NAME, &script)
    }
}

/// A call of `function`, if the folders on the way to its arguments are such.
fn guarded(
    script: &mut Vec<u8>,
    parent: Option<&RelativePath>,
    function: &str,
    paths: &[&RelativePath],
) {
    if let Some(parent) = parent {
        let mut folders: Vec<_> = parent.ancestors().collect();
        folders.reverse();
        folders.push(parent.clone());
        script.push(b't');
        for folder in &folders {
            quote(script, folder);
        }
        script.extend_from_slice(b" && ");
    }
    script.extend_from_slice(function.as_bytes());
    call(script, paths);
}

fn call(script: &mut Vec<u8>, paths: &[&RelativePath]) {
    for path in paths {
        quote(script, path);
    }
    script.push(b'\n');
}

/// Between single quotes nothing means anything to a shell but the quote itself.
fn quote(script: &mut Vec<u8>, path: &RelativePath) {
    script.extend_from_slice(b" './");
    for &byte in path.as_bytes() {
        if byte == b'\'' {
            script.extend_from_slice(b"'\\''");
        } else {
            script.push(byte);
        }
    }
    script.push(b'\'');
}

fn batches<'a>(paths: impl Iterator<Item = &'a RelativePath>) -> Vec<Vec<&'a RelativePath>> {
    let mut batches: Vec<Vec<&RelativePath>> = Vec::new();
    let mut bytes = 0;
    for path in paths {
        let length = path.as_bytes().len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + length < BATCH_BYTES => {
                batch.push(path);
                bytes += length;
            }
            _ => {
                batches.push(vec![path]);
                bytes = length;
            }
        }
    }
    batches
}
