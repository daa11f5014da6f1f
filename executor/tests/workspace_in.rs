//! A project on its way into a build folder: the archive is unpacked by another program's rules, and
//! the script is run by this machine's `sh`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use executor::workspace::{
    Changes, MANIFEST_NAME, Manifest, Owner, PackReport, SCRIPT_NAME, STALE_NAME, STALE_STATUS,
    Scan, SkipReason, Workspace, WorkspaceError, read_manifest,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

const NEXT_NAME: &str = ".berth-workspace.next";

/// A project and a build folder.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        fs::create_dir(folder.path().join("build")).unwrap();
        Self { folder }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn build(&self) -> PathBuf {
        self.folder.path().join("build")
    }

    /// Writes a file that changed an hour ago.
    fn write(&self, path: &str, content: &str) {
        write(&self.project().join(path), content, Duration::from_hours(1));
    }

    async fn scan(&self) -> Scan {
        self.scan_at(SystemTime::now()).await
    }

    async fn scan_at(&self, now: SystemTime) -> Scan {
        Workspace::new(self.project()).scan(now).await.unwrap()
    }

    fn manifest(&self) -> Option<Manifest> {
        Manifest::parse(&fs::read(self.build().join(MANIFEST_NAME)).ok()?)
    }

    /// Sends what changed, as the engine would; the script's status.
    async fn send(&self) -> (Changes, i32) {
        let changes = self.scan().await.changes(self.manifest().as_ref());
        let status = self.upload(&changes).await;
        (changes, status)
    }

    async fn upload(&self, changes: &Changes) -> i32 {
        let (archive, _) = pack(changes).await.unwrap();
        self.unpack(&archive);
        self.script()
    }

    /// As the engine does: a file replaces a file or link, and never a folder.
    fn unpack(&self, archive: &[u8]) {
        let mut archive = tar::Archive::new(archive);
        archive.set_preserve_permissions(true);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let place = self.build().join(entry.path().unwrap());
            if !entry.header().entry_type().is_dir() {
                fs::remove_file(place).ok();
            }
            assert!(entry.unpack_in(self.build()).unwrap());
        }
    }

    fn script(&self) -> i32 {
        let status = Command::new("sh").arg(SCRIPT_NAME).current_dir(self.build()).status();
        status.unwrap().code().unwrap()
    }

    /// Says that the build folder has the project's files, and what else it has.
    fn others(&self) -> Vec<String> {
        let mut build = tree(&self.build());
        for (path, content) in tree(&self.project()) {
            assert_eq!(build.remove(&path), Some(content), "{path}");
        }
        build.into_keys().filter(|path| !path.starts_with(".berth-workspace")).collect()
    }
}

fn write(path: &Path, content: &str, age: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// What is below a folder: kind, mode, time in seconds and content.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let text = if metadata.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                format!("folder {:o}", metadata.mode() & 0o777)
            } else {
                let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                format!("{:o} {} {content}", metadata.mode() & 0o777, metadata.mtime())
            };
            found.insert(path.strip_prefix(folder).unwrap().display().to_string(), text);
        }
    }
    found
}

