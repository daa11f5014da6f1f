//! What the engine in memory knows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ContainerId, ContainerRequest, ContainerSummary, Health, ImageDetails, MountKind,
    MountPoint, Operation, Volume,
};
use tokio::{sync::watch, time::Instant};

use super::{
    admission::Faults,
    life::Life,
    mount::{MountedVolume, clean, innermost},
    registry::Registry,
    script::ScriptedRun,
    stored_exec::Execs,
    stored_network::{Networks, Place},
    upload::{UploadedEntry, VolumeRoot},
};

/// Everything behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By name.
    pub(super) volumes: BTreeMap<String, StoredVolume>,
    /// By id, which is also the order of their creation.
    pub(super) containers: BTreeMap<ContainerId, StoredContainer>,
    /// The names of those that were removed without their anonymous volumes.
    pub(super) removed_alone: Vec<String>,
    /// How many containers were ever created; ids are not used again.
    pub(super) containers_created: u64,
    /// The images on the engine, by reference with tag.
    pub(super) images: BTreeMap<String, ImageDetails>,
    /// When containers become healthy or not, by the image's id.
    pub(super) health: BTreeMap<String, (Duration, Health)>,
    /// The ids of the images that have no `sh`.
    pub(super) without_shell: BTreeSet<String>,
    /// What can be pulled.
    pub(super) registry: Registry,
    pub(super) networks: Networks,
    /// The further programs that were prepared.
    pub(super) execs: Execs,
    /// Whether every image is on the engine.
    pub(super) any_image: bool,
    /// The folders that images were given, by the image's id and the cleaned path.
    pub(super) image_folders: BTreeMap<(String, String), VolumeRoot>,
    /// The links that images were given, by the image's id and the cleaned path.
    pub(super) image_links: BTreeMap<(String, String), String>,
    /// The headers of uploaded archives, in order.
    pub(super) uploaded: Vec<UploadedEntry>,
    /// The cleaned paths of the host where nothing is.
    pub(super) missing_host_paths: BTreeSet<String>,
    /// What a container does when no run is queued.
    pub(super) script: ScriptedRun,
    /// What the containers started next do.
    pub(super) next_scripts: VecDeque<ScriptedRun>,
    /// What containers of an image do, by the image's reference with tag.
    pub(super) image_scripts: BTreeMap<String, ScriptedRun>,
    /// The scripts that shells were given, in order.
    pub(super) shell_scripts: Vec<String>,
    /// What ended in containers that are gone.
    pub(super) exit_codes: Vec<i64>,
    /// What tells the engine from others.
    pub(super) identity: Option<String>,
    /// Whether containers run on while the engine is down.
    pub(super) live_restore: bool,
    /// The moment that the engine's calendar begins with: the first that it was asked for.
    pub(super) epoch: Option<Instant>,
    /// Every call, in order.
    pub(super) calls: Vec<Operation>,
    /// The request of every call that would create a container.
    pub(super) container_requests: Vec<ContainerRequest>,
    pub(super) faults: Faults,
}

/// A volume and what is in it.
#[derive(Debug)]
pub(super) struct StoredVolume {
    pub(super) volume: Volume,
    /// What files hold, by their paths from the volume's root.
    pub(super) files: BTreeMap<String, Bytes>,
    pub(super) root: VolumeRoot,
}

impl From<Volume> for StoredVolume {
    /// The volume, empty.
    fn from(volume: Volume) -> Self {
        Self { volume, files: BTreeMap::new(), root: VolumeRoot::default() }
    }
}

#[derive(Debug)]
pub(super) struct StoredContainer {
    /// The container in a list, but for its state.
    pub(super) summary: ContainerSummary,
    /// As it was asked for.
    pub(super) request: ContainerRequest,
    /// The image's id.
    pub(super) image: String,
    /// Its place in a network, if it is in one.
    pub(super) place: Option<Place>,
    pub(super) volumes: Vec<MountedVolume>,
    /// All that is mounted, in the order of the destinations.
    pub(super) mounts: Vec<MountPoint>,
    pub(super) life: watch::Sender<Life>,
}

impl StoredContainer {
    /// The container in a list, as it is now.
    pub(super) fn summary(&self) -> ContainerSummary {
        let mut summary = self.summary.clone();
        summary.status = self.life.borrow().condition(Instant::now()).status;
        summary
    }

    pub(super) fn is_running(&self) -> bool {
        self.life.borrow().is_running(Instant::now())
    }

