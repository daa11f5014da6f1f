//! What lies in a cache and has to stay: a file `canary` at its root.

use std::{collections::BTreeMap, io::Read as _};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ContainerId, ContainerName, ContainerRequest, DockerApi, ImageReference, Mount,
    MountSource, VolumeName,
};
use futures_util::TryStreamExt as _;

/// Where a container that is only looked through has the cache.
const FOLDER: &str = "/testkit-canary";

/// The canary of this cache; `None` when there is none. A container is created for the look, never
/// started, and removed.
pub(crate) async fn canary(
    docker: &dyn DockerApi,
    image: &ImageReference,
    cache: &VolumeName,
) -> Result<Option<Bytes>, ApiError> {
    let name = format!("testkit-canary-{:016x}", fastrand::u64(..));
    // Sixteen digits and a word are a legal name.
    let Ok(name) = ContainerName::new(name) else { return Ok(None) };
    let mut request = ContainerRequest::new(name, image.clone());
    request.entrypoint = vec!["true".to_owned()];
    request.host.network_mode = Some("none".to_owned());
    let source = MountSource::Volume {
        name: cache.clone(),
        labels: BTreeMap::new(),
        driver: None,
        options: BTreeMap::new(),
        no_copy: true,
    };
    request.mounts = vec![Mount::new(FOLDER, source)];
    let container = docker.create_container(&request).await?.id;
    let read = read(docker, &container).await;
    docker.remove_container(&container).await?;
    read
}

async fn read(docker: &dyn DockerApi, container: &ContainerId) -> Result<Option<Bytes>, ApiError> {
    let archive = match docker.download_archive(container, &format!("{FOLDER}/canary")).await {
        Ok(archive) => archive.try_collect::<Vec<_>>().await?.concat(),
        Err(ApiError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut archive = tar::Archive::new(&archive[..]);
    let entry = archive.entries().ok().and_then(|mut entries| entries.next());
    let Some(Ok(mut entry)) = entry else { return Ok(None) };
    let mut bytes = Vec::new();
    Ok(entry.read_to_end(&mut bytes).ok().map(|_| bytes.into()))
}
