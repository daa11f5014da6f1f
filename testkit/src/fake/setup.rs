//! Setting `FakeDocker` up, looking at it, and changing it behind its callers' backs.

use std::{collections::BTreeSet, time::Duration};

use docker_api_trait::{
    ContainerId, ContainerRequest, ContainerSummary, Health, ImageDetails, Operation, Volume,
    VolumeName,
};
use tokio::time::Instant;

use super::{
    FakeDocker, image, mount, reference,
    script::ScriptedRun,
    state::{StoredContainer, StoredVolume},
    upload::VolumeRoot,
};

/// Setting it up.
impl FakeDocker {
    /// With an image on the engine. A reference without tag or digest means `latest`.
    pub fn with_image(self, reference: &str) -> Self {
        image::add(&mut self.state(), reference);
        self
    }

    /// With a folder in an image, which is put on the engine when it is not there. Of this an empty
    /// volume takes owner and mode when a container has it mounted there.
    pub fn with_image_folder(
        self,
        reference: &str,
        path: &str,
        uid: u32,
        gid: u32,
        mode: u32,
    ) -> Self {
        {
            let mut state = self.state();
            let key = (image::id_or_add(&mut state, reference), mount::clean(path));
            state.image_folders.insert(key, VolumeRoot { uid, gid, mode: mode & 0o7777 });
        }
        self
    }

    /// With a symbolic link in an image, which is put on the engine when it is not there.
    pub fn with_image_link(self, reference: &str, path: &str, target: &str) -> Self {
        {
            let mut state = self.state();
            let key = (image::id_or_add(&mut state, reference), mount::clean(path));
            state.image_links.insert(key, target.to_owned());
        }
        self
    }

    /// With an image in the registry, from where it can be pulled. A reference without tag or
    /// digest means `latest`.
    pub fn with_registry_image(self, reference: &str) -> Self {
        self.state().registry.add(reference, None);
        self
    }

    /// With an image in the registry that is only given to this user.
    pub fn with_locked_registry_image(
        self,
        reference: &str,
        username: &str,
        password: &str,
    ) -> Self {
        let key = (username.to_owned(), password.to_owned());
        self.state().registry.add(reference, Some(key));
        self
    }

    /// With every image there could be, on the engine and in the registry.
    pub fn with_any_image(self) -> Self {
        self.state().any_image = true;
        self
    }

    /// With an image in which there is no `sh`: a container or further program that wants one finds
    /// none. It is found or put as by [`with_image_details`](Self::with_image_details).
    pub fn with_image_without_shell(self, reference: &str) -> Self {
        {
            let mut state = self.state();
            let id = image::change(&mut state, reference, |_| {});
            state.without_shell.insert(id);
        }
        self
    }

    /// With an image of which `change` says more than the name. It is changed where it is, on the
    /// engine and in the registry, and put on the engine when it is in neither. The id is its own.
    ///
    /// ```
    /// use testkit::FakeDocker;
    ///
    /// let docker = FakeDocker::new()
    ///     .with_registry_image("redis")
    ///     .with_image_details("redis", |image| image.exposed_ports = vec!["6379/tcp".to_owned()]);
    /// ```
    pub fn with_image_details(
        self,
        reference: &str,
        change: impl FnOnce(&mut ImageDetails),
    ) -> Self {
        image::change(&mut self.state(), reference, change);
        self
    }

    /// With an image whose health check comes to a verdict when a container has run for `after`;
    /// until then it is [`Starting`](docker_api_trait::HealthStatus::Starting). An image with a check
    /// and without a verdict stays so. It is found or put as by
    /// [`with_image_details`](Self::with_image_details).
    pub fn with_image_health(self, reference: &str, after: Duration, verdict: Health) -> Self {
        {
            let mut state = self.state();
            let id = image::change(&mut state, reference, |image| image.has_health_check = true);
            state.health.insert(id, (after, verdict));
        }
        self
    }

    /// With nothing at `path` on the host. A container that has it mounted in a way that makes a
    /// missing folder brings it back when it starts.
    pub fn without_host_path(self, path: &str) -> Self {
        self.state().missing_host_paths.insert(mount::clean(path));
        self
    }

    /// With containers that run on while the engine is down.
    pub fn with_live_restore(self) -> Self {
        self.state().live_restore = true;
        self
    }

    /// Becomes another engine, as when another one is started at its address: the id of
    /// [`info`](docker_api_trait::SystemApi::info) changes. What it has stays.
    pub fn set_identity(&self, id: &str) {
        self.state().identity = Some(id.to_owned());
    }