async fn pack(changes: &Changes) -> Result<(Vec<u8>, PackReport), WorkspaceError> {
    let (stream, packing) = changes.pack(Owner::default());
    let archive: io::Result<Vec<Bytes>> = stream.try_collect().await;
    let report = packing.finish().await?;
    Ok((archive.unwrap().concat(), report))
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test]
async fn brings_a_project_into_an_empty_build_folder() {
    let pair = Pair::new();
    let long = "d".repeat(120);
    pair.write("a", "1");
    pair.write(&format!("{long}/{long}/f"), "deep");
    pair.write("run.sh", "#!/bin/sh");
    pair.write("it's \"$(odd)\"\n-n `x`", "odd");
    pair.write("large", &"x".repeat(200_001));
    pair.write("empty", "");
    let mode = |path: &str, mode| {
        fs::set_permissions(pair.project().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("run.sh", 0o4755);
    mode(&long, 0o750);
    symlink("./outside/", pair.project().join("link")).unwrap();
    symlink(format!("/{}", "t/".repeat(80)), pair.project().join("long link")).unwrap();
    let (changes, status) = pair.send().await;
    assert_eq!((changes.files(), status), (6, 0));
    mode("run.sh", 0o755);
    assert!(pair.others().is_empty());
    let target = fs::read_link(pair.build().join("link")).unwrap();
    assert_eq!(target.as_os_str(), "./outside/");
    let (changes, status) = pair.send().await;
    assert!(changes.is_unchanged());
    assert_eq!((changes.files(), changes.kept(), status), (0, 6, 0));
}

#[tokio::test]
async fn sends_only_what_changed_and_leaves_the_jobs_own_files() {
    let pair = Pair::new();
    for path in ["a", "b", "src/c", "src/deep/d", "old/x", "old/y", "gone/z"] {
        pair.write(path, "1");
    }
    pair.send().await;
    write(&pair.build().join("target/out"), "built", Duration::ZERO);
    write(&pair.build().join("old/out"), "built", Duration::ZERO);
    pair.write("b", "22");
    pair.write("new/e", "1");
    fs::remove_dir_all(pair.project().join("old")).unwrap();
    fs::remove_dir_all(pair.project().join("gone")).unwrap();
    let (changes, status) = pair.send().await;
    assert_eq!((changes.files(), changes.kept(), status), (2, 3, 0));
    assert_eq!(pair.others(), ["old", "old/out", "target", "target/out"]);
    assert!(pair.send().await.0.removals().next().is_none());
}

#[tokio::test]
async fn notices_what_a_job_did_to_the_projects_files() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 6] = [
        ("changes", |build| fs::write(build.join("src/a"), "changed").unwrap()),
        ("changes to the same size", |build| fs::write(build.join("src/a"), "2").unwrap()),
        ("removes", |build| fs::remove_file(build.join("src/a")).unwrap()),
        ("closes", |build| {
            fs::set_permissions(build.join("src/a"), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("puts a link in place of", |build| {
            fs::remove_file(build.join("src/a")).unwrap();
            symlink("/etc/passwd", build.join("src/a")).unwrap();
        }),
        ("puts a folder in place of", |build| {
            fs::remove_file(build.join("src/a")).unwrap();
            fs::create_dir_all(build.join("src/a/b")).unwrap();
        }),
    ];
    for (deed, act) in deeds {
        let pair = Pair::new();
        pair.write("src/a", "1");
        pair.write("b", "1");
        pair.send().await;
        act(&pair.build());
        let (changes, status) = pair.send().await;
        assert_eq!((changes.files(), status), (0, STALE_STATUS.into()), "{deed}");
        assert!(pair.build().join(STALE_NAME).exists(), "{deed}");
        let full = pair.scan().await.full(pair.manifest().as_ref());
        assert_eq!(pair.upload(&full).await, 0, "{deed}");
        assert!(pair.others().is_empty(), "{deed}");
        assert!(!pair.build().join(STALE_NAME).exists(), "{deed}");
    }
}

#[tokio::test]
async fn replaces_files_by_folders_and_folders_by_files() {
    let pair = Pair::new();
    pair.write("a", "1");
    pair.write("b/x/y", "1");
    pair.write("c", "1");
    pair.send().await;
    write(&pair.build().join("b/out"), "built", Duration::ZERO);
    fs::remove_file(pair.project().join("a")).unwrap();
    fs::remove_dir_all(pair.project().join("b")).unwrap();
    pair.write("a/z", "1");
    symlink("c", pair.project().join("b")).unwrap();
    let before = pair.manifest();
    let (changes, status) = pair.send().await;
    assert!(changes.needs_second_upload());
    assert_eq!(status, i32::from(STALE_STATUS));
    let full = pair.scan().await.full(before.as_ref());
    assert_eq!(pair.upload(&full).await, 0);
    assert!(pair.others().is_empty());
    assert!(pair.send().await.0.is_unchanged());
}

#[tokio::test]
async fn removes_ten_thousand_files_and_never_through_a_link() {
    let pair = Pair::new();
    for index in 0..10_000 {
        pair.write(&format!("many/{}/it's {index}\n", index % 7), "");
    }
    pair.write("linked/x", "1");
    pair.send().await;
    let outside = pair.folder.path().join("outside");
    write(&outside.join("x"), "precious", Duration::ZERO);
    fs::remove_dir_all(pair.build().join("linked")).unwrap();
    symlink(&outside, pair.build().join("linked")).unwrap();
    fs::remove_dir_all(pair.project().join("many")).unwrap();
    fs::remove_dir_all(pair.project().join("linked")).unwrap();
    let (changes, status) = pair.send().await;
    assert_eq!((changes.removals().count(), status), (10_001 + 9, 0));
    assert_eq!(pair.others(), ["linked"]);
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "precious");
}

#[tokio::test]
async fn an_interrupted_upload_claims_nothing_and_forgets_nothing() {
    let pair = Pair::new();
    for path in ["a", "b", "gone"] {
        pair.write(path, &"1".repeat(3000));
    }
    pair.send().await;
    let complete = pair.manifest().unwrap();
    fs::remove_file(pair.project().join("gone")).unwrap();
    pair.write("a", "2");
    pair.write("later", "2");
    let changes = pair.scan().await.changes(Some(&complete));
    let (archive, _) = pack(&changes).await.unwrap();
    let expected = [MANIFEST_NAME, "a", "later", SCRIPT_NAME, NEXT_NAME, MANIFEST_NAME];
    assert_eq!(names(&archive), expected);
    // Cut off in the middle of the last manifest.
    let cut = archive.len() - 1024 - 512 - 500;
    let mut partial = tar::Archive::new(&archive[..cut]);
    assert!(partial.unpack(pair.build()).is_err());
    assert!(!pair.manifest().unwrap().is_complete());
    fs::remove_file(pair.project().join("later")).unwrap();
    let (changes, status) = pair.send().await;
    assert_eq!((changes.files(), changes.kept(), status), (2, 0, 0));
    let removed: Vec<_> = changes.removals().map(ToString::to_string).collect();
    assert_eq!(removed, ["gone", "later"]);
    assert!(pair.others().is_empty());
}

#[tokio::test]
async fn asks_for_removals_again_until_the_script_has_run() {
    let pair = Pair::new();
    pair.write("a", "1");
    pair.write("gone", "1");
    pair.send().await;
    fs::remove_file(pair.project().join("gone")).unwrap();
    for _ in 0..2 {
        let changes = pair.scan().await.changes(pair.manifest().as_ref());
        assert_eq!(changes.removals().count(), 1);
        pair.unpack(&pack(&changes).await.unwrap().0);
    }
    assert_eq!(pair.script(), 0);
    assert!(pair.send().await.0.removals().next().is_none());
}

#[tokio::test]
async fn sends_a_file_again_that_changed_just_before_it_was_read() {
    let pair = Pair::new();
    let file = pair.project().join("a");
    write(&file, "1", Duration::ZERO);
    let then = fs::metadata(file).unwrap().modified().unwrap();
    pair.upload(&pair.scan_at(then).await.changes(None)).await;
    let (changes, _) = pair.send().await;
    assert_eq!(changes.files(), 1);
}

#[tokio::test]
async fn clears_the_way_when_the_engine_refused() {
    let pair = Pair::new();
    pair.write("src/a", "1");
    pair.write("b", "1");
    fs::create_dir_all(pair.build().join("b/made/by/job")).unwrap();
    let outside = pair.folder.path().join("outside");
    write(&outside.join("a"), "precious", Duration::ZERO);
    symlink(&outside, pair.build().join("src")).unwrap();
    let scan = pair.scan().await;
    pair.unpack(&scan.repair_archive());
    assert_eq!(pair.script(), i32::from(STALE_STATUS));
    assert_eq!(pair.upload(&scan.full(None)).await, 0);
    assert!(pair.others().is_empty());
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "precious");
}

#[tokio::test]
async fn leaves_out_what_vanished_and_cuts_off_what_grew() {
    let pair = Pair::new();
    let old = "1".repeat(500_000);
    for path in ["gone", "grown", "link", "small"] {
        pair.write(path, &old);
    }
    let scan = pair.scan().await;
    fs::remove_file(pair.project().join("gone")).unwrap();
    fs::remove_file(pair.project().join("link")).unwrap();
    symlink("/etc/passwd", pair.project().join("link")).unwrap();
    pair.write("small", "1");
    let changes = scan.changes(None);
    let (archive, report) = pack(&changes).await.unwrap();
    let reasons: Vec<_> = report.skipped.iter().map(|skipped| skipped.reason).collect();
    assert_eq!(reasons, [SkipReason::Vanished, SkipReason::Vanished]);
    let expected = [MANIFEST_NAME, "grown", "small", SCRIPT_NAME, NEXT_NAME, MANIFEST_NAME];
    assert_eq!(names(&archive), expected);
    assert_eq!((report.files, report.bytes), (2, 500_001));
    pair.upload(&changes).await;
    assert!(pair.manifest().unwrap().is_complete());
}

#[tokio::test]
async fn a_file_that_shrinks_ends_the_archive_with_a_fault() {
    let pair = Pair::new();
    pair.write("a", &"1".repeat(4_000_000));
    let (mut stream, packing) = pair.scan().await.changes(None).pack(Owner::default());
    // More than the pipe holds is still unread, so that packing waits in the middle.
    stream.next().await.unwrap().unwrap();
    let file = fs::OpenOptions::new().write(true).open(pair.project().join("a")).unwrap();
    file.set_len(100_000).unwrap();
    let rest: Vec<_> = stream.collect().await;
    assert!(rest.last().unwrap().is_err());
    assert!(matches!(packing.finish().await, Err(WorkspaceError::Shrunk { .. })));
}

#[tokio::test]
async fn packs_while_files_change_and_never_makes_a_corrupt_archive() {
    let pair = Pair::new();
    for index in 0..40 {
        pair.write(&format!("f{index}"), &"x".repeat(1000 * (index + 1)));
    }
    let scan = pair.scan().await;
    let project = pair.project();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = std::thread::spawn(move || {
        for round in 0_u64.. {
            if stopped.load(std::sync::atomic::Ordering::Relaxed) {
                return;
            }
            let path = project.join(format!("f{}", round % 40));
            if round % 5 == 0 {
                fs::remove_file(path).ok();
            } else {
                fs::write(path, "y".repeat(usize::try_from(round * 7919 % 60_000).unwrap()))
                    .unwrap();
            }
        }
    });
    for _ in 0..100 {
        let (archive, _) = pack(&scan.changes(None)).await.unwrap();
        let mut cursor = io::Cursor::new(archive);
        let mut read = 0;
        for entry in tar::Archive::new(&mut cursor).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!(content.len() as u64, entry.size());
            read += 1;
        }
        assert!(read >= 3);
        cursor.rewind().unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn a_dropped_archive_ends_the_packing() {
    let pair = Pair::new();
    pair.write("a", &"1".repeat(4_000_000));
    let (stream, packing) = pair.scan().await.changes(None).pack(Owner::default());
    let progress = packing.progress();
    drop(stream);
    assert!(matches!(packing.finish().await, Err(WorkspaceError::Abandoned)));
    assert_eq!(progress.count().total_bytes, 4_000_000);
    assert!(progress.count().bytes < 1_000_000);
}

#[tokio::test]
async fn gives_the_owner_to_every_entry_and_counts_what_it_packs() {
    let pair = Pair::new();
    pair.write("d/a", "123");
    symlink("a", pair.project().join("d/l")).unwrap();
    let owner = Owner { user: 1000, group: 3_000_000_000 };
    let (stream, packing) = pair.scan().await.changes(None).pack(owner);
    let archive: Vec<Bytes> = stream.try_collect().await.unwrap();
    let count = packing.progress().count();
    assert_eq!((count.files, count.bytes, count.total_files, count.total_bytes), (1, 3, 1, 3));
    for entry in tar::Archive::new(archive.concat().as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (1000, 3_000_000_000));
    }
}

#[tokio::test]
async fn reads_the_manifest_from_the_engines_archive() {
    let archive = |name: &str, kind, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, name, content).unwrap();
        builder.into_inner().unwrap()
    };
    let read = async |bytes: Vec<u8>| {
        let pieces: Vec<io::Result<Bytes>> =
            bytes.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        read_manifest(stream::iter(pieces)).await
    };
    let text = b"berth-workspace 1 complete\nd a\nend 1\n";
    let file = tar::EntryType::Regular;
    let good = archive(MANIFEST_NAME, file, text);
    assert!(read(good.clone()).await.unwrap().unwrap().is_complete());
    assert!(read(archive(MANIFEST_NAME, file, b"nonsense")).await.unwrap().is_none());
    let folder = archive(MANIFEST_NAME, tar::EntryType::Directory, b"");
    assert!(read(folder).await.unwrap().is_none());
    let cut = read(good[..520].to_vec()).await;
    assert!(matches!(cut, Err(WorkspaceError::Archive(_))));
    let lost = stream::iter([Err::<Bytes, _>(io::Error::other("lost"))]);
    assert!(matches!(read_manifest(lost).await, Err(WorkspaceError::Transfer { .. })));
}

#[tokio::test]
async fn leaves_out_links_that_climb_out_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for (link, target) in [
        ("up", "../sibling"),
        ("sub/far", "../../x"),
        ("sub/near", "../up"),
        ("absolute", "/etc/hosts"),
        ("loop", "loop"),
    ] {
        std::os::unix::fs::symlink(target, folder.path().join(link)).unwrap();
    }
    let scan = Workspace::new(folder.path()).scan(SystemTime::now()).await.unwrap();
    let left_out: Vec<_> =
        scan.skipped().iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect();
    let outside = SkipReason::LinkOutside;
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out.contains(&("up", outside)) && left_out.contains(&("sub/far", outside)));
    assert_eq!(scan.entries().len(), 4, "the folder and the three other links");
}
