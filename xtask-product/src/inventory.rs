//! What is on the engine, in the terms of [`leftovers`](crate::leftovers), and its removal.

use anyhow::{Result, bail};
use docker_api_trait::{ApiError, ContainerId, DockerApi, NetworkId, VolumeName};

use crate::leftovers::{Kind, Object};

/// Every container, network and volume, in this order.
pub(crate) async fn take(docker: &dyn DockerApi) -> Result<Vec<Object>> {
    let containers = docker.list_containers(&[]).await?.into_iter().map(|container| Object {
        kind: Kind::Container,
        id: container.id.as_str().to_owned(),
        name: container.name,
        labels: container.labels,
    });
    let networks = docker.list_networks(&[]).await?.into_iter().map(|network| Object {
        kind: Kind::Network,
        id: network.id.as_str().to_owned(),
        name: network.name,
        labels: network.labels,
    });
    let volumes = docker.list_volumes(&[]).await?.into_iter().map(|volume| Object {
        kind: Kind::Volume,
        id: volume.name.clone(),
        name: volume.name,
        labels: volume.labels,
    });
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// Removes the objects in the order of their kinds, tries each one, and fails if one stays.
pub(crate) async fn remove(docker: &dyn DockerApi, objects: &[Object]) -> Result<()> {
    let mut in_order: Vec<&Object> = objects.iter().collect();
    in_order.sort_by_key(|object| object.kind);
    let mut faults = Vec::new();
    for object in in_order {
        if let Err(error) = remove_one(docker, object).await {
            faults.push(format!("{object}: {error:#}"));
        }
    }
    if !faults.is_empty() {
        bail!("could not remove {}", faults.join("; "));
    }
    Ok(())
}

async fn remove_one(docker: &dyn DockerApi, object: &Object) -> Result<()> {
    let removed = match object.kind {
        Kind::Container => docker.remove_container(&ContainerId::new(&*object.id)?).await,
        Kind::Network => docker.remove_network(&NetworkId::new(&*object.id)?).await,
        Kind::Volume => docker.remove_volume(&VolumeName::new(&*object.id)?).await,
    };
    match removed {
        // Gone is what was asked for.
        Err(ApiError::NotFound { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use docker_api_trait::{
        ContainerApi as _, ContainerRequest, NetworkApi as _, NetworkRequest, VolumeApi as _,
        VolumeRequest,
    };
    use testkit::FakeDocker;

    use super::*;

    const NAME: &str = "berth-x";

    /// An engine with one object of each kind, all of one name and one owner.
    async fn engine() -> FakeDocker {
        let engine = FakeDocker::new().with_image("busybox");
        let labels = BTreeMap::from([("dev.berth.owner".to_owned(), "e2e-1".to_owned())]);
        let mut network = NetworkRequest::new(NAME.parse().unwrap());
        network.labels.clone_from(&labels);
        engine.create_network(&network).await.unwrap();
        let volume = VolumeRequest::new(NAME.parse().unwrap()).with_labels(labels.clone());
        engine.create_volume(&volume).await.unwrap();
        let mut container =
            ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
        container.labels = labels;
        engine.create_container(&container).await.unwrap();
        engine
    }

    #[tokio::test]
    async fn every_kind_of_object_is_seen_and_removed() {
        let engine = engine().await;
        let objects = take(&engine).await.unwrap();
        let kinds: Vec<_> = objects.iter().map(|object| object.kind).collect();
        assert_eq!(kinds, [Kind::Container, Kind::Network, Kind::Volume]);
        assert!(objects.iter().all(|one| one.name == NAME && one.owner() == Some("e2e-1")));
        remove(&engine, &objects).await.unwrap();
        assert_eq!(take(&engine).await.unwrap(), []);
        remove(&engine, &objects).await.unwrap();
    }
}
