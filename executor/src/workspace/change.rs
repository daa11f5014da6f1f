//! What differs between a project and the build folder, as its manifest tells. Pure.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{Entry, EntryKind, Manifest, RelativePath, Scan, manifest::Known};

/// A file that changed less than this before it was read can change again within the same tick of
/// its file system's clock. Two seconds is the tick of FAT, the slowest.
const SETTLED: i64 = 2_000_000_000;

/// What has to be done so that a build folder holds a project as it is.
#[derive(Debug, Clone)]
pub struct Changes {
    pub(super) folder: PathBuf,
    pub(super) entries: Arc<[Entry]>,
    pub(super) now: i64,
    /// What is sent, by its place in `entries`. Folders and links always are: they cost a header,
    /// and so nobody needs to look at them.
    pub(super) send: Vec<usize>,
    /// The files that are there already, by their place in `entries`.
    pub(super) kept: Vec<usize>,
    /// What is in the way of something of another kind, not in one another.
    pub(super) obstacles: Vec<RelativePath>,
    /// Files and links that vanished, sorted.
    pub(super) files_gone: Vec<RelativePath>,
    /// Folders that vanished, sorted.
    pub(super) folders_gone: Vec<RelativePath>,
    /// What the manifest will claim; the files that are sent have no time yet.
    pub(super) claims: BTreeMap<RelativePath, Known>,
    unchanged: bool,
    bytes: u64,
    files: u64,
}

impl Scan {
    /// What has to be done for a build folder that holds what `manifest` says. Without one, or
    /// when it is of an upload that was interrupted, everything is sent.
    pub fn changes(&self, manifest: Option<&Manifest>) -> Changes {
        Changes::between(self, manifest, false)
    }

    /// Everything is sent, whatever the manifest says; it only tells what to remove. For when the
    /// script ended with [`STALE_STATUS`](super::STALE_STATUS), and for jobs without a shell: these
    /// can check and remove nothing.
    pub fn full(&self, manifest: Option<&Manifest>) -> Changes {
        Changes::between(self, manifest, true)
    }
}

impl Changes {
    pub(super) fn between(scan: &Scan, manifest: Option<&Manifest>, full: bool) -> Self {
        let nothing = BTreeMap::new();
        let old = manifest.map_or(&nothing, |manifest| &manifest.entries);
        let trusted = !full && manifest.is_some_and(|manifest| manifest.complete);
        let mut changes = Self {
            folder: scan.folder.clone(),
            entries: scan.entries.clone(),
            now: scan.now,
            send: Vec::new(),
            kept: Vec::new(),
            obstacles: Vec::new(),
            files_gone: Vec::new(),
            folders_gone: Vec::new(),
            claims: BTreeMap::new(),
            unchanged: false,
            bytes: 0,
            files: 0,
        };
        for (index, entry) in scan.entries.iter().enumerate() {
            // When everything is sent again, the script has cleared the way before.
            if !full && changes.defer(entry, old) {
                continue;
            }
            let known = known(entry);
            let same = trusted
                && matches!(
                    (known, old.get(&entry.path)),
                    (Known::File { .. }, Some(old)) if *old == known
                );
            if same {
                changes.kept.push(index);
                changes.claims.insert(entry.path.clone(), known);
                continue;
            }
            changes.send.push(index);
            let claim = match known {
                Known::File { size, mode, .. } => {
                    changes.bytes += size;
                    changes.files += 1;
                    Known::File { size, mode, modified: None }
                }
                other => other,
            };
            changes.claims.insert(entry.path.clone(), claim);
        }
        for (path, known) in old {
            if changes.claims.contains_key(path) {
                continue;
            }
            changes.claims.insert(path.clone(), Known::Gone { folder: known.is_folder() });
            if changes.is_obstructed(path) {
                continue;
            }
            let gone =
                if known.is_folder() { &mut changes.folders_gone } else { &mut changes.files_gone };
            gone.push(path.clone());
        }
        changes.unchanged = trusted && changes.files == 0 && changes.claims == *old;
        changes
    }

    /// Whether the entry has to wait until something of another kind is out of its way.
    fn defer(&mut self, entry: &Entry, old: &BTreeMap<RelativePath, Known>) -> bool {
        if self.is_obstructed(&entry.path) {
            return true;
        }
        let Some(known) = old.get(&entry.path) else { return false };
        let differs = known.is_folder() != (entry.kind == EntryKind::Folder);
        if differs {
            self.obstacles.push(entry.path.clone());
        }
        differs
    }

    fn is_obstructed(&self, path: &RelativePath) -> bool {
        let found = |path: &RelativePath| self.obstacles.binary_search(path).is_ok();
        !self.obstacles.is_empty() && (found(path) || path.ancestors().any(|folder| found(&folder)))
    }

    /// Whether the build folder holds the project already, if no job has changed it.
    pub fn is_unchanged(&self) -> bool {
        self.unchanged
    }

    /// How many files are sent.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes the files have that are sent.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files are there already and are not sent.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// What vanished from the project, or changed its kind, and is to be removed: files, links and
    /// folders. A folder that holds a job's files too is left with these.
    pub fn removals(&self) -> impl Iterator<Item = &RelativePath> {
        self.obstacles.iter().chain(&self.files_gone).chain(&self.folders_gone)
    }