    /// Sets what containers and steps do that are started from now on.
    pub fn script(&self, run: ScriptedRun) {
        self.state().script = run;
    }

    /// Queues what the next container does that is started; after the queue, it is again what
    /// [`script`](Self::script) says. A start of a container that runs takes nothing from the queue.
    /// Nor does that of a shell which is fed its steps: there each step takes one.
    pub fn script_next(&self, run: ScriptedRun) {
        self.state().next_scripts.push_back(run);
    }

    /// As [`script_next`](Self::script_next), before all that is queued.
    pub fn script_first(&self, run: ScriptedRun) {
        self.state().next_scripts.push_front(run);
    }

    /// Sets what containers of an image do that are started from now on: they take nothing from the
    /// queue. Steps in a shell are not meant.
    pub fn script_for_image(&self, reference: &str, run: ScriptedRun) {
        self.state().image_scripts.insert(reference::canonical(reference), run);
    }
}

/// Looking at it. None of this counts as a call.
impl FakeDocker {
    /// The volumes, in the order of their names.
    pub fn volumes(&self) -> Vec<Volume> {
        self.state().volumes.values().map(|stored| stored.volume.clone()).collect()
    }

    /// The volumes' names, in order.
    pub fn volume_names(&self) -> Vec<String> {
        self.state().volumes.keys().cloned().collect()
    }

    /// The files in a volume, as paths from its root; none when there is no such volume.
    pub fn volume_files(&self, name: &str) -> BTreeSet<String> {
        let state = self.state();
        let files = state.volumes.get(name).map(|stored| stored.files.keys().cloned());
        files.into_iter().flatten().collect()
    }

    /// The containers, running or not, in the order of their creation.
    pub fn containers(&self) -> Vec<ContainerSummary> {
        self.state().containers.values().map(StoredContainer::summary).collect()
    }

    /// Whether there is something at `path` on the host.
    pub fn host_path_exists(&self, path: &str) -> bool {
        !self.state().missing_host_paths.contains(&mount::clean(path))
    }

    /// Every call so far, in order, whatever became of it. One that was never polled is none.
    pub fn calls(&self) -> Vec<Operation> {
        self.state().calls.clone()
    }

    /// The request of every call of `create_container` so far, in order, whatever became of it.
    pub fn container_requests(&self) -> Vec<ContainerRequest> {
        self.state().container_requests.clone()
    }

    /// What the containers' programs and their shells' steps have ended with that came to an end by
    /// themselves, first those of containers that are gone. This does not count as a call.
    pub fn exit_codes(&self) -> Vec<i64> {
        let state = self.state();
        let now = Instant::now();
        let there = state.containers.values();
        let there = there.flat_map(|container| container.life.borrow().exit_codes(now));
        state.exit_codes.iter().copied().chain(there).collect()
    }

    /// The names of the containers that were removed without their anonymous volumes, in order.
    pub fn removed_alone(&self) -> Vec<String> {
        self.state().removed_alone.clone()
    }

    /// The volumes, to be kept for [`restore`](Self::restore). The names of files are not in it.
    pub fn snapshot(&self) -> Vec<Volume> {
        self.volumes()
    }
}

/// Changing it as others would, beside the API: an administrator, a prune, a second program.
impl FakeDocker {
    /// Puts a volume on the engine as it is, in place of one that has the name. Its driver is known
    /// from then on, while the volume is there.
    pub fn insert_volume(&self, volume: Volume) {
        self.state().volumes.insert(volume.name.clone(), StoredVolume::from(volume));
    }

    /// Replaces all volumes by these, empty.
    pub fn restore(&self, volumes: Vec<Volume>) {
        let stored =
            volumes.into_iter().map(|volume| (volume.name.clone(), StoredVolume::from(volume)));
        self.state().volumes = stored.collect();
    }

    /// Takes a volume away, whether or not a container refers to it. Containers that do are left
    /// as they are; what they write there is lost. Without such a volume nothing happens.
    pub fn vanish_volume(&self, name: &VolumeName) {
        self.state().volumes.remove(name.as_str());
    }

    /// Takes an image away, whether or not a container was made of it. It can be pulled again when it
    /// is in the registry.
    pub fn vanish_image(&self, reference: &str) {
        let key = reference::canonical(reference);
        self.state().images.remove(&key);
    }

    /// Takes a container away, killing it when it runs, as a forced removal by somebody else.
    /// Without such a container nothing happens.
    pub fn vanish_container(&self, id: &ContainerId) {
        self.state().take_container(id);
    }
}
