//! What is on the engine, in the terms of [`leftovers`](crate::leftovers), and its removal.

use anyhow::{Result, bail};
use docker_api_trait::{ApiError, ContainerId, DockerApi, VolumeName};

use crate::leftovers::{Kind, Object};

/// Every container and every volume, containers first.
pub(crate) async fn take(docker: &dyn DockerApi) -> Result<Vec<Object>> {
    let containers = docker.list_containers(&[]).await?.into_iter().map(|container| Object {
        kind: Kind::Container,
        id: container.id.as_str().to_owned(),
        name: container.name,
        labels: container.labels,
    });
    let volumes = docker.list_volumes(&[]).await?.into_iter().map(|volume| Object {
        kind: Kind::Volume,
        id: volume.name.clone(),
        name: volume.name,
        labels: volume.labels,
    });
    Ok(containers.chain(volumes).collect())
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
        Kind::Volume => docker.remove_volume(&VolumeName::new(&*object.id)?).await,
    };
    match removed {
        // Gone is what was asked for.
        Err(ApiError::NotFound { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
