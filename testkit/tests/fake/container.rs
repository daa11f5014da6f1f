//! Containers as objects: names, mounts, lists.

use super::*;

#[tokio::test]
async fn a_name_that_a_container_has_is_a_conflict_until_it_is_removed() {
    let docker = docker();
    let first = create(&docker, &job("job-1")).await;
    let error = docker.create_container(&job("job-1")).await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Conflict { message, .. } if message.contains(first.as_str()))
    );
    docker.remove_container(&first).await.unwrap();
    assert_ne!(create(&docker, &job("job-1")).await, first);
}

#[tokio::test]
async fn a_mount_creates_a_vanished_volume_with_the_mounts_labels() {
    let docker = docker();
    docker.create_volume(&volume("cache")).await.unwrap();
    docker.vanish_volume(&name("cache"));
    assert_eq!(docker.volumes(), []);
    create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    assert_eq!(docker.volumes()[0].labels, labels(&[("from", "mount")]));
}

#[tokio::test]
async fn a_mount_leaves_a_volume_that_is_there_as_it_is() {
    let docker = docker();
    let existing = docker.create_volume(&volume("cache")).await.unwrap();
    create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    assert_eq!(docker.volumes(), [existing]);
}

#[tokio::test]
async fn two_mounts_with_one_destination_are_rejected() {
    let docker = docker();
    for (again, message) in [
        ("/c", "Duplicate mount point: /c"),
        ("/c/", "Duplicate mount point: /c/"),
        ("/d/../c", "Duplicate mount point: /d/../c"),
    ] {
        let request = job_with("job-1", &[("first", "/c"), ("second", again)]);
        let error = docker.create_container(&request).await.unwrap_err();
        assert!(matches!(&error, ApiError::Rejected { message: words, .. } if words == message));
    }
    assert_eq!(docker.containers(), []);
    // As on a real engine, which creates volumes as it goes through the mounts.
    assert_eq!(docker.volume_names(), ["first"]);
}

#[tokio::test]
async fn a_destination_that_is_relative_or_the_root_is_rejected() {
    let docker = docker();
    for destination in ["c", "", "/", "/.", "/c/..", "./c"] {
        let request = job_with("job-1", &[("cache", destination)]);
        let error = docker.create_container(&request).await.unwrap_err();
        assert!(matches!(error, ApiError::Rejected { .. }), "{destination:?}: {error:?}");
    }
    assert_eq!(docker.volumes(), []);
}

#[tokio::test]
async fn ids_look_like_the_engines_and_are_the_same_in_every_run() {
    let (one, other) = (docker(), docker());
    let id = create(&one, &job("job-1")).await;
    assert_eq!(id, create(&other, &job("job-1")).await);
    assert_eq!(id.as_str().len(), 64);
    let next = create(&one, &job("job-2")).await;
    assert_ne!(id.as_str()[..12], next.as_str()[..12], "short ids differ too");
}

#[tokio::test]
async fn containers_are_listed_newest_first_in_every_state() {
    let docker = docker();
    for name in ["job-1", "job-2", "job-3"] {
        let mut request = job(name);
        request.labels = labels(&[("odd", if name == "job-2" { "no" } else { "yes" })]);
        let id = create(&docker, &request).await;
        docker.start_container(&id).await.unwrap();
    }
    let odd = [LabelFilter::equals("odd", "yes")];
    let listed = docker.list_containers(&odd).await.unwrap();
    let names: Vec<_> = listed.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["job-3", "job-1"]);
    assert_eq!(listed[0].labels, labels(&[("odd", "yes")]));
    assert_eq!(listed[0].status, ContainerStatus::Exited);
}

#[tokio::test]
async fn the_containers_that_use_a_volume_are_listed_newest_first_in_every_state() {
    let docker = docker();
    docker.script(ScriptedRun::never_ends());
    for (job, volume, destination) in
        [("job-1", "cache", "/a"), ("job-2", "cache", "/b"), ("job-3", "cache-2", "/cache")]
    {
        let id = create(&docker, &job_with(job, &[(volume, destination)])).await;
        if job == "job-2" {
            docker.start_container(&id).await.unwrap();
        }
    }
    let using = docker.list_containers_using(&name("cache")).await.unwrap();
    let seen: Vec<_> =
        using.iter().map(|container| (container.name.as_str(), container.status)).collect();
    assert_eq!(seen, [("job-2", ContainerStatus::Running), ("job-1", ContainerStatus::Created)]);
    assert_eq!(docker.list_containers_using(&name("other")).await.unwrap(), []);
}
