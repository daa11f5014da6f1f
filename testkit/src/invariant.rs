//! What must be true after a fault, whatever it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    time::Duration,
};

use bytes::Bytes;
use docker_api_trait::{ApiError, DockerApi, ImageReference, LabelFilter, VolumeName};
use tokio::time::{Instant, sleep};
use volume_manager::{Role, label};

use crate::canary::canary;

/// What is on an engine: kinds and names, and under each what tells an object from another of that name,
/// the id of a container or network, the labels of a volume, which has no id.
type Objects = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// An engine and this process as they were before something was tried, to compare with after it.
///
/// Six things are true after every case: nothing is left or lost on the engine; the canaries are in
/// their caches; there is one outcome; memory, tasks and file descriptors are back to what they were;
/// the log is a true beginning with an explicit end; and it took no longer than it may.
/// [`broken`](Self::broken) and [`Delivered::broken`] look at them, but for the outcome, which is in its
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
    begin: Instant,
    limit: Option<Duration>,
    patience: Duration,
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
    /// The file `canary` in a cache is gone, or has other bytes.
    Canary {
        /// The cache.
        name: String,
    },
    /// A log that is no beginning of what was written, or says that it is whole and is not.
    Log {
        /// So many bytes at its beginning are as they were written.
        agrees: usize,
        /// It has so many.
        came: usize,
        /// So many were written.
        whole: usize,
    },
    /// It took longer than it may.
    Late {
        /// So long.
        took: Duration,
        /// No longer than this was allowed.
        limit: Duration,
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
            Self::Canary { name } => write!(formatter, "the canary of the cache {name} is gone"),
            Self::Log { agrees, came, whole } => write!(
                formatter,
                "of the log's {came} bytes {agrees} are as they were written, and {whole} were"
            ),
            Self::Late { took, limit } => write!(formatter, "it took {took:?} of {limit:?}"),
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
    /// no longer than it may. That a log is a true beginning is [`Delivered::broken`]; that there is
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

/// What came of a log, and what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// What came.
    pub came: &'a [u8],
    /// All that was written.
    pub whole: &'a [u8],
    /// Whether its end says that it is complete, and what wrote it came to its end.
    pub is_complete: bool,
}

