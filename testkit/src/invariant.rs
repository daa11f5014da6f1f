//! What must be true after a fault, whatever it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
};

use docker_api_trait::{ApiError, DockerApi};

/// What is on an engine: kinds and names, and under each what tells an object from another of that name,
/// the id of a container or network, the labels of a volume, which has no id.
type Objects = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// An engine and this process as they were before something was tried, to compare with after it.
///
/// ```
/// use docker_api_trait::{VolumeApi, VolumeRequest};
/// use testkit::{Baseline, FakeDocker};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let docker = FakeDocker::new();
/// let baseline = Baseline::of(&docker).await?;
/// docker.create_volume(&VolumeRequest::new("berth-t1-x".parse().unwrap())).await?;
/// let differences = baseline.differences(&docker).await?;
/// assert_eq!(differences[0].to_string(), "the volume berth-t1-x is left");
/// # Ok::<_, docker_api_trait::ApiError>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Baseline {
    objects: Objects,
    descriptors: usize,
    tasks: usize,
}

/// Something that is otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// An object that was not there before.
    Left {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object that is not there any more.
    Lost {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object that is another one under the name: what was there before was removed, and made anew.
    Replaced {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// More file descriptors of this process are open, by more than two.
    Descriptors {
        /// So many before.
        before: usize,
        /// So many now.
        after: usize,
    },
    /// More tasks are alive in this runtime.
    Tasks {
        /// So many before.
        before: usize,
        /// So many now.
        after: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { kind, name } => write!(formatter, "the {kind} {name} is left"),
            Self::Lost { kind, name } => write!(formatter, "the {kind} {name} is lost"),
            Self::Replaced { kind, name } => write!(formatter, "the {kind} {name} is another one"),
            Self::Descriptors { before, after } => {
                write!(formatter, "{after} file descriptors are open, {before} were")
            }
            Self::Tasks { before, after } => {
                write!(formatter, "{after} tasks are alive, {before} were")
            }
        }
    }
}

/// Descriptors come and go with connections that are kept for a while.
const TOLERANCE: usize = 2;

impl Baseline {
    /// How everything is now. Must be called within a runtime of tokio's.
    ///
    /// # Errors
    /// When the engine does not list its objects.
    pub async fn of(docker: &dyn DockerApi) -> Result<Self, ApiError> {
        Ok(Self { objects: objects(docker).await?, descriptors: descriptors(), tasks: tasks() })
    }

    /// What is otherwise on the engine now, of anybody. Caches are made to stay, so that a volume whose
    /// labels say `cache` is no difference when it is there, only when it is lost or another one.
    ///
    /// # Errors
    /// When the engine does not list its objects.
    pub async fn differences(&self, docker: &dyn DockerApi) -> Result<Vec<Difference>, ApiError> {
        let now = objects(docker).await?;
        let caches: BTreeSet<_> = docker
            .list_volumes(&[docker_api_trait::LabelFilter::equals("dev.berth.kind", "cache")])
            .await?
            .into_iter()
            .map(|volume| volume.name)
            .collect();
        let mut differences = Vec::new();
        for (object, identities) in &now {
            let (kind, name) = (object.0, object.1.clone());
            match self.objects.get(object) {
                None if kind == "volume" && caches.contains(&name) => {}
                None => differences.push(Difference::Left { kind, name }),
                Some(before) if before == identities => {}
                // Two networks can have one name.
                Some(before) if before.is_subset(identities) => {
                    differences.push(Difference::Left { kind, name });
                }
                Some(before) if identities.is_subset(before) => {
                    differences.push(Difference::Lost { kind, name });
                }
                Some(_) => differences.push(Difference::Replaced { kind, name }),
            }
        }
        let lost = self.objects.keys().filter(|object| !now.contains_key(*object));
        differences.extend(lost.map(|(kind, name)| Difference::Lost { kind, name: name.clone() }));
        Ok(differences)
    }

    /// Whether more tasks are alive in this runtime than before. Connections have tasks of their own
    /// for as long as they are kept.
    pub fn tasks(&self) -> Option<Difference> {
        let (before, after) = (self.tasks, tasks());
        (after > before).then_some(Difference::Tasks { before, after })
    }

    /// Whether this process has more files open than before, by more than two. Not for tests that run
    /// beside others in one process.
    pub fn descriptors(&self) -> Option<Difference> {
        let (before, after) = (self.descriptors, descriptors());
        (after > before + TOLERANCE).then_some(Difference::Descriptors { before, after })
    }
}

async fn objects(docker: &dyn DockerApi) -> Result<Objects, ApiError> {
    let mut objects = Objects::new();
    let mut add = |kind, name: String, identity: String| {
        objects.entry((kind, name)).or_default().insert(identity);
    };
    for container in docker.list_containers(&[]).await? {
        add("container", container.name, container.id.to_string());
    }
    for network in docker.list_networks(&[]).await? {
        add("network", network.name, network.id.to_string());
    }
    for volume in docker.list_volumes(&[]).await? {
        add("volume", volume.name, format!("{:?}", volume.labels));
    }
    Ok(objects)
}

fn descriptors() -> usize {
    // The look itself has one open.
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

fn tasks() -> usize {
    tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use docker_api_trait::{
        ContainerApi as _, ContainerRequest, NetworkApi as _, NetworkRequest, VolumeApi as _,
        VolumeName, VolumeRequest,
    };

    use super::{Baseline, Difference};
    use crate::FakeDocker;

    const NAME: &str = "berth-x";

    fn volume(kind: &str, run: &str) -> VolumeRequest {
        let labels = [("dev.berth.kind", kind), ("dev.berth.run", run)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        VolumeRequest::new(NAME.parse().unwrap()).with_labels(BTreeMap::from(labels))
    }

    async fn engine() -> FakeDocker {
        let engine = FakeDocker::new().with_image("busybox");
        let container = ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
        engine.create_container(&container).await.unwrap();
        engine.create_network(&NetworkRequest::new(NAME.parse().unwrap())).await.unwrap();
        engine.create_volume(&volume("cache", "1")).await.unwrap();
        engine
    }

    #[tokio::test]
    async fn what_was_removed_and_made_again_under_its_name_is_another_object() {
        let engine = engine().await;
        let baseline = Baseline::of(&engine).await.unwrap();
        assert_eq!(baseline.differences(&engine).await.unwrap(), []);
        let name: VolumeName = NAME.parse().unwrap();

        engine.remove_container(&engine.containers()[0].id).await.unwrap();
        let container = ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
        engine.create_container(&container).await.unwrap();
        engine.remove_network(&engine.networks()[0].id).await.unwrap();
        engine.create_network(&NetworkRequest::new(NAME.parse().unwrap())).await.unwrap();
        engine.remove_volume(&name).await.unwrap();
        engine.create_volume(&volume("cache", "2")).await.unwrap();
        let replaced = |kind| Difference::Replaced { kind, name: NAME.to_owned() };
        let expected = ["container", "network", "volume"].map(replaced);
        assert_eq!(baseline.differences(&engine).await.unwrap(), expected);
        assert_eq!(expected[0].to_string(), "the container berth-x is another one");
    }

    #[tokio::test]
    async fn what_is_left_or_lost_is_told_and_a_new_cache_is_neither() {
        let empty = FakeDocker::new();
        let none = Baseline::of(&empty).await.unwrap();
        let full = engine().await;
        let all = Baseline::of(&full).await.unwrap();
        let name = || NAME.to_owned();
        let left = ["container", "network"].map(|kind| Difference::Left { kind, name: name() });
        assert_eq!(none.differences(&full).await.unwrap(), left);
        let kinds = ["container", "network", "volume"];
        let lost = kinds.map(|kind| Difference::Lost { kind, name: name() });
        assert_eq!(all.differences(&empty).await.unwrap(), lost);
        full.remove_volume(&NAME.parse().unwrap()).await.unwrap();
        full.create_volume(&volume("temporary", "1")).await.unwrap();
        let left = Difference::Left { kind: "volume", name: name() };
        assert!(none.differences(&full).await.unwrap().contains(&left));
    }
}
