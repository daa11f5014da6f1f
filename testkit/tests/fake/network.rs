//! Networks, and containers' places in them.

use docker_api_trait::{NetworkAttachment, NetworkPlace, NetworkRequest};

use super::*;

fn network(name: &str) -> NetworkRequest {
    let mut request = NetworkRequest::new(name.parse().unwrap());
    request.labels = labels(&[("owner", name)]);
    request
}

fn job_in(network: &str, name: &str) -> ContainerRequest {
    let mut request = job(name);
    let mut attachment = NetworkAttachment::new(network.parse().unwrap());
    attachment.aliases = vec!["db".to_owned()];
    request.network = Some(attachment);
    request
}

async fn place(docker: &FakeDocker, id: &ContainerId) -> NetworkPlace {
    docker.inspect_container(id).await.unwrap().networks.remove(0)
}

#[tokio::test]
async fn a_network_is_looked_at_and_listed_by_its_labels_until_it_is_removed() {
    let docker = docker();
    let one = docker.create_network(&network("one")).await.unwrap();
    let other = docker.create_network(&network("other")).await.unwrap();
    let found = docker.inspect_network(&one).await.unwrap();
    assert_eq!((found.name.as_str(), &found.labels), ("one", &labels(&[("owner", "one")])));
    let listed = docker.list_networks(&[LabelFilter::equals("owner", "other")]).await.unwrap();
    assert_eq!(listed.iter().map(|network| &network.id).collect::<Vec<_>>(), [&other]);
    docker.remove_network(&one).await.unwrap();
    assert!(matches!(docker.remove_network(&one).await, Err(ApiError::NotFound { .. })));
    assert!(matches!(docker.inspect_network(&one).await, Err(ApiError::NotFound { .. })));
    assert_eq!(docker.networks().len(), 1);
}

#[tokio::test]
async fn a_container_has_an_address_of_its_own_while_it_runs() {
    let docker = docker().with_ipv6();
    docker.script(ScriptedRun::never_ends());
    let mut dual = network("net");
    dual.ipv6 = true;
    let net = docker.create_network(&dual).await.unwrap();
    let one = create(&docker, &job_in("net", "one")).await;
    let other = create(&docker, &job_in("net", "other")).await;
    assert_eq!(place(&docker, &one).await.ipv4, None);
    for id in [&one, &other] {
        docker.start_container(id).await.unwrap();
    }
    let (first, second) = (place(&docker, &one).await, place(&docker, &other).await);
    assert_eq!(first.network, "net");
    assert_eq!(first.aliases, ["db", &one.as_str()[..12]]);
    assert_eq!(first.ipv4.as_deref(), Some("172.18.0.2"));
    assert_eq!(second.ipv4.as_deref(), Some("172.18.0.3"));
    assert!(first.ipv6.is_some() && first.ipv6 != second.ipv6);
    assert_eq!(docker.networks()[0].containers, [one.clone(), other.clone()]);

    docker.kill_container(&one, Signal::Kill).await.unwrap();
    assert_eq!(place(&docker, &one).await.ipv4, None);
    assert_eq!(docker.inspect_network(&net).await.unwrap().containers, [other]);
}

#[tokio::test]
async fn a_network_cannot_be_removed_while_a_container_runs_in_it() {
    let docker = docker();
    docker.script(ScriptedRun::never_ends());
    let net = docker.create_network(&network("net")).await.unwrap();
    let id = create(&docker, &job_in("net", "one")).await;
    docker.start_container(&id).await.unwrap();
    let refused = docker.remove_network(&net).await;
    assert!(matches!(refused, Err(ApiError::Engine { status: 403, .. })), "{refused:?}");
    docker.remove_container(&id).await.unwrap();
    docker.remove_network(&net).await.unwrap();
}

#[tokio::test]
async fn a_container_in_no_network_or_in_two_is_not_started_and_says_why() {
    let docker = docker();
    let id = create(&docker, &job_in("net", "one")).await;
    assert_fails!(docker.start_container(&id).await, NotFound, "network net not found");
    let details = docker.inspect_container(&id).await.unwrap();
    assert_eq!((details.status, details.exit_code), (ContainerStatus::Created, 128));
    assert_eq!(details.error, "network net not found");

    let first = docker.create_network(&network("net")).await.unwrap();
    docker.create_network(&network("net")).await.unwrap();
    assert_fails!(
        docker.start_container(&id).await,
        Rejected,
        "network net is ambiguous (2 matches found on name)"
    );
    docker.remove_network(&first).await.unwrap();
    docker.start_container(&id).await.unwrap();
    assert_eq!(docker.inspect_container(&id).await.unwrap().error, "");
}

#[tokio::test]
async fn an_engine_without_ipv6_addresses_refuses_a_network_that_wants_them() {
    let mut request = network("net");
    request.ipv6 = true;
    let refused = docker().create_network(&request).await;
    assert!(matches!(refused, Err(ApiError::NotFound { .. })), "{refused:?}");
    let docker = docker().with_ipv6();
    let id = docker.create_network(&request).await.unwrap();
    assert!(docker.inspect_network(&id).await.unwrap().ipv6);
}

#[tokio::test]
async fn without_a_network_of_its_choice_a_container_is_in_the_engines_or_in_anothers() {
    let docker = docker();
    docker.script(ScriptedRun::never_ends());
    for (mode, expected) in [
        (None, vec![("bridge".to_owned(), true)]),
        (Some("none"), vec![("none".to_owned(), false)]),
        (Some("host"), vec![("host".to_owned(), false)]),
        (Some("container:abc"), vec![]),
    ] {
        let mut request = job(&format!("job-{}", docker.containers().len()));
        request.host.network_mode = mode.map(ToOwned::to_owned);
        let id = create(&docker, &request).await;
        docker.start_container(&id).await.unwrap();
        let networks = docker.inspect_container(&id).await.unwrap().networks;
        let found = networks.into_iter().map(|place| (place.network, place.ipv4.is_some()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_prune_by_somebody_else_leaves_only_networks_with_running_containers() {
    let docker = docker();
    docker.script(ScriptedRun::never_ends());
    for name in ["empty", "created", "running"] {
        docker.create_network(&network(name)).await.unwrap();
    }
    let created = create(&docker, &job_in("created", "one")).await;
    let running = create(&docker, &job_in("running", "other")).await;
    docker.start_container(&running).await.unwrap();
    assert_eq!(docker.vanish_unused_networks(), 2);
    assert_eq!(
        docker.networks().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["running"]
    );
    // Measured on Engine 20.10: the container's creation did not look for it, its start does.
    let refused = docker.start_container(&created).await;
    assert!(
        matches!(&refused, Err(ApiError::NotFound { message, .. })
            if message == "network created not found"),
        "{refused:?}"
    );
}
