//! What images say of themselves, and what is in the way of a pull.

use docker_api_trait::{Health, HealthStatus, RegistryCredential};

use super::*;

async fn pulled(docker: &FakeDocker, request: &PullRequest) -> Result<(), ApiError> {
    docker.pull_image(request).await?.try_collect::<Vec<_>>().await.map(drop)
}

#[tokio::test]
async fn an_image_says_what_it_was_given_here_and_in_the_registry() {
    let docker = FakeDocker::new()
        .with_registry_image("redis")
        .with_image_details("redis", |image| image.exposed_ports = vec!["6379/tcp".to_owned()])
        .with_image_details("busybox", |image| image.environment = vec!["A=1".to_owned()]);
    let here = docker.inspect_image(&image("busybox")).await.unwrap();
    assert_eq!(here.environment, ["A=1"]);
    assert_eq!((here.os.as_str(), here.architecture.as_str()), ("linux", "amd64"));
    assert!(docker.inspect_image(&image("redis")).await.is_err(), "not pulled yet");
    pulled(&docker, &pull("redis")).await.unwrap();
    let there = docker.inspect_image(&image("redis")).await.unwrap();
    assert_eq!(there.exposed_ports, ["6379/tcp"]);
    assert_eq!(there.digests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_comes_to_its_verdict_after_its_time_in_every_run() {
    let docker = FakeDocker::new()
        .with_registry_image("redis")
        .with_image_health("redis", SECOND * 5, Health::new(HealthStatus::Healthy))
        .with_image_health("busybox", SECOND, Health::new(HealthStatus::Unhealthy));
    pulled(&docker, &pull("redis")).await.unwrap();
    docker.script(ScriptedRun::never_ends());
    let health = async |id: &ContainerId| {
        docker.inspect_container(id).await.unwrap().health.map(|health| health.status)
    };
    let mut request = job("service");
    request.image = image("redis");
    let id = create(&docker, &request).await;
    assert_eq!(health(&id).await, None);
    for _ in 0..2 {
        docker.start_container(&id).await.unwrap();
        assert_eq!(health(&id).await, Some(HealthStatus::Starting));
        tokio::time::advance(SECOND * 5).await;
        assert_eq!(health(&id).await, Some(HealthStatus::Healthy));
        docker.stop_container(&id, SECOND).await.unwrap();
        assert_eq!(health(&id).await, Some(HealthStatus::Unhealthy));
    }
    let ill = create(&docker, &job("ill")).await;
    docker.start_container(&ill).await.unwrap();
    tokio::time::advance(SECOND).await;
    assert_eq!(health(&ill).await, Some(HealthStatus::Unhealthy));
}

#[tokio::test]
async fn a_locked_image_is_given_to_its_user_alone() {
    let docker = FakeDocker::new()
        .with_locked_registry_image("registry.example/team/tool:1", "ann", "secret")
        .with_locked_registry_image("team/tool:1", "ann", "secret");
    for reference in ["registry.example/team/tool:1", "team/tool:1"] {
        let mut request = pull(reference);
        let without = pulled(&docker, &request).await.unwrap_err();
        request.credential = Some(RegistryCredential::new("registry.example", "ann", "wrong"));
        let wrong = pulled(&docker, &request).await.unwrap_err();
        assert!(matches!(wrong, ApiError::Engine { status: 500, .. }), "{wrong:?}");
        assert!(docker.inspect_image(&request.image).await.is_err());
        request.credential = Some(RegistryCredential::new("registry.example", "ann", "secret"));
        pulled(&docker, &request).await.unwrap();
        assert!(docker.inspect_image(&request.image).await.is_ok());
        match without {
            ApiError::Engine { message, .. } => assert_eq!(
                message,
                "Head \"http://registry.example/v2/team/tool/manifests/1\": no basic auth \
                 credentials"
            ),
            other => assert!(matches!(other, ApiError::NotFound { .. }), "{other:?}"),
        }
    }
    let users = docker.pull_requests().into_iter().map(|request| request.credential.is_some());
    assert_eq!(users.collect::<Vec<_>>(), [false, true, true, false, true, true]);
}

#[tokio::test]
async fn pulls_fail_as_often_as_they_are_told_to() {
    let docker = FakeDocker::new().with_registry_image("busybox");
    docker.fail_pulls(2, "net/http: TLS handshake timeout");
    for _ in 0..2 {
        let error = pulled(&docker, &pull("busybox")).await.unwrap_err();
        assert!(matches!(error, ApiError::Engine { status: 500, .. }), "{error:?}");
    }
    pulled(&docker, &pull("busybox")).await.unwrap();
    assert_eq!(docker.pull_requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_pull_begins_and_says_nothing_more() {
    let docker = FakeDocker::new().with_registry_image("busybox");
    docker.stall_pulls();
    let mut messages = docker.pull_image(&pull("busybox")).await.unwrap();
    assert!(messages.next().await.unwrap().is_ok());
    assert!(timeout(HOUR, messages.next()).await.is_err());
}

#[tokio::test]
async fn an_image_is_for_the_platform_that_it_was_pulled_for() {
    let docker = FakeDocker::new().with_registry_image("busybox");
    let mut request = pull("busybox");
    request.platform = Some("linux/arm64".to_owned());
    pulled(&docker, &request).await.unwrap();
    assert_eq!(docker.inspect_image(&image("busybox")).await.unwrap().architecture, "arm64");
    assert_eq!(docker.pull_requests(), [request]);

    let mut fitting = job("job-1");
    fitting.platform = Some("linux/arm64/v8".to_owned());
    create(&docker, &fitting).await;
    let mut other = job("job-2");
    other.platform = Some("linux/amd64".to_owned());
    assert_fails!(
        docker.create_container(&other).await,
        NotFound,
        "image with reference busybox was found but does not match the specified platform: wanted \
         linux/amd64, actual: linux/arm64"
    );
}

#[tokio::test]
async fn a_container_that_wants_a_shell_where_there_is_none_ends_with_127() {
    let docker = FakeDocker::new().with_image_without_shell("scratch");
    let mut request = job("job-1");
    request.image = image("scratch");
    request.entrypoint = vec!["sh".to_owned()];
    request.init = true;
    let id = create(&docker, &request).await;
    let output = docker.attach_container(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    let words = "[FATAL tini (7)] exec sh failed: No such file or directory\n";
    assert_eq!(read(output).await, [LogChunk::stderr(words)]);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 127, false));

    request.name = "job-2".parse().unwrap();
    request.init = false;
    let id = create(&docker, &request).await;
    let error = docker.start_container(&id).await;
    assert!(matches!(error, Err(ApiError::Rejected { .. })), "{error:?}");
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Created, 127, false));

    request.name = "job-3".parse().unwrap();
    request.entrypoint = vec!["tool".to_owned()];
    let id = create(&docker, &request).await;
    docker.start_container(&id).await.unwrap();
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 0, false));
}
