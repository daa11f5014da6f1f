//! Volumes and images.

use super::*;

#[tokio::test]
async fn creating_a_volume_again_returns_the_first_ones_labels() {
    let docker = docker();
    let first = volume("cache").with_labels(labels(&[("owner", "one")]));
    let second = volume("cache").with_labels(labels(&[("owner", "two")]));
    let created = docker.create_volume(&first).await.unwrap();
    assert_eq!(created.labels, first.labels);
    assert_eq!(created.mountpoint, "/var/lib/docker/volumes/cache/_data");
    assert_eq!(docker.create_volume(&second).await.unwrap(), created);
    assert_eq!(docker.volumes(), [created]);
}

#[tokio::test]
async fn a_name_that_another_driver_has_is_a_conflict() {
    let docker = docker();
    let mut foreign = Volume::local("cache");
    foreign.driver = "nfs".to_owned();
    docker.insert_volume(foreign.clone());
    let mut request = volume("cache");
    assert_eq!(docker.create_volume(&request).await.unwrap(), foreign);
    request.driver = Some("local".to_owned());
    assert_fails!(
        docker.create_volume(&request).await,
        Conflict,
        "create cache: driver 'nfs' already has volume 'cache': volume name must be unique"
    );
}

#[tokio::test]
async fn a_driver_that_nobody_has_is_not_found() {
    let mut request = volume("cache");
    request.driver = Some("nfs".to_owned());
    assert_fails!(
        docker().create_volume(&request).await,
        NotFound,
        "create cache: error looking up volume plugin nfs: plugin \"nfs\" not found"
    );
}

#[tokio::test]
async fn the_local_driver_refuses_options_that_it_cannot_use() {
    let docker = docker();
    let mut request = volume("cache");
    request.options = labels(&[("colour", "red")]);
    assert_fails!(
        docker.create_volume(&request).await,
        Rejected,
        "create cache: invalid option: \"colour\""
    );
    request.options = labels(&[("type", "tmpfs")]);
    assert_fails!(
        docker.create_volume(&request).await,
        Rejected,
        "create cache: missing required option: \"device\""
    );
    request.options = labels(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "uid=1")]);
    assert_eq!(docker.create_volume(&request).await.unwrap().options, request.options);
}

#[tokio::test]
async fn a_volume_that_is_gone_is_not_found() {
    let docker = docker();
    docker.create_volume(&volume("cache")).await.unwrap();
    docker.remove_volume(&name("cache")).await.unwrap();
    let words = "get cache: no such volume";
    assert!(matches!(docker.remove_volume(&name("cache")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
    assert!(matches!(docker.inspect_volume(&name("cache")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
}

#[tokio::test]
async fn a_volume_is_in_use_while_any_container_refers_to_it() {
    let docker = docker();
    let id = create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    for step in ["created", "exited"] {
        let error = docker.remove_volume(&name("cache")).await.unwrap_err();
        let words = format!("remove cache: volume is in use - [{id}]");
        assert!(
            matches!(&error, ApiError::Conflict { message, .. } if *message == words),
            "{step}: {error:?}"
        );
        docker.start_container(&id).await.unwrap();
    }
    docker.remove_container(&id).await.unwrap();
    docker.remove_volume(&name("cache")).await.unwrap();
    assert_eq!(docker.volumes(), []);
}

#[tokio::test]
async fn volumes_are_listed_by_name_and_by_all_their_labels() {
    let docker = docker();
    for (name, owner) in [("zebra", "one"), ("ant", "one"), ("bee", "two")] {
        let labels = labels(&[("owner", owner), (name, "")]);
        docker.create_volume(&volume(name).with_labels(labels)).await.unwrap();
    }
    let listed = |filters: Vec<LabelFilter>| {
        let docker = docker.clone();
        async move {
            let volumes = docker.list_volumes(&filters).await.unwrap();
            volumes.into_iter().map(|volume| volume.name).collect::<Vec<_>>()
        }
    };
    let one = LabelFilter::equals("owner", "one");
    assert_eq!(listed(vec![]).await, ["ant", "bee", "zebra"]);
    assert_eq!(listed(vec![one.clone()]).await, ["ant", "zebra"]);
    assert_eq!(listed(vec![one, LabelFilter::present("ant")]).await, ["ant"]);
}

#[tokio::test]
async fn an_image_that_is_missing_is_not_found() {
    let docker = FakeDocker::new();
    let words = "No such image: busybox:latest";
    assert_fails!(
        docker.inspect_image(&image("busybox")).await,
        NotFound,
        "no such image: busybox: No such image: busybox:latest"
    );
    assert!(matches!(docker.create_container(&job("job-1")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
    assert_eq!(docker.containers(), []);
}

#[tokio::test]
async fn an_image_is_found_by_each_of_its_names() {
    let docker = docker();
    let found = docker.inspect_image(&image("busybox:latest")).await.unwrap();
    for other in ["busybox", "docker.io/library/busybox", found.id.as_str()] {
        assert_eq!(docker.inspect_image(&image(other)).await.unwrap(), found, "{other}");
    }
    assert!(docker.inspect_image(&image("busybox:1.36")).await.is_err());
}

#[tokio::test]
async fn a_pull_brings_the_image_when_its_stream_has_ended() {
    let docker = FakeDocker::new().with_registry_image("busybox");
    let mut stream = docker.pull_image(&pull("busybox")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().status, "Pulling from busybox");
    drop(stream);
    assert!(docker.inspect_image(&image("busybox")).await.is_err(), "an abandoned pull");

    let messages: Vec<_> =
        docker.pull_image(&pull("busybox")).await.unwrap().try_collect().await.unwrap();
    assert!(messages.len() > 1, "{messages:?}");
    let pulled = docker.inspect_image(&image("busybox:latest")).await.unwrap();
    let digest = image(&pulled.digests[0]);
    assert_eq!(docker.inspect_image(&digest).await.unwrap(), pulled);
}

#[tokio::test]
async fn a_pull_of_what_the_registry_lacks_is_not_found() {
    assert_fails!(
        docker().pull_image(&pull("team/tool:1")).await.map(drop),
        NotFound,
        "pull access denied for team/tool, repository does not exist or may require 'docker login'"
    );
}

#[tokio::test]
async fn an_import_takes_the_name_from_another_image() {
    let docker = docker();
    let before = docker.inspect_image(&image("busybox")).await.unwrap();
    docker.import_image(&image("busybox"), "archive".into()).await.unwrap();
    assert_ne!(docker.inspect_image(&image("busybox")).await.unwrap().id, before.id);
}

#[tokio::test]
async fn with_any_image_every_image_is_there_and_can_be_pulled() {
    let docker = FakeDocker::new().with_any_image();
    assert!(docker.inspect_image(&image("a/b:c")).await.is_ok());
    assert!(docker.pull_image(&pull("a/b:c")).await.is_ok());
    assert!(docker.create_container(&job("job-1")).await.is_ok());
}
