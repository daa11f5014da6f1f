//! Artifacts out of archives that were made to do harm.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use bytes::Bytes;
use executor::workspace::{
    ArchiveFault, ArtifactLimit, ArtifactReport, Artifacts, SkipReason, WorkspaceError,
};
use futures_util::stream;
use hostile::{Tar, World, pieces};
use tar::EntryType;

fn reasons(report: &ArtifactReport) -> Vec<SkipReason> {
    report.skipped.iter().map(|skipped| skipped.reason).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Names that lead out, or to where nothing may be put.
const NAMES: &str = "../secret|/secret|//secret|..|../|build/../secret|build/../../secret|\
    build/a/../../secret|build/a/../b|build/..|build/../|build/./../secret|\
    build//../secret|build/a/..|other/secret|other|./build/../../secret|./secret|\
    build2/a|Build/a|build/.git/config|build/.GIT/hooks/pre-commit|build/sub/.git/config|\
    build/.git|/||build /a|build/.gIt/x|/build/a|build\\..\\secret|../build/a";

/// Where a link must not lead.
const TARGETS: &str = "..|../secret|../outside|/etc/passwd|/||a/..|a/../..|a/../../x|./..|.//../secret|\
    a/b/../../../secret|.git/hooks|//secret|.GIT|/proc/self/root|./../outside/secret";

/// Archives that are whole, and of which some entry has to be refused.
fn refused() -> Vec<(String, Tar)> {
    let mut cases: Vec<(String, Tar)> = Vec::new();
    for name in NAMES.split('|') {
        // A file whose name ends in a slash is a folder, and a folder has no content.
        let make = |tar: Tar, name: &str| {
            if name.ends_with('/') { tar.folder(name) } else { tar.file(name) }
        };
        cases.push((format!("file {name:?}"), make(Tar::new(), name)));
        cases.push((format!("folder {name:?}"), Tar::new().folder(name)));
        let short = if name.ends_with('/') { "build/harmless/" } else { "build/harmless" };
        let long = make(Tar::new().long_name(name.as_bytes()), short);
        cases.push((format!("long name {name:?}"), long));
        let attribute = make(Tar::new().pax(&[("path", name.as_bytes())]), short);
        cases.push((format!("attribute {name:?}"), attribute));
    }
    for target in TARGETS.split('|') {
        let link = Tar::new().link("build/l", target);
        cases.push((format!("link {target:?}"), link.clone()));
        cases.push((format!("through link {target:?}"), link.clone().file("build/l/secret")));
        cases.push((format!("over link {target:?}"), link.file("build/l")));
        let long = Tar::new().long_link(target.as_bytes()).link("build/l", "harmless");
        if !target.is_empty() {
            cases.push((format!("long link {target:?}"), long));
        }
        let attribute = Tar::new().pax(&[("linkpath", target.as_bytes())]);
        cases.push((format!("attribute link {target:?}"), attribute.link("build/l", "harmless")));
    }
    for target in ["../secret", "/secret", "secret", "build/../secret", "build", "", "build/.git/x"]
    {
        cases.push((format!("hard link {target:?}"), Tar::new().hard("build/h", target)));
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let device = Tar::new().entry(kind, b"build/device", b"", b"");
        cases.push((format!("device {kind:?}"), device));
    }
    cases.extend(tricks().map(|(name, tar)| (name.to_owned(), tar)));
    cases
}

/// What single entries do not show.
fn tricks() -> [(&'static str, Tar); 18] {
    let chain = Tar::new().folder("build/a/").link("build/a/up", "..");
    [
        ("chain of links", chain.clone().link("build/b", "a/up/..").file("build/b/secret")),
        ("chain through itself", chain.clone().link("build/b", "a/up/../secret")),
        ("file through a link inside", chain.file("build/a/up/x")),
        ("folder over a link", Tar::new().link("build/l", "a").folder("build/l/")),
        ("link loop", Tar::new().link("build/l", "m").link("build/m", "l").file("build/l/x")),
        ("file, then below it", Tar::new().file("build/a").file("build/a/b")),
        ("file, then folder", Tar::new().file("build/a").folder("build/a/")),
        ("folder, then file", Tar::new().folder("build/a/").file("build/a")),
        ("folder, then link", Tar::new().folder("build/a/").link("build/a", "b")),
        ("hard link to a link", Tar::new().link("build/l", "x").hard("build/h", "build/l/../../x")),
        ("NUL in an attribute", Tar::new().pax(&[("path", b"build/a\0/../../secret")]).file("x")),
        ("NUL in a long name", Tar::new().long_name(b"build/a\0b").file("build/x")),
        ("NUL in a link", Tar::new().pax(&[("linkpath", b"a\0b")]).link("build/l", "x")),
        (
            "name of 300 bytes",
            Tar::new().long_name(&[b"build/", &[b'x'; 300][..]].concat()).file("x"),
        ),
        (
            "path of 9000 bytes",
            Tar::new().long_name(&[&b"build/x/".repeat(1125)[..], b"y"].concat()).file("x"),
        ),
        ("sparse", Tar::new().entry(EntryType::GNUSparse, b"build/s", b"", b"1")),
        ("sparse by attribute", Tar::new().pax(&[("GNU.sparse.major", b"1")]).file("build/s")),
        ("unknown kind", Tar::new().entry(EntryType::new(b'Z'), b"build/z", b"", b"1")),
    ]
}

#[tokio::test]
async fn refuses_what_leads_out_and_unpacks_the_rest() {
    let cases = refused();
    assert!(cases.len() > 200);
    for (case, tar) in cases {
        let world = World::new();
        let archive = tar.file("build/last").end();
        let report = match world.unpack(archive).await {
            Ok(report) => report,
            Err(error) => panic!("{case}: {error}"),
        };
        world.assert_unharmed(&case);
        // Backslashes are letters, and a link may lead where a name does not.
        let linked = !report.linked.is_empty();
        let harmless = case.contains('\\') || case.starts_with("over link");
        assert!(harmless || linked || !report.skipped.is_empty(), "{case}: {report:?}");
        if !case.contains("\"/\"") && !case.contains("long name \"\"") {
            assert_eq!(read(&world.out().join("last")), "evil", "{case}");
        }
    }
}

#[tokio::test]
async fn follows_no_link_that_was_there_before() {
    for (name, kind) in [("l/secret", "in"), ("l/new", "in"), ("l/", "folder"), ("l", "at")] {
        let world = World::new();
        symlink("../outside", world.out().join("l")).unwrap();
        let name = format!("build/{name}");
        let tar = if kind == "folder" { Tar::new().folder(&name) } else { Tar::new().file(&name) };
        let report = world.unpack(tar.end()).await.unwrap();
        if kind == "at" {
            assert!(report.skipped.is_empty());
            assert!(fs::symlink_metadata(world.out().join("l")).unwrap().is_file());
        } else {
            assert_eq!(reasons(&report), [SkipReason::InTheWay], "{name}");
            fs::remove_file(world.out().join("l")).unwrap();
        }
        world.assert_unharmed(&name);
    }
}

#[tokio::test]
async fn writes_to_a_file_of_its_own_where_a_hard_link_was() {
    let world = World::new();
    fs::hard_link(world.folder.path().join("secret"), world.out().join("a")).unwrap();
    world.unpack(Tar::new().file("build/a").end()).await.unwrap();
    world.assert_unharmed("hard link before");
}

/// Archives that end the unpacking with an error.
fn broken() -> Vec<(&'static str, Vec<u8>, ArchiveFault)> {
    let damaged = || ArchiveFault::Damaged { problem: "" };
    let whole = Tar::new().file("build/a").end();
    let mut sum = whole.clone();
    sum[512] ^= 1;
    let mut size = Tar::new().file("build/a").end();
    size[512 + 124..512 + 136].copy_from_slice(b"not a number");
    vec![
        ("empty", Vec::new(), ArchiveFault::Truncated),
        ("cut in a header", whole[..700].to_vec(), ArchiveFault::Truncated),
        ("cut in a file", whole[..1026].to_vec(), ArchiveFault::Truncated),
        ("cut in the padding", whole[..1100].to_vec(), ArchiveFault::Truncated),
        ("cut before the end mark", whole[..1536].to_vec(), ArchiveFault::Truncated),
        ("wrong check sum", sum, damaged()),
        ("size that is no number", size, damaged()),
        ("no archive", b"<html>".repeat(1000), damaged()),
        (
            "long name of a terabyte",
            Tar::new().sized(EntryType::GNULongName, b"l", b"", b"x", 1 << 40).end(),
            ArchiveFault::HeaderTooLarge { size: 1 << 40, limit: 64 * 1024 },
        ),
        (
            "long link of a terabyte",
            Tar::new().sized(EntryType::GNULongLink, b"l", b"", b"x", 1 << 40).end(),
            ArchiveFault::HeaderTooLarge { size: 1 << 40, limit: 64 * 1024 },
        ),
        (
            "attributes of a terabyte",
            Tar::new().sized(EntryType::XHeader, b"l", b"", b"x", 1 << 40).end(),
            ArchiveFault::HeaderTooLarge { size: 1 << 40, limit: 1024 * 1024 },
        ),
        (
            "attributes that are none",
            Tar::new().entry(EntryType::XHeader, b"l", b"", b"999 path=x\n").end(),
            damaged(),
        ),
        (
            "attribute of no length",
            Tar::new().entry(EntryType::XHeader, b"l", b"", b"0 path=x\n").end(),
            damaged(),
        ),
        (
            "folder with content",
            Tar::new().entry(EntryType::Directory, b"build/d/", b"", &[b'x'; 512]).end(),
            damaged(),
        ),
        (
            "link with content by attribute",
            Tar::new().pax(&[("size", b"512")]).link("build/l", "x").file("build/a").end(),
            damaged(),
        ),
        (
            "extensions without end",
            (0..100).fold(Tar::new(), |tar, _| tar.long_name(b"build/x")).file("build/a").end(),
            damaged(),
        ),
        (
            "attribute of a size that is longer than the archive",
            Tar::new().pax(&[("size", b"99999")]).file("build/a").end(),
            ArchiveFault::Truncated,
        ),
    ]
}

#[tokio::test]
async fn says_what_is_wrong_with_a_broken_archive() {
    for (case, archive, expected) in broken() {
        let world = World::new();
        let error = world.unpack(archive).await.unwrap_err();
        let WorkspaceError::Archive(fault) = error else { panic!("{case}: {error}") };
        match (&fault, &expected) {
            (ArchiveFault::Damaged { .. }, ArchiveFault::Damaged { .. }) => {}
            _ => assert_eq!(fault, expected, "{case}"),
        }
        world.assert_unharmed(case);
    }
}

#[tokio::test]
async fn ends_at_every_place_where_an_archive_can_be_cut() {
    let archive = Tar::new().long_name(b"build/a").file("x").link("build/l", "a").end();
    for length in (0..archive.len() - 1024).step_by(37) {
        let world = World::new();
        let error = world.unpack(archive[..length].to_vec()).await.unwrap_err();
        assert!(matches!(error, WorkspaceError::Archive(ArchiveFault::Truncated)), "{length}");
        world.assert_unharmed("cut");
    }
}

#[tokio::test]
async fn stops_before_an_archive_fills_the_disk() {
    let limit = |error| match error {
        WorkspaceError::Limit(limit) => limit,
        other => panic!("{other}"),
    };
    let world = World::new();
    for size in [1 << 40, u64::MAX >> 1, 1_000_001] {
        let bomb = Tar::new().sized(EntryType::Regular, b"build/a", b"", b"x", size).end();
        let error = world.unpack(bomb).await.unwrap_err();
        assert_eq!(limit(error), ArtifactLimit::Bytes(1_000_000));
        assert!(!world.out().join("a").exists());
    }
    let big = vec![b'x'; 400_000];
    let links = Tar::new()
        .entry(EntryType::Regular, b"build/a", b"", &big)
        .hard("build/b", "build/a")
        .hard("build/c", "build/a");
    let error = world.unpack(links.end()).await.unwrap_err();
    assert_eq!(limit(error), ArtifactLimit::Bytes(1_000_000));
    let many = (0..1001).fold(Tar::new(), |tar, index| tar.file(&format!("build/{index}")));
    let error = world.unpack(many.end()).await.unwrap_err();
    assert_eq!(limit(error), ArtifactLimit::Entries(1000));
    let refused = (0..1001).fold(Tar::new(), |tar, _| tar.file("../x"));
    let error = world.unpack(refused.end()).await.unwrap_err();
    assert_eq!(limit(error), ArtifactLimit::Entries(1000));
    world.assert_unharmed("limits");
}

#[tokio::test]
async fn does_not_count_what_is_not_wanted() {
    let world = World::new();
    let archive = (0..1100)
        .fold(Tar::new(), |tar, index| tar.file(&format!("build/cache/{index}")))
        .entry(EntryType::Regular, b"build/cache/big", b"", &vec![0; 1_100_000])
        .file("build/out/a");
    let report = world.select(&["out"], archive.end()).await.unwrap();
    assert_eq!((report.files, report.bytes), (1, 4));
    assert_eq!(fs::read_dir(world.out()).unwrap().count(), 1);
}

#[tokio::test]
async fn unpacks_files_folders_and_links_as_they_are() {
    let world = World::new();
    fs::create_dir(world.out().join("d")).unwrap();
    fs::write(world.out().join("d/a"), "old").unwrap();
    fs::write(world.out().join("mine"), "mine").unwrap();
    let long = format!("build/{}/ü", "n".repeat(200));
    let archive = Tar::new()
        .folder("build/d/")
        .file("build/d/a")
        .link("build/d/l", "a")
        .link("build/d/up", "../e")
        .folder("build/e/")
        .long_name(long.as_bytes())
        .file("x")
        .pax(&[("path", b"build/p\nq"), ("mtime", b"1500000000.75")])
        .file("x")
        .end();
    let report = world.unpack(archive).await.unwrap();
    assert_eq!((report.files, report.folders, report.links), (3, 2, 2));
    assert!(report.skipped.is_empty() && report.unmatched.is_empty());
    let out = world.out();
    assert_eq!(read(&out.join("d/l")), "evil");
    assert_eq!(read(&out.join("mine")), "mine");
    assert!(out.join("e").is_dir());
    assert_eq!(read(&out.join(long.strip_prefix("build/").unwrap())), "evil");
    let file = fs::metadata(out.join("d/a")).unwrap();
    assert_eq!(file.permissions().mode() & 0o7700, 0o700);
    assert_eq!(file.mtime(), 1_600_000_000);
    assert_ne!(file.uid(), 4711);
    assert_eq!(fs::metadata(out.join("p\nq")).unwrap().mtime(), 1_500_000_000);
    world.assert_unharmed("ordinary");
}

#[tokio::test]
async fn names_the_folder_as_the_engine_does_for_a_path_with_a_dot() {
    let world = World::new();
    let dot = Tar::default().folder("./").folder("./d/").file("./d/a").end();
    world.unpack(dot).await.unwrap();
    assert_eq!(read(&world.out().join("d/a")), "evil");
}

#[tokio::test]
async fn selects_by_patterns_and_says_which_took_nothing() {
    let world = World::new();
    let archive = Tar::new()
        .file("build/.berth-workspace")
        .file("build/target/app")
        .file("build/target/app.d")
        .file("build/report.xml")
        .file("build/src/main.rs")
        .end();
    let patterns = ["target", "!**/*.d", "*.xml", "no/such", ".berth*"];
    let report = world.select(&patterns, archive).await.unwrap();
    assert_eq!(report.files, 2);
    assert_eq!(report.unmatched, ["no/such", ".berth*"]);
    assert!(world.out().join("target/app").exists() && world.out().join("report.xml").exists());
}

#[tokio::test]
async fn fetches_a_hard_link_by_its_other_name() {
    let world = World::new();
    let archive = Tar::new()
        .file("build/deps/app-1")
        .hard("build/out/app", "build/deps/app-1")
        .hard("build/out/same", "build/deps/app-1")
        .end();
    let artifacts = Artifacts::new(["out"]).unwrap();
    let report = artifacts.unpack(pieces(&archive), world.out()).await.unwrap();
    assert_eq!((report.files, report.linked.len()), (0, 2));
    let second = artifacts.unpack_linked(&report.linked, pieces(&archive), world.out());
    let second = second.await.unwrap();
    assert_eq!((second.files, second.bytes), (2, 8));
    assert_eq!(read(&world.out().join("out/app")), "evil");
    assert_eq!(read(&world.out().join("out/same")), "evil");
    // Where both names are wanted, once is enough.
    let both = world.unpack(archive).await.unwrap();
    assert_eq!((both.files, both.linked.len()), (3, 0));
    world.assert_unharmed("hard links");
}

#[tokio::test]
async fn leaves_no_half_of_a_file_when_the_transfer_breaks_off() {
    let world = World::new();
    fs::write(world.out().join("a"), "old").unwrap();
    let archive = Tar::new().entry(EntryType::Regular, b"build/a", b"", &[b'x'; 5000]).end();
    let broken = vec![
        Ok(Bytes::copy_from_slice(&archive[..3000])),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let artifacts = Artifacts::new(["**"]).unwrap();
    let error = artifacts.unpack(stream::iter(broken), world.out()).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Transfer { .. }));
    assert_eq!(read(&world.out().join("a")), "old");
    world.assert_unharmed("broken transfer");
}

#[tokio::test]
async fn says_when_the_output_folder_cannot_be_made() {
    let world = World::new();
    let artifacts = Artifacts::new(["**"]).unwrap();
    let folder = world.folder.path().join("secret/out");
    let error = artifacts.unpack(pieces(&Tar::new().end()), folder).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Write { .. }));
}
