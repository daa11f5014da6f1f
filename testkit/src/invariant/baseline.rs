//! An engine and a process before and after a fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use bytes::Bytes;
use docker_api_trait::{ApiError, DockerApi, ImageReference, LabelFilter, VolumeName};
use tokio::time::{Instant, sleep};
use volume_manager::{Role, label};

use super::difference::Difference;
use crate::canary::canary;

/// What is on an engine: kinds and names, and under each what tells an object from another of that name,
/// the id of a container or network, the labels of a volume, which has no id.
type Objects = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// An engine and this process as they were before something was tried, to compare with after it.
///
/// Six things are true after every case: nothing is left or lost on the engine; the canaries are in
/// their caches; there is one outcome; memory, tasks and file descriptors are back to what they were;
/// the log is a true beginning with an explicit end; and it took no longer than it may.
/// [`broken`](Self::broken) and [`Delivered::broken`](crate::Delivered::broken) look at them, but for the outcome, which is in its
/// type, and for memory, which takes many cases to tell.
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
/// assert_eq!(baseline.broken(&docker).await?, differences);
/// # Ok::<_, docker_api_trait::ApiError>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Baseline {
    owner: Option<String>,
    objects: Objects,
    canaries: Option<(ImageReference, BTreeMap<String, Bytes>)>,
    descriptors: usize,
    is_alone: bool,
    ignores_tasks: bool,
    tasks: usize,
    pub(super) begin: Instant,
    limit: Option<Duration>,
    patience: Duration,
}

/// Descriptors come and go with connections that are kept for a while.
const TOLERANCE: usize = 2;
/// Between two looks at what is broken.
const PAUSE: Duration = Duration::from_millis(200);

impl Baseline {
    /// How everything is now. Must be called within a runtime of tokio's.
    ///
    /// # Errors
    /// When the engine does not list its objects.
    pub async fn of(docker: &dyn DockerApi) -> Result<Self, ApiError> {
        Self::taken(docker, None).await
    }

    /// The same for what belongs to one owner, by its label: for an engine that others use, too.
    ///
    /// # Errors
    /// When the engine does not list its objects.
    pub async fn of_owner(docker: &dyn DockerApi, owner: &str) -> Result<Self, ApiError> {
        Self::taken(docker, Some(owner.to_owned())).await
    }

    async fn taken(docker: &dyn DockerApi, owner: Option<String>) -> Result<Self, ApiError> {
        Ok(Self {
            objects: objects(docker, owner.as_deref()).await?,
            owner,
            canaries: None,
            descriptors: descriptors(),
            is_alone: false,
            ignores_tasks: false,
            tasks: tasks(),
            begin: Instant::now(),
            limit: None,
            patience: Duration::ZERO,
        })
    }

    /// With the canaries of all caches that are there: the file `canary` at the root of each. They are
    /// read in containers of this image that are never started.
    ///
    /// # Errors
    /// When the engine does not show them.
    pub async fn with_canaries(
        self,
        docker: &dyn DockerApi,
        image: &ImageReference,
    ) -> Result<Self, ApiError> {
        let mut canaries = BTreeMap::new();
        for name in caches(docker, self.owner.as_deref()).await? {
            if let Some(canary) = canary_of(docker, image, &name).await? {
                canaries.insert(name, canary);
            }
        }
        Ok(Self { canaries: Some((image.clone(), canaries)), ..self })
    }

