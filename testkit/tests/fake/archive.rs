//! Archives: owners and modes of volumes' roots, and files.

use std::io::Read as _;

use super::*;

const WORKER: VolumeRoot = VolumeRoot { uid: 1000, gid: 1001, mode: 0o2770 };

fn docker() -> FakeDocker {
    FakeDocker::new()
        .with_image_folder("busybox", "/home/worker/", WORKER.uid, WORKER.gid, WORKER.mode)
        .with_image_link("busybox", "/link", "home/worker")
}

/// An archive of folders, each with owner and mode.
fn folders(folders: &[(&str, VolumeRoot)]) -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, root) in folders {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_uid(root.uid.into());
        header.set_gid(root.gid.into());
        header.set_mode(root.mode);
        header.set_size(0);
        archive.append_data(&mut header, path, std::io::empty()).unwrap();
    }
    archive.into_inner().unwrap().into()
}

fn file(path: &str, content: &str) -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    archive.into_inner().unwrap().into()
}

/// Each header's path, owner, mode and content.
async fn download(docker: &FakeDocker, id: &ContainerId, path: &str) -> Vec<String> {
    let pieces: Vec<Bytes> =
        docker.download_archive(id, path).await.unwrap().try_collect().await.unwrap();
    let archive = pieces.concat();
    let mut archive = tar::Archive::new(&archive[..]);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let header = entry.header();
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        format!("{path} {uid}:{gid} {:o} {content}", header.mode().unwrap()).trim_end().to_owned()
    });
    entries.collect()
}

#[tokio::test]
async fn a_header_sets_the_root_of_the_volume_that_is_mounted_there() {
    let docker = docker();
    let id = create(&docker, &job_with("job-1", &[("cache", "/srv/cache/")])).await;
    assert_eq!(docker.volume_root("cache"), Some(VolumeRoot::default()));
    let archive = folders(&[("srv/cache/", WORKER), ("else/", WORKER)]);
    docker.upload_archive(&id, "/", archive).await.unwrap();
    assert_eq!(docker.volume_root("cache"), Some(WORKER));
    assert_eq!(download(&docker, &id, "/srv/cache").await, ["cache/ 1000:1001 42770"]);
    assert_eq!(download(&docker, &id, "/srv/cache/.").await, ["./ 1000:1001 42770"]);
    let paths: Vec<_> = docker.uploaded().into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["/srv/cache", "/else"]);
    assert_eq!(docker.volume_root("other"), None);
}

#[tokio::test]
async fn an_empty_volume_takes_owner_and_mode_from_the_image_at_each_creation() {
    let docker = docker();
    let mount = |job: &str, no_copy_too: bool| {
        let mut request = job_with(job, &[("cache", "/home/worker")]);
        if let MountSource::Volume { no_copy, .. } = &mut request.mounts[0].source {
            *no_copy = no_copy_too;
        }
        request
    };
    create(&docker, &mount("job-1", true)).await;
    assert_eq!(docker.volume_root("cache"), Some(VolumeRoot::default()));
    let id = create(&docker, &mount("job-2", false)).await;
    assert_eq!(docker.volume_root("cache"), Some(WORKER));
    let other = VolumeRoot { uid: 7, gid: 7, mode: 0o700 };
    docker.upload_archive(&id, "/home", folders(&[("worker", other)])).await.unwrap();
    create(&docker, &mount("job-3", false)).await;
    assert_eq!(docker.volume_root("cache"), Some(WORKER), "it was still empty");
    docker.upload_archive(&id, "/home", folders(&[("worker", other)])).await.unwrap();
    docker.upload_archive(&id, "/home/worker", file("a", "x")).await.unwrap();
    create(&docker, &mount("job-4", false)).await;
    assert_eq!(docker.volume_root("cache"), Some(other));
}