impl Delivered<'_> {
    /// Whether it is not what every log must be: a true beginning, and all of it when it says so.
    pub fn broken(&self) -> Option<Difference> {
        let (came, whole) = (self.came.len(), self.whole.len());
        let agrees = self.came.iter().zip(self.whole).take_while(|(one, other)| one == other);
        let agrees = agrees.count();
        let is_true = agrees == came && (came == whole || !self.is_complete);
        (!is_true).then_some(Difference::Log { agrees, came, whole })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use docker_api_trait::{
        ArchiveApi as _, ContainerApi as _, ContainerRequest, Mount, MountSource, NetworkApi as _,
        NetworkRequest, VolumeApi as _, VolumeName, VolumeRequest,
    };
    use std::time::Duration;
    use tokio::time::sleep;

    use super::{Baseline, Delivered, Difference};
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

    /// A cache with this canary, put there through a container.
    async fn cache(engine: &FakeDocker, canary: &str) {
        engine.create_volume(&volume("cache", "1")).await.unwrap();
        let mut request =
            ContainerRequest::new("writer".parse().unwrap(), "busybox".parse().unwrap());
        let source = MountSource::Volume {
            name: NAME.parse().unwrap(),
            labels: BTreeMap::new(),
            driver: None,
            options: BTreeMap::new(),
            no_copy: true,
        };
        request.mounts = vec![Mount::new("/cache", source)];
        let writer = engine.create_container(&request).await.unwrap().id;
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(canary.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, "canary", canary.as_bytes()).unwrap();
        let archive = archive.into_inner().unwrap().into();
        engine.upload_archive(&writer, "/cache", archive).await.unwrap();
        engine.remove_container(&writer).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_canary_that_is_gone_or_another_is_told() {
        let engine = FakeDocker::new().with_image("busybox");
        cache(&engine, "yellow").await;
        let image = "busybox".parse().unwrap();
        let baseline = Baseline::of(&engine).await.unwrap();
        let baseline = baseline.with_canaries(&engine, &image).await.unwrap();
        assert_eq!(baseline.canaries(), 1);
        assert_eq!(baseline.broken(&engine).await.unwrap(), []);
        let canary = Difference::Canary { name: NAME.to_owned() };
        // The volume is like the one before in all that a list shows.
        engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
        engine.create_volume(&volume("cache", "1")).await.unwrap();
        assert_eq!(baseline.broken(&engine).await.unwrap(), std::slice::from_ref(&canary));
        cache(&engine, "yellow").await;
        assert_eq!(baseline.broken(&engine).await.unwrap(), []);
        cache(&engine, "orange").await;
        assert_eq!(baseline.broken(&engine).await.unwrap(), std::slice::from_ref(&canary));
        engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
        let lost = Difference::Lost { kind: "volume", name: NAME.to_owned() };
        assert_eq!(baseline.broken(&engine).await.unwrap(), [lost, canary]);
        assert_eq!(engine.volumes(), [], "a look makes nothing anew");
        assert_eq!(engine.containers(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_a_moment_is_looked_at_again_and_what_takes_too_long_is_told() {
        let engine = FakeDocker::new();
        let limit = Duration::from_mins(1);
        let patience = Duration::from_secs(30);
        let baseline = Baseline::of(&engine).await.unwrap().within(limit).patient(patience);
        engine.create_volume(&volume("temporary", "1")).await.unwrap();
        let impatient = baseline.clone().patient(Duration::ZERO);
        let left = Difference::Left { kind: "volume", name: NAME.to_owned() };
        assert_eq!(impatient.broken(&engine).await.unwrap(), [left]);
        let task = tokio::spawn(sleep(Duration::from_secs(20)));
        let later = async {
            sleep(Duration::from_secs(10)).await;
            engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
        };
        let (broken, ()) = tokio::join!(baseline.broken(&engine), later);
        assert_eq!(broken.unwrap(), []);
        task.await.unwrap();
        sleep(limit).await;
        let took = baseline.begin.elapsed();
        tokio::spawn(std::future::pending::<()>());
        let tasks = Difference::Tasks { before: 0, after: 1 };
        let late = Difference::Late { took, limit };
        assert_eq!(baseline.broken(&engine).await.unwrap(), [tasks, late]);
        let took = baseline.begin.elapsed();
        let late = Difference::Late { took, limit };
        assert_eq!(baseline.ignoring_tasks().broken(&engine).await.unwrap(), [late]);
    }

    #[tokio::test]
    async fn of_an_owner_only_what_is_its_own_counts() {
        let engine = FakeDocker::new();
        let baseline = Baseline::of_owner(&engine, "ci").await.unwrap();
        engine.create_volume(&volume("temporary", "1")).await.unwrap();
        assert_eq!(baseline.differences(&engine).await.unwrap(), []);
        let mut ours = volume("temporary", "1");
        ours.name = "berth-y".parse().unwrap();
        ours.labels.insert("dev.berth.owner".to_owned(), "ci".to_owned());
        engine.create_volume(&ours).await.unwrap();
        let left = Difference::Left { kind: "volume", name: "berth-y".to_owned() };
        assert_eq!(baseline.differences(&engine).await.unwrap(), [left]);
    }

    #[test]
    fn a_log_is_a_true_beginning_and_whole_when_it_says_so() {
        let of = |came: &str, is_complete| {
            Delivered { came: came.as_bytes(), whole: b"one two", is_complete }.broken()
        };
        for came in ["", "one", "one two"] {
            assert_eq!(of(came, false), None);
        }
        assert_eq!(of("one two", true), None);
        let log = |agrees, came| Some(Difference::Log { agrees, came, whole: 7 });
        assert_eq!(of("one", true), log(3, 3));
        for is_complete in [false, true] {
            assert_eq!(of("two", is_complete), log(0, 3));
            assert_eq!(of("one two three", is_complete), log(7, 13));
        }
    }
}