    /// With a limit for the time from now on.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), begin: Instant::now(), ..self }
    }

    /// What an engine or a connection needs a moment for is looked at again, for so long.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Nothing else runs in this process: its file descriptors count, too.
    #[must_use]
    pub fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }

    /// Without a look at tasks: for a real engine, whose connections are kept for a while and have tasks
    /// of their own, and who does not want to wait for their end.
    #[must_use]
    pub fn ignoring_tasks(self) -> Self {
        Self { ignores_tasks: true, ..self }
    }

    /// How many canaries it knows.
    pub fn canaries(&self) -> usize {
        self.canaries.as_ref().map_or(0, |(_, canaries)| canaries.len())
    }

    /// What of the invariants is broken now, after recovery: nothing is left or lost on the engine,
    /// the canaries are in their caches, tasks and descriptors are back to what they were, and it took
    /// no longer than it may. That a log is a true beginning is [`Delivered::broken`](crate::Delivered::broken); that there is
    /// one outcome is in its type.
    ///
    /// # Errors
    /// When the engine does not show what is there.
    pub async fn broken(&self, docker: &dyn DockerApi) -> Result<Vec<Difference>, ApiError> {
        let took = self.begin.elapsed();
        let late = self.limit.filter(|limit| took > *limit);
        let late = late.map(|limit| Difference::Late { took, limit });
        let last = Instant::now() + self.patience;
        loop {
            let mut broken = self.differences(docker).await?;
            broken.extend(self.lost_canaries(docker).await?);
            broken.extend(self.tasks().filter(|_| !self.ignores_tasks));
            broken.extend(self.is_alone.then(|| self.descriptors()).flatten());
            if broken.is_empty() || Instant::now() >= last {
                broken.extend(late);
                return Ok(broken);
            }
            sleep(PAUSE).await;
        }
    }

    async fn lost_canaries(&self, docker: &dyn DockerApi) -> Result<Vec<Difference>, ApiError> {
        let Some((image, canaries)) = &self.canaries else { return Ok(Vec::new()) };
        let there = caches(docker, self.owner.as_deref()).await?;
        let mut lost = Vec::new();
        for (name, canary) in canaries {
            // A look would make a cache that is gone anew.
            let is_there = there.contains(name);
            if !is_there || canary_of(docker, image, name).await?.as_ref() != Some(canary) {
                lost.push(Difference::Canary { name: name.clone() });
            }
        }
        Ok(lost)
    }

    /// What is otherwise on the engine now, of anybody or of the one owner. Caches are made to stay, so that a volume whose
    /// labels say `cache` is no difference when it is there, only when it is lost or another one.
    ///
    /// # Errors
    /// When the engine does not list its objects.
    pub async fn differences(&self, docker: &dyn DockerApi) -> Result<Vec<Difference>, ApiError> {
        let now = objects(docker, self.owner.as_deref()).await?;
        let caches = caches(docker, self.owner.as_deref()).await?;
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

/// The filters for what belongs to an owner, or to anybody.
fn of(owner: Option<&str>) -> Vec<LabelFilter> {
    owner.map(|owner| LabelFilter::equals(label::OWNER, owner)).into_iter().collect()
}

/// The names of the caches.
async fn caches(docker: &dyn DockerApi, owner: Option<&str>) -> Result<BTreeSet<String>, ApiError> {
    let mut filters = of(owner);
    filters.push(LabelFilter::equals(label::KIND, Role::Cache.as_str()));
    Ok(docker.list_volumes(&filters).await?.into_iter().map(|volume| volume.name).collect())
}

async fn canary_of(
    docker: &dyn DockerApi,
    image: &ImageReference,
    cache: &str,
) -> Result<Option<Bytes>, ApiError> {
    match VolumeName::new(cache) {
        Ok(cache) => canary(docker, image, &cache).await,
        // No client can mount a volume of such a name.
        Err(_) => Ok(None),
    }
}

async fn objects(docker: &dyn DockerApi, owner: Option<&str>) -> Result<Objects, ApiError> {
    let ours = of(owner);
    let mut objects = Objects::new();
    let mut add = |kind, name: String, identity: String| {
        objects.entry((kind, name)).or_default().insert(identity);
    };
    for container in docker.list_containers(&ours).await? {
        add("container", container.name, container.id.to_string());
    }
    for network in docker.list_networks(&ours).await? {
        add("network", network.name, network.id.to_string());
    }
    for volume in docker.list_volumes(&ours).await? {
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
