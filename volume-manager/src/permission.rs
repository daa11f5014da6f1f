//! Making fresh volumes writable: which, and by which archive. Pure.
//!
//! The root of a fresh volume belongs to root and is closed to others (0755), so that an image that
//! runs as another user could not write to its cache. One archive of folder headers, unpacked into
//! the created container before it starts, opens them all (0777): no helper image, no extra
//! container. A volume with anything in it is left alone, be it of a job or of the image: then the
//! engine has given it the image's owner and mode. One that a run made and never came to open,
//! because its image was missing or it was killed, is opened by the next.

use bytes::Bytes;
use docker_api_trait::{ApiError, ArchiveOwner, Operation, PathDetails, PathKind};
use futures_util::{Stream, StreamExt as _};

use crate::{
    identity::VolumeDriver,
    path::{ContainerPath, OperatingSystem},
    prepared::{PreparedVolume, PreparedVolumes},
    spec::Mode,
};

/// What a fresh root is opened to.
const OPEN: u32 = 0o777;
/// What a root has that nobody has touched.
const UNTOUCHED: u32 = 0o755;
/// More than this of an archive is not read: where other volumes are mounted in a volume, it holds
/// what is in them, too.
const HEAD: usize = 1 << 20;

/// The volumes whose root may still be closed: ours that the container may write to. Not those with
/// a driver or options of their own: behind them may be a folder of the host, or another machine's.
pub(crate) fn candidates(prepared: &PreparedVolumes) -> impl Iterator<Item = &PreparedVolume> {
    prepared.volumes.iter().filter(|volume| {
        let managed = volume.managed();
        managed.is_some_and(|managed| managed.driver == VolumeDriver::default())
            && volume.planned.mode != Mode::ReadOnly
            && volume.planned.destination.system() == OperatingSystem::Linux
    })
}

/// Whether it looks like a root that nobody has touched, as far as a look without the owner tells.
pub(crate) fn may_be_untouched(details: &PathDetails) -> bool {
    details.kind == PathKind::Folder && details.mode == UNTOUCHED
}

/// Where a link at `path` leads; `None` when it leads to no folder that a volume could be at.
pub(crate) fn follow(path: &ContainerPath, target: &str) -> Option<ContainerPath> {
    if target.starts_with('/') {
        return target.parse().ok();
    }
    let (parent, _) = path.as_str().rsplit_once('/')?;
    format!("{parent}/{target}").parse().ok()
}

/// Whether the archive of a folder, as the engine sends it, is that of an empty root that nobody has
/// touched. What is on the way to `nested`, paths from the root where something else is mounted, and
/// below does not count. Reads no more than it needs to tell.
pub(crate) async fn is_untouched(
    mut archive: impl Stream<Item = Result<Bytes, ApiError>> + Unpin,
    nested: &[String],
    owner: ArchiveOwner,
) -> Result<bool, ApiError> {
    let mut head = Vec::new();
    while let Some(chunk) = archive.next().await {
        head.extend_from_slice(&chunk?);
        // What other volumes hold may come first; a look that long is none.
        if head.len() > HEAD || headers(&head).iter().skip(1).any(|one| !one.is_of(nested)) {
            return Ok(false);
        }
    }
    Ok(headers(&head).first().is_some_and(|Entry { header, .. }| {
        header.entry_type().is_dir()
            && is_roots(header, owner)
            && header.mode().is_ok_and(|mode| mode & 0o7777 == UNTOUCHED)
    }))
}

/// Whether a header says that root owns its directory.
fn is_roots(header: &tar::Header, owner: ArchiveOwner) -> bool {
    if owner == ArchiveOwner::ContainerUser {
        let is_root = |name: Option<&[u8]>| name == Some(b"root");
        return is_root(header.username_bytes()) && is_root(header.groupname_bytes());
    }
    let is_zero = |number: std::io::Result<u64>| number.is_ok_and(|number| number == 0);
    is_zero(header.uid()) && is_zero(header.gid())
}

/// One header of an archive.
struct Entry {
    /// From the root of what was packed.
    path: String,
    header: tar::Header,
}

impl Entry {
    fn is_of(&self, nested: &[String]) -> bool {
        let is_below = |path: &str, folder: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        nested.iter().any(|one| is_below(one, &self.path) || is_below(&self.path, one))
    }
}

/// The headers in what has come of an archive.
fn headers(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(bytes);
    let Ok(entries) = archive.entries() else { return Vec::new() };
    let read = |entry: tar::Entry<'_, &[u8]>| {
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (_, inside) = path.split_once('/').unwrap_or((&path, ""));
        let inside = inside.trim_end_matches('/').to_owned();
        Entry { path: inside, header: entry.header().clone() }
    };
    entries.map_while(|entry| entry.ok().map(read)).collect()
}

