//! What is mounted, as mount and as bind string.

use super::*;

fn job_of(mounts: Vec<Mount>) -> ContainerRequest {
    let mut request = job("job-1");
    request.mounts = mounts;
    request
}

#[tokio::test]
async fn a_mount_creates_a_vanished_volume_with_driver_and_options() {
    let docker = docker();
    let mut source = of_volume("cache");
    if let MountSource::Volume { driver, options, .. } = &mut source {
        *driver = Some("local".to_owned());
        *options = labels(&[("type", "tmpfs"), ("device", "tmpfs")]);
    }
    create(&docker, &job_of(vec![Mount::new("/c", source)])).await;
    assert_eq!(docker.volumes()[0].options, labels(&[("type", "tmpfs"), ("device", "tmpfs")]));
}

#[tokio::test]
async fn a_mount_with_a_driver_that_nobody_has_creates_no_container() {
    let docker = docker();
    let mut source = of_volume("cache");
    if let MountSource::Volume { driver, .. } = &mut source {
        *driver = Some("nfs".to_owned());
    }
    assert_fails!(
        docker.create_container(&job_of(vec![Mount::new("/c", source)])).await,
        NotFound,
        "create cache: error looking up volume plugin nfs: plugin \"nfs\" not found"
    );
    assert_eq!(docker.containers(), []);
}

#[tokio::test]
async fn a_bind_string_creates_a_vanished_volume_without_labels() {
    let docker = docker();
    let mut request = job_with("job-1", &[("cache", "/cache")]);
    request.mounts[0].relabel = Some(Relabel::Shared);
    create(&docker, &request).await;
    assert_eq!(docker.volumes()[0].labels, labels(&[]));
}

#[tokio::test]
async fn bind_strings_come_before_mounts() {
    let docker = docker();
    let mut request = job_with("job-1", &[("mount", "/c"), ("bind", "/c/")]);
    request.mounts[1].relabel = Some(Relabel::Private);
    assert_fails!(docker.create_container(&request).await, Rejected, "Duplicate mount point: /c");
    assert_eq!(docker.volume_names(), ["bind"]);
}

#[tokio::test]
async fn an_overlay_is_an_invalid_mode() {
    let docker = docker();
    let mut request = job_with("job-1", &[("cache", "/cache")]);
    request.mounts[0].overlay = true;
    request.mounts[0].read_only = true;
    let error = docker.create_container(&request).await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Engine { status: 500, message, .. } if message == "invalid mode: ro,O"),
        "{error:?}"
    );
    assert_eq!(docker.volumes(), []);
}

#[tokio::test]
async fn the_destination_of_a_bind_string_is_checked_in_other_words() {
    let docker = docker();
    let mut request = job_with("job-1", &[("cache", "c")]);
    request.mounts[0].relabel = Some(Relabel::Shared);
    let error = docker.create_container(&request).await.unwrap_err();
    let words = "invalid volume specification: 'cache:c:z': invalid mount config for type \
                 \"volume\": invalid mount path: 'c' mount path must be absolute";
    assert!(
        matches!(&error, ApiError::Engine { status: 500, message, .. } if message == words),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_bind_string_that_would_be_misread_is_no_call() {
    let docker = docker();
    let request = job_of(vec![Mount::new("/c", of_host("/a:/etc", true))]);
    let error = docker.create_container(&request).await.unwrap_err();
    assert!(matches!(error, ApiError::Rejected { .. }), "{error:?}");
    assert_eq!(docker.calls(), []);
}

#[tokio::test]
async fn a_missing_folder_of_the_host_is_refused_or_made_at_the_start() {
    let docker = docker().without_host_path("/srv/new");
    let refused = job_of(vec![Mount::new("/c", of_host("/srv/new", false))]);
    assert_fails!(
        docker.create_container(&refused).await,
        Rejected,
        "invalid mount config for type \"bind\": bind source path does not exist: /srv/new"
    );
    let made = job_of(vec![Mount::new("/c", of_host("/srv//new/", true))]);
    let id = create(&docker, &made).await;
    assert!(!docker.host_path_exists("/srv/new"));
    docker.start_container(&id).await.unwrap();
    assert!(docker.host_path_exists("/srv/new"));
}

#[tokio::test]
async fn an_inspection_shows_what_is_mounted_by_destination() {
    let docker = docker();
    let mut request = job_with("job-1", &[("cache", "/z/../c/")]);
    request.mounts[0].read_only = true;
    request.mounts.push(Mount::new("/a", of_host("/srv//x/", true)));
    let id = create(&docker, &request).await;
    let details = docker.inspect_container(&id).await.unwrap();
    let host = MountPoint::new(MountKind::Host, "/srv/x", "/a");
    let source = "/var/lib/docker/volumes/cache/_data";
    let mut volume = MountPoint::new(MountKind::Volume, source, "/c");
    volume.name = Some("cache".to_owned());
    volume.read_only = true;
    assert_eq!(details.mounts, [host, volume]);
    assert_eq!(details.name, "job-1");
}

#[tokio::test]
async fn a_pipe_is_unknown_to_an_engine_on_linux() {
    let source = MountSource::Pipe { path: r"\\.\pipe\engine".to_owned() };
    assert_fails!(
        docker().create_container(&job_of(vec![Mount::new("/c", source)])).await,
        Rejected,
        "invalid mount config for type \"npipe\": mount type unknown"
    );
}