    /// Whether it is already known that the script will end with
    /// [`STALE_STATUS`](super::STALE_STATUS): a file has become a folder or the other way round,
    /// and the old one has to go before the new one can be sent.
    pub fn needs_second_upload(&self) -> bool {
        !self.obstacles.is_empty()
    }
}

fn known(entry: &Entry) -> Known {
    match entry.kind {
        EntryKind::File { size } => {
            Known::File { size, mode: entry.mode, modified: Some(entry.modified) }
        }
        EntryKind::Folder => Known::Folder,
        EntryKind::Link { .. } => Known::Link,
    }
}

/// A file's time of change, if a later change must show in it.
pub(super) fn settled(modified: i64, now: i64) -> Option<i64> {
    (modified < now.saturating_sub(SETTLED)).then_some(modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    fn path(text: &str) -> RelativePath {
        RelativePath::new(text).unwrap()
    }

    fn file(text: &str, modified: i64) -> Entry {
        Entry { path: path(text), kind: EntryKind::File { size: 3 }, mode: 0o644, modified }
    }

    fn folder(text: &str) -> Entry {
        Entry { path: path(text), kind: EntryKind::Folder, mode: 0o755, modified: 1 }
    }

    fn scan(entries: Vec<Entry>) -> Scan {
        Scan::of(PathBuf::from("/project"), entries, NOW)
    }

    fn manifest(entries: &[(&str, Known)]) -> Manifest {
        let entries = entries.iter().map(|(text, known)| (path(text), *known)).collect();
        Manifest { complete: true, entries }
    }

    const FILE: Known = Known::File { size: 3, mode: 0o644, modified: Some(1) };

    fn sent(changes: &Changes) -> Vec<String> {
        changes.send.iter().map(|index| changes.entries[*index].path.to_string()).collect()
    }

    fn removed(changes: &Changes) -> Vec<String> {
        changes.removals().map(ToString::to_string).collect()
    }

    #[test]
    fn sends_everything_the_first_time() {
        let changes = scan(vec![file("a", 1), folder("b"), file("b/c", 2)]).changes(None);
        assert_eq!(sent(&changes), ["a", "b", "b/c"]);
        assert_eq!((changes.files(), changes.bytes(), changes.kept()), (2, 6, 0));
        assert!(!changes.is_unchanged());
    }

    #[test]
    fn sends_what_changed_and_removes_what_vanished() {
        let old = manifest(&[
            ("a", FILE),
            ("b", Known::Folder),
            ("b/c", FILE),
            ("b/mode", Known::File { size: 3, mode: 0o755, modified: Some(1) }),
            ("b/size", Known::File { size: 4, mode: 0o644, modified: Some(1) }),
            ("b/unsure", Known::File { size: 3, mode: 0o644, modified: None }),
            ("old", Known::Folder),
            ("old/x", FILE),
        ]);
        let names = ["b/c", "b/mode", "b/size", "b/unsure"];
        let mut entries = vec![file("a", 2), folder("b")];
        entries.extend(names.map(|name| file(name, 1)));
        let changes = scan(entries).changes(Some(&old));
        assert_eq!(sent(&changes), ["a", "b", "b/mode", "b/size", "b/unsure"]);
        assert_eq!(removed(&changes), ["old/x", "old"]);
        assert_eq!(changes.kept(), 1);
        assert_eq!(changes.claims[&path("old/x")], Known::Gone { folder: false });
    }

    #[test]
    fn knows_an_unchanged_project() {
        let old = manifest(&[("a", FILE)]);
        assert!(scan(vec![file("a", 1)]).changes(Some(&old)).is_unchanged());
        assert!(!scan(vec![file("a", 1)]).full(Some(&old)).is_unchanged());
        assert!(!scan(vec![file("a", 1), folder("b")]).changes(Some(&old)).is_unchanged());
        assert!(!scan(vec![]).changes(Some(&old)).is_unchanged());
    }

    #[test]
    fn sends_everything_after_an_interrupted_upload_and_still_removes() {
        let mut old = manifest(&[("a", FILE), ("gone", Known::Gone { folder: false })]);
        old.complete = false;
        let changes = scan(vec![file("a", 1)]).changes(Some(&old));
        assert_eq!(sent(&changes), ["a"]);
        assert_eq!(removed(&changes), ["gone"]);
    }

    #[test]
    fn clears_the_way_before_a_file_becomes_a_folder_or_a_folder_a_file() {
        let old = manifest(&[("a", FILE), ("b", Known::Folder), ("b/x", FILE), ("c", FILE)]);
        let now = scan(vec![folder("a"), file("a/y", 1), file("b", 1), file("c", 1)]);
        let first = now.changes(Some(&old));
        assert_eq!(removed(&first), ["a", "b"]);
        assert!(sent(&first).is_empty());
        assert!(first.needs_second_upload());
        assert_eq!(first.claims[&path("a")], Known::Gone { folder: false });
        assert_eq!(first.claims[&path("b")], Known::Gone { folder: true });
        let second = now.full(Some(&old));
        assert_eq!(sent(&second), ["a", "a/y", "b", "c"]);
        assert!(!second.needs_second_upload());
    }

    #[test]
    fn does_not_trust_the_time_of_a_file_that_has_just_changed() {
        assert_eq!(settled(NOW, NOW), None);
        assert_eq!(settled(NOW - SETTLED, NOW), None);
        assert_eq!(settled(NOW + 1, NOW), None);
        assert_eq!(settled(NOW - SETTLED - 1, NOW), Some(NOW - SETTLED - 1));
    }
}