/// The paths from a volume's root where other volumes of the job are mounted.
pub(crate) fn nested(prepared: &PreparedVolumes, volume: &PreparedVolume) -> Vec<String> {
    let root = &volume.planned.destination;
    let others = prepared.volumes.iter().map(|other| &other.planned.destination);
    others
        .filter(|other| root.is_ancestor_of(other))
        .filter_map(|other| other.as_str().strip_prefix(root.as_str()))
        .map(|inside| inside.trim_start_matches('/').to_owned())
        .collect()
}

/// The archive that opens these folders, to be unpacked at the container's root.
///
/// # Errors
/// When a path does not fit into an archive.
pub(crate) fn archive<'a>(
    destinations: impl Iterator<Item = &'a str>,
    time: u64,
) -> std::io::Result<Bytes> {
    let mut builder = tar::Builder::new(Vec::new());
    for destination in destinations {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(OPEN);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(time);
        // Writes an extension where the path is too long for the header.
        builder.append_data(&mut header, destination.trim_start_matches('/'), std::io::empty())?;
    }
    builder.into_inner().map(Bytes::from)
}

/// A path that no archive can hold, as an error of the upload that was not tried.
pub(crate) fn unsendable(error: &std::io::Error) -> ApiError {
    ApiError::Rejected { operation: Operation::UploadArchive, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};

    use super::*;
    use crate::{Policy, Provenance, Scope, VolumeDemand, plan};

    fn header(uid: u64, gid: u64, mode: u32, entry: tar::EntryType) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_size(0);
        header
    }

    /// An archive of these headers, the root's own first.
    fn packed(entries: &[(&str, tar::Header)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, header) in entries {
            let size = usize::try_from(header.size().unwrap()).unwrap();
            builder.append_data(&mut header.clone(), path, &vec![0; size][..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn folder(uid: u64, gid: u64, mode: u32, entry: tar::EntryType) -> Vec<u8> {
        packed(&[("cache/", header(uid, gid, mode, entry))])
    }

    fn fresh_root() -> tar::Header {
        header(0, 0, 0o755, tar::EntryType::Directory)
    }

    fn file(size: u64) -> tar::Header {
        let mut header = header(0, 0, 0o644, tar::EntryType::Regular);
        header.set_size(size);
        header
    }

    fn judged(bytes: &[u8], chunk: usize) -> bool {
        judged_of(ArchiveOwner::File, bytes, chunk)
    }

    fn judged_of(owner: ArchiveOwner, bytes: &[u8], chunk: usize) -> bool {
        let chunks: Vec<_> =
            bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let nested = ["a/b".to_owned()];
        is_untouched(stream::iter(chunks), &nested, owner).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn only_an_empty_root_that_nobody_touched_is_opened() {
        let dir = tar::EntryType::Directory;
        for chunk in [1, 100, 4096] {
            assert!(judged(&folder(0, 0, 0o755, dir), chunk));
        }
        assert!(judged(&folder(0, 0, 0o40755, dir), 512), "some engines give the type, too");
        for touched in [
            folder(1000, 0, 0o755, dir),
            folder(0, 1000, 0o755, dir),
            folder(0, 0, 0o777, dir),
            folder(0, 0, 0o700, dir),
            folder(0, 0, 0o1755, dir),
            folder(0, 0, 0o755, tar::EntryType::Symlink),
            Vec::new(),
            vec![7; 600],
        ] {
            assert!(!judged(&touched, 512));
        }
    }

    #[test]
    fn podmans_owners_are_told_by_their_names() {
        for (names, is_untouched) in [
            (["root", "root"], true),
            (["", "root"], false),
            (["root", "staff"], false),
            (["root2", "root"], false),
            (["", ""], false),
        ] {
            let mut header = header(1000, 1000, 0o755, tar::EntryType::Directory);
            header.set_username(names[0]).unwrap();
            header.set_groupname(names[1]).unwrap();
            let archive = packed(&[("./", header)]);
            assert_eq!(
                judged_of(ArchiveOwner::ContainerUser, &archive, 512),
                is_untouched,
                "{names:?}"
            );
            assert!(!judged(&archive, 512));
        }
        assert!(!judged_of(
            ArchiveOwner::ContainerUser,
            &folder(0, 0, 0o755, tar::EntryType::Directory),
            512
        ));
    }

    #[test]
    fn a_root_with_anything_in_it_is_left_alone() {
        let archive = packed(&[("cache/", fresh_root()), ("cache/file", file(3))]);
        for chunk in [1, 512, 1024, 9999] {
            assert!(!judged(&archive, chunk));
        }
    }

    #[test]
    fn where_others_are_mounted_does_not_count() {
        let with = |paths: &[&str]| {
            let entries = [&["cache/"], paths].concat();
            let entries: Vec<_> = entries.into_iter().map(|path| (path, fresh_root())).collect();
            judged(&packed(&entries), 700)
        };
        assert!(with(&["cache/a/", "cache/a/b/", "cache/a/b/c"]));
        assert!(
            !with(&["cache/a/", "cache/a/c"]) && !with(&["cache/a/bc/"]) && !with(&["cache/x"])
        );
    }

    #[test]
    fn a_look_ends_before_it_gets_long() {
        let with = |size: usize| {
            let content = file(size as u64);
            let archive = packed(&[("cache/", fresh_root()), ("cache/a/b/file", content)]);
            (judged(&archive, 4096), archive.len())
        };
        // A header each, and the two blocks at the end.
        let most = HEAD - 4 * 512;
        assert_eq!(with(most), (true, HEAD));
        assert!(!with(most + 512).0);
    }

    #[test]
    fn others_are_mounted_at_their_paths_from_the_root() {
        let specs = ["/a", "/a/b/c", "/a/d", "/ab", "mine:/a/e"];
        let demand = VolumeDemand::new(specs.map(|spec| spec.parse().unwrap()));
        let origin = Provenance::new("run", std::time::SystemTime::UNIX_EPOCH);
        let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, &Policy::default());
        let prepared = PreparedVolumes::unprepared(&plan.unwrap());
        let mut inside = nested(&prepared, &prepared.volumes[0]);
        inside.sort();
        assert_eq!(inside, ["b/c", "d", "e"]);
    }

    #[test]
    fn what_has_a_driver_or_options_of_its_own_is_never_opened() {
        let fresh = |policy: &Policy| {
            let demand = VolumeDemand::new(["/cache".parse().unwrap(), "/ro:ro".parse().unwrap()]);
            let origin = Provenance::new("run", std::time::SystemTime::UNIX_EPOCH);
            let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, policy).unwrap();
            let prepared = PreparedVolumes::unprepared(&plan);
            let destinations =
                candidates(&prepared).map(|volume| volume.planned.destination.to_string());
            destinations.collect::<Vec<_>>()
        };
        assert_eq!(fresh(&Policy::default()), ["/cache"]);
        // Of a folder of the host, the archive would change the folder itself.
        let bind = VolumeDriver::new("local")
            .with_option("type", "none")
            .with_option("o", "bind")
            .with_option("device", "/etc");
        assert!(fresh(&Policy::default().with_driver(bind)).is_empty());
        assert!(fresh(&Policy::default().with_driver(VolumeDriver::new("nfs"))).is_empty());
        let windows = ContainerPath::new(OperatingSystem::Windows, r"c:\cache").unwrap();
        let demand = VolumeDemand::new([crate::VolumeSpec::cache(windows)]);
        let origin = Provenance::new("run", std::time::SystemTime::UNIX_EPOCH);
        let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, &Policy::default());
        let prepared = PreparedVolumes::unprepared(&plan.unwrap());
        assert_eq!(candidates(&prepared).count(), 0, "Windows has no such modes");
        assert!(fresh(&Policy::default().with_cache_dir("/srv".parse().unwrap())).is_empty());
    }

    #[test]
    fn a_look_rules_out_what_is_open_or_no_folder() {
        let look = |kind, mode| may_be_untouched(&PathDetails::new(kind, mode));
        assert!(look(PathKind::Folder, 0o755));
        assert!(!look(PathKind::Folder, 0o777) && !look(PathKind::Folder, 0o1755));
        assert!(!look(PathKind::Link, 0o755));
    }

    #[test]
    fn a_link_leads_from_its_own_folder_or_from_the_root() {
        let leads = |target: &str| follow(&"/a/b".parse().unwrap(), target).map(String::from);
        assert_eq!(leads("/x/").as_deref(), Some("/x"));
        assert_eq!(leads("c").as_deref(), Some("/a/c"));
        assert_eq!(leads("../c").as_deref(), Some("/c"));
        assert_eq!((leads("/"), leads("../../c")), (None, None));
    }

    #[test]
    fn an_archive_has_a_header_for_each_folder() {
        let long = format!("/{}", "long-name/".repeat(30).trim_end_matches('/'));
        let paths = ["/cache", "/root/.cargo", long.as_str(), "/日本"];
        let bytes = archive(paths.into_iter(), 7).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            assert!(entry.header().entry_type().is_dir());
            assert_eq!(entry.header().mode().unwrap(), 0o777);
            assert_eq!((entry.header().uid().unwrap(), entry.header().mtime().unwrap()), (0, 7));
            found.push(
                format!("/{}", entry.path().unwrap().display()).trim_end_matches('/').to_owned(),
            );
        }
        assert_eq!(found, paths);
    }
}