#[tokio::test]
async fn what_comes_before_a_refused_header_has_taken_effect() {
    let docker = docker();
    let mut request = job_with("job-1", &[("cache", "/cache"), ("old", "/old")]);
    request.mounts[1].read_only = true;
    let id = create(&docker, &request).await;
    let archive = folders(&[("cache", WORKER), ("old", WORKER)]);
    let error = docker.upload_archive(&id, "/", archive).await.unwrap_err();
    let words = "Error processing tar file(exit status 1): lchown /old: read-only file system";
    assert!(
        matches!(&error, ApiError::Engine { status: 500, message, .. } if message == words),
        "{error:?}"
    );
    assert!(error.effect_unknown());
    assert_eq!(docker.volume_root("cache"), Some(WORKER));
    assert_eq!(docker.volume_root("old"), Some(VolumeRoot::default()));
    for damaged in [Bytes::from(vec![b'x'; 2000]), file("cache", "")] {
        assert!(docker.upload_archive(&id, "/", damaged).await.is_err());
    }
    docker.upload_archive(&id, "/", Bytes::new()).await.unwrap();
}

#[tokio::test]
async fn a_volume_whose_destination_is_a_link_is_where_the_link_leads() {
    let docker = docker();
    docker.script(ScriptedRun::exits(0).writing_bytes("/link/a", "abc"));
    let id = create(&docker, &job_with("job-1", &[("cache", "/link")])).await;
    assert_eq!(docker.volume_root("cache"), Some(WORKER));
    docker.start_container(&id).await.unwrap();
    assert!(docker.upload_archive(&id, "/", folders(&[("link", WORKER)])).await.is_err());
    let root = VolumeRoot { uid: 1, gid: 2, mode: 0o711 };
    docker.upload_archive(&id, "/", folders(&[("home/worker", root)])).await.unwrap();
    assert_eq!(download(&docker, &id, "/link").await, ["link 0:0 120777"]);
    assert_eq!(
        download(&docker, &id, "/link/").await,
        ["link/ 1:2 40711", "link/a 0:0 100644 abc"]
    );
    assert_eq!(docker.inspect_container(&id).await.unwrap().mounts[0].destination, "/link");
}

#[tokio::test]
async fn files_come_back_and_what_is_not_there_is_not_found() {
    let docker = docker();
    let id = create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    docker.upload_archive(&id, "/cache", file("deep/a", "abc")).await.unwrap();
    assert!(docker.volume_files("cache").iter().eq(["deep/a"]));
    assert_eq!(download(&docker, &id, "/cache/deep/a").await, ["a 0:0 100644 abc"]);
    let error = docker.download_archive(&id, "/cache/b").await.map(drop).unwrap_err();
    let words = format!("Could not find the file /cache/b in container {id}");
    assert!(matches!(&error, ApiError::NotFound { message, .. } if *message == words), "{error:?}");
    docker.remove_container(&id).await.unwrap();
    for reply in [
        docker.download_archive(&id, "/cache").await.map(drop),
        docker.upload_archive(&id, "/", Bytes::new()).await,
    ] {
        assert!(matches!(reply, Err(ApiError::NotFound { .. })), "{reply:?}");
    }
}

#[tokio::test]
async fn an_archive_in_pieces_is_unpacked_and_of_a_broken_one_the_beginning() {
    let docker = docker();
    let id = create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    let whole = file("cache/a", "first");
    let pieces: Vec<_> = whole.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let archive = futures_util::stream::iter(pieces).boxed();
    docker.upload_archive_stream(&id, "/", archive).await.unwrap();
    assert!(docker.volume_files("cache").iter().eq(["a"]));

    // Header and content of one file, and not the end of the archive.
    let begin = file("cache/b", "second").slice(..1024);
    let broken = ApiError::from_status(Operation::DownloadArchive, 500, "no more");
    let archive = futures_util::stream::iter([Ok(begin), Err(broken)]).boxed();
    let error = docker.upload_archive_stream(&id, "/", archive).await;
    assert!(matches!(error, Err(ApiError::Lost { operation: Operation::UploadArchive, .. })));
    assert!(docker.volume_files("cache").iter().eq(["a", "b"]));
}