    fn uses(&self, volume: &str) -> bool {
        self.volumes.iter().any(|mounted| mounted.volume == volume)
    }
}

impl State {
    /// A container, or the engine's words that it is not there.
    pub(super) fn container(
        &self,
        operation: Operation,
        id: &ContainerId,
    ) -> Result<&StoredContainer, ApiError> {
        self.containers.get(id).ok_or_else(|| ApiError::NotFound {
            operation,
            message: format!("No such container: {id}"),
        })
    }

    /// Kills and removes a container, if it is there.
    pub(super) fn take_container(&mut self, id: &ContainerId) {
        self.execs.forget(id);
        if let Some(container) = self.containers.remove(id) {
            self.exit_codes.extend(container.life.borrow().exit_codes(Instant::now()));
            container.life.send_modify(|life| life.remove(Instant::now()));
        }
    }

    /// What a container or step does that begins now.
    pub(super) fn next_script(&mut self) -> ScriptedRun {
        self.next_scripts.pop_front().unwrap_or_else(|| self.script.clone())
    }

    /// A moment as the engine writes it. Its calendar begins with 2026, whatever the day: it is the
    /// same in every run.
    pub(super) fn written_time(&mut self, moment: Instant) -> String {
        humantime::format_rfc3339_nanos(self.time(moment)).to_string()
    }

    /// A moment by the engine's clock.
    pub(super) fn time(&mut self, moment: Instant) -> SystemTime {
        const BEGINNING: Duration = Duration::from_hours(490_896);
        let epoch = *self.epoch.get_or_insert(moment);
        SystemTime::UNIX_EPOCH + BEGINNING + moment.saturating_duration_since(epoch)
    }

    /// The containers that refer to a volume, running or not, by id.
    pub(super) fn users_of(&self, volume: &str) -> Vec<&StoredContainer> {
        self.containers.values().filter(|container| container.uses(volume)).collect()
    }

    /// Mounts what a container has mounted: the engine makes the folders of the host that are
    /// missing. Measured on Engine 20.10: not when the container is created.
    pub(super) fn mount_host_paths(&mut self, id: &ContainerId) {
        if let Some(container) = self.containers.get(id) {
            for point in container.mounts.iter().filter(|point| point.kind == MountKind::Host) {
                self.missing_host_paths.remove(&point.source);
            }
        }
    }

    /// Where in the image a path leads, through links.
    pub(super) fn resolve(&self, image: &str, path: &str) -> String {
        /// More than this is a circle.
        const LINKS: usize = 40;
        let mut path = clean(path);
        for _ in 0..LINKS {
            let next = self.image_links.iter().find_map(|((of, link), target)| {
                let rest = path.strip_prefix(link.as_str()).filter(|_| of == image)?;
                let from = if target.starts_with('/') { "" } else { link.as_str() };
                let up = if from.is_empty() { "" } else { "/.." };
                (rest.is_empty() || rest.starts_with('/'))
                    .then(|| clean(&format!("{from}{up}/{target}/{rest}")))
            });
            match next {
                Some(next) => path = next,
                None => break,
            }
        }
        path
    }

    /// Fills an empty volume with what the image has at its destination: here, the owner and the mode
    /// of a folder.
    ///
    /// Measured on Engine 20.10: at each creation of a container over the volume while that is still
    /// empty, whatever owner its root was given meanwhile.
    pub(super) fn fill_from_image(&mut self, image: &str, mounted: &MountedVolume) {
        let folder = (image.to_owned(), mounted.destination.clone());
        let root = self.image_folders.get(&folder).copied();
        if let (Some(root), Some(stored)) = (root, self.volumes.get_mut(&mounted.volume))
            && stored.files.is_empty()
        {
            stored.root = root;
        }
    }

    /// Writes the script's files into the volumes that `mounted` has; the paths that a read-only
    /// mount refused come back.
    pub(super) fn write_files(
        &mut self,
        image: &str,
        mounted: &[MountedVolume],
        script: &ScriptedRun,
    ) -> Vec<String> {
        let mut refused = Vec::new();
        for (path, content) in script.writes() {
            let place = self.resolve(image, path);
            let Some((volume, inside)) = innermost(mounted, &place) else {
                continue;
            };
            if inside.is_empty() {
                continue;
            }
            if volume.read_only {
                refused.push(path.clone());
            } else if let Some(stored) = self.volumes.get_mut(&volume.volume) {
                stored.files.insert(inside, content.clone());
            }
        }
        refused
    }
}
