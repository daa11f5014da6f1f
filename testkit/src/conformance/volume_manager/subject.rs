//! What the suite judges: a manager, and a way to see and disturb its volumes past it.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use docker_api_trait::{
    ContainerId, ContainerName, ContainerRequest, DockerApi, ImageReference, Mount, MountKind,
    MountPoint, MountSource, Volume, VolumeName, VolumeRequest,
};
use volume_manager::{
    Backoff, DockerVolumeManager, InMemoryVolumeManager, PreparedVolume, PreparedVolumes,
    VolumeManager, label,
};

use super::unique::unique;

/// A volume manager under test, with a view of its volumes past the manager.
#[async_trait]
pub trait Subject: Debug + Send + Sync {
    /// The manager.
    fn manager(&self) -> Arc<dyn VolumeManager>;

    /// The owner that the volumes of the suite get: what is left can be swept by it.
    fn owner(&self) -> String;

    /// The volume of that name, if there is one.
    async fn find(&self, name: &VolumeName) -> Option<Volume>;

    /// Makes a volume, as somebody else would.
    async fn insert(&self, request: &VolumeRequest);

    /// Removes a volume, as somebody else would.
    async fn vanish(&self, name: &VolumeName);

    /// Creates a container with these volumes mounted; it is not started.
    async fn create(&self, prepared: &PreparedVolumes) -> ContainerId;

    /// What is mounted into a container.
    async fn mounts(&self, container: &ContainerId) -> Vec<MountPoint>;

    /// Removes a container.
    async fn discard(&self, container: &ContainerId);
}

/// The manager in memory. Its containers are no more than their mounts.
#[derive(Debug, Default)]
pub struct MemorySubject {
    manager: InMemoryVolumeManager,
    containers: Mutex<Vec<PreparedVolumes>>,
}

#[async_trait]
impl Subject for MemorySubject {
    fn manager(&self) -> Arc<dyn VolumeManager> {
        Arc::new(self.manager.clone())
    }

    fn owner(&self) -> String {
        "conformance".to_owned()
    }

    async fn find(&self, name: &VolumeName) -> Option<Volume> {
        self.manager.volumes().into_iter().find(|volume| volume.name == name.as_str())
    }

    async fn insert(&self, request: &VolumeRequest) {
        let mut volume = Volume::local(request.name.as_str());
        volume.options.clone_from(&request.options);
        volume.labels.clone_from(&request.labels);
        self.manager.insert(volume);
    }

    async fn vanish(&self, name: &VolumeName) {
        self.manager.vanish(name);
    }

    async fn create(&self, prepared: &PreparedVolumes) -> ContainerId {
        prepared.temporaries().for_each(|name| self.manager.occupy(name));
        // As an engine does: what has vanished is made anew with the labels of its mount.
        let there = self.manager.volumes();
        for managed in prepared.volumes.iter().filter_map(PreparedVolume::managed) {
            if !there.iter().any(|volume| volume.name == managed.name.as_str()) {
                self.insert(&managed.request()).await;
            }
        }
        let mut containers = self.containers();
        containers.push(prepared.clone());
        ContainerId::new(format!("{:064x}", containers.len() - 1)).expect("64 digits")
    }

    async fn mounts(&self, container: &ContainerId) -> Vec<MountPoint> {
        let mounts = self.containers()[index(container)].mounts();
        let point = |mount: Mount| {
            let (kind, name, source) = match &mount.source {
                MountSource::Volume { name, .. } => {
                    (MountKind::Volume, Some(name.to_string()), String::new())
                }
                MountSource::Host { path, .. } => (MountKind::Host, None, path.clone()),
                other => panic!("{other:?} is not part of the suite"),
            };
            let mut point = MountPoint::new(kind, source, mount.destination);
            point.name = name;
            point.read_only = mount.read_only;
            point
        };
        mounts.into_iter().map(point).collect()
    }

    async fn discard(&self, container: &ContainerId) {
        let prepared = self.containers()[index(container)].clone();
        prepared.temporaries().for_each(|name| self.manager.release(name));
    }
}

impl MemorySubject {
    fn containers(&self) -> MutexGuard<'_, Vec<PreparedVolumes>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(container: &ContainerId) -> usize {
    usize::from_str_radix(container.as_str(), 16).expect("an id that was made here")
}

/// The manager on an engine, real or fake.
#[derive(Debug)]
pub struct DockerSubject {
    engine: Arc<dyn DockerApi>,
    owner: String,
    image: ImageReference,
}

impl DockerSubject {
    /// The manager on `engine`, which has `image`; volumes that stay belong to `owner`.
    pub fn new(
        engine: Arc<dyn DockerApi>,
        owner: impl Into<String>,
        image: ImageReference,
    ) -> Self {
        Self { engine, owner: owner.into(), image }
    }
}

#[async_trait]
impl Subject for DockerSubject {
    fn manager(&self) -> Arc<dyn VolumeManager> {
        Arc::new(DockerVolumeManager::new(Arc::clone(&self.engine)).with_backoff(impatient()))
    }

    fn owner(&self) -> String {
        self.owner.clone()
    }

    async fn find(&self, name: &VolumeName) -> Option<Volume> {
        self.engine.inspect_volume(name).await.ok()
    }

    async fn insert(&self, request: &VolumeRequest) {
        self.engine.create_volume(request).await.expect("the stranger can make its volume");
    }

    async fn vanish(&self, name: &VolumeName) {
        self.engine.remove_volume(name).await.expect("the volume can be removed");
    }

    async fn create(&self, prepared: &PreparedVolumes) -> ContainerId {
        let name = ContainerName::new(unique("conformance")).expect("a legal name");
        let mut request = ContainerRequest::new(name, self.image.clone());
        request.arguments = vec!["true".to_owned()];
        request.labels = [(label::OWNER.to_owned(), self.owner.clone())].into();
        request.mounts = prepared.mounts();
        self.engine.create_container(&request).await.expect("the container can be created").id
    }

    async fn mounts(&self, container: &ContainerId) -> Vec<MountPoint> {
        self.engine.inspect_container(container).await.expect("the container is there").mounts
    }

    async fn discard(&self, container: &ContainerId) {
        self.engine.remove_container(container).await.expect("the container can be removed");
    }
}

/// A volume in use is in use for good here: the suite does not wait for it.
fn impatient() -> Backoff {
    Backoff::new(Duration::from_millis(1), 2)
}
