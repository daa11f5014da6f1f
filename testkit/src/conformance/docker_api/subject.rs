//! What the suite judges: an engine, with names and labels that nothing else has.

use std::{
    collections::BTreeMap,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use docker_api_trait::{
    ApiError, ContainerId, ContainerRequest, ContainerStatus, DockerApi, ImageReference,
    LabelFilter, Mount, MountSource, NetworkName, NetworkRequest, Volume, VolumeName,
    VolumeRequest, WaitCondition,
};

use super::seen::{done, seen};
use crate::{FakeDocker, ScriptedRun};

/// An engine under test.
///
/// It must execute what a shell in its image is given, or [be the fake or send its calls to
/// it](Self::over_fake). One subject serves one case.
#[derive(Debug)]
pub struct Subject {
    pub(super) engine: Box<dyn DockerApi>,
    pub(super) fake: Option<FakeDocker>,
    pub(super) image: ImageReference,
    owner: String,
    run: String,
}

/// What a container does.
#[derive(Clone, Copy)]
pub(super) enum Program {
    Exits3,
    PrintsToBoth,
    Sleeps,
    SleepsThroughStop,
}

impl Program {
    fn script(self) -> ScriptedRun {
        match self {
            Self::Exits3 => ScriptedRun::exits(3),
            Self::PrintsToBoth => {
                ScriptedRun::exits(0).prints_stdout("out\n").prints_stderr("err\n")
            }
            Self::Sleeps => ScriptedRun::never_ends(),
            Self::SleepsThroughStop => {
                ScriptedRun::never_ends().ignoring_stop().prints_stdout("ready\n")
            }
        }
    }

    fn shell(self) -> &'static str {
        match self {
            Self::Exits3 => "exit 3",
            Self::PrintsToBoth => "echo out; echo err >&2",
            // In place of the shell, so that the init's signal ends it.
            Self::Sleeps => "exec sleep 600",
            Self::SleepsThroughStop => "trap '' TERM; echo ready; sleep 600",
        }
    }
}

impl Subject {
    /// An engine under test, which has `image`. Everything that the cases create there gets the label
    /// `dev.berth.owner` with the value `owner`, and is removed at the end of each case.
    pub fn new(
        engine: impl DockerApi + 'static,
        owner: impl Into<String>,
        image: ImageReference,
    ) -> Self {
        static SUBJECTS: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let number = SUBJECTS.fetch_add(1, Ordering::Relaxed);
        let run = format!("{}-{now}-{number}", process::id());
        Self { engine: Box::new(engine), fake: None, image, owner: owner.into(), run }
    }

    /// With the fake that the engine is, or that a wrapper under test sends its calls to: what
    /// containers do is scripted there, as the fake executes nothing.
    #[must_use]
    pub fn over_fake(self, fake: FakeDocker) -> Self {
        Self { fake: Some(fake), ..self }
    }

    pub(super) fn name(&self, hint: &str) -> String {
        format!("berth-test-{}-{hint}", self.run)
    }

    pub(super) fn volume_name(&self, hint: &str) -> VolumeName {
        self.name(hint).parse().unwrap()
    }

    /// The labels of everything, by which it is found and removed, and `note`.
    pub(super) fn labels(&self, note: &str) -> BTreeMap<String, String> {
        [
            ("dev.berth.owner", self.owner.as_str()),
            ("dev.berth.kind", "test"),
            ("dev.berth.run", self.run.as_str()),
            ("dev.berth.note", note),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    pub(super) fn network(&self, hint: &str) -> NetworkRequest {
        let name: NetworkName = self.name(hint).parse().unwrap();
        let mut request = NetworkRequest::new(name);
        request.labels = self.labels(hint);
        request
    }

    /// Queues what the fake plays next.
    pub(super) fn script(&self, run: ScriptedRun) {
        if let Some(fake) = &self.fake {
            fake.script_next(run);
        }
    }

    pub(super) fn filter(&self) -> [LabelFilter; 2] {
        [
            LabelFilter::equals("dev.berth.owner", &self.owner),
            LabelFilter::equals("dev.berth.run", &self.run),
        ]
    }

    pub(super) fn volume(&self, hint: &str, note: &str) -> VolumeRequest {
        VolumeRequest::new(self.volume_name(hint)).with_labels(self.labels(note))
    }

    pub(super) fn job(&self, hint: &str, program: Program) -> ContainerRequest {
        if let Some(fake) = &self.fake {
            fake.script(program.script());
        }
        let mut request =
            ContainerRequest::new(self.name(hint).parse().unwrap(), self.image.clone());
        request.entrypoint = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        request.arguments = vec![program.shell().to_owned()];
        request.labels = self.labels(hint);
        // Process 1 has no default actions for signals: without, a stop would always be a kill.
        request.init = true;
        request
    }

    pub(super) fn mount(&self, volume: &str, destination: &str) -> Mount {
        let source = MountSource::Volume {
            name: self.volume_name(volume),
            labels: self.labels("mount"),
            driver: None,
            options: BTreeMap::new(),
            no_copy: true,
        };
        Mount::new(destination, source)
    }

    pub(super) async fn create(&self, request: &ContainerRequest) -> ContainerId {
        self.engine.create_container(request).await.unwrap().id
    }

    pub(super) async fn started(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        self.engine.start_container(&id).await.unwrap();
        id
    }

    pub(super) async fn exited(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        let exit = self.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        self.engine.start_container(&id).await.unwrap();
        exit.await.unwrap();
        id
    }

    /// How the container ended, for a waiter that is registered now.
    pub(super) async fn exit(&self, id: &ContainerId, condition: WaitCondition) -> String {
        match self.engine.wait_container(id, condition).await {
            Ok(exit) => seen(exit.await.map(|status| format!("exit {}", status.code))),
            Err(error) => seen(Err::<String, _>(error)),
        }
    }

    pub(super) async fn status(&self, id: &ContainerId) -> String {
        seen(self.engine.inspect_container(id).await.map(|details| {
            let status = match details.status {
                ContainerStatus::Created => "created",
                ContainerStatus::Running => "running",
                ContainerStatus::Exited => "exited",
                _ => "other",
            };
            format!("{status} {}", details.exit_code)
        }))
    }

    /// An error with the engine's words, in which `NAME` stands for the volume `cache`.
    pub(super) fn words(&self, reply: Result<(), ApiError>) -> String {
        let (kind, message) = match reply {
            Err(ApiError::NotFound { message, .. }) => ("not found".to_owned(), message),
            Err(ApiError::Conflict { message, .. }) => ("conflict".to_owned(), message),
            Err(ApiError::Rejected { message, .. }) => ("rejected".to_owned(), message),
            Err(ApiError::Engine { status, message, .. }) => {
                (format!("engine error {status}"), message)
            }
            other => return done(other),
        };
        format!("{kind}: {}", message.replace(&self.name("cache"), "NAME"))
    }

    /// Removes all that was made here.
    pub(super) async fn clean_up(&self) -> Result<(), ApiError> {
        for container in self.engine.list_containers(&self.filter()).await? {
            self.engine.remove_container(&container.id).await?;
        }
        // Podman makes the volume of a mount without its labels; the name has the run in it.
        let (filter, begin) = (self.filter(), self.name(""));
        let is_ours = |volume: &Volume| {
            filter.iter().all(|one| one.matches(&volume.labels)) || volume.name.starts_with(&begin)
        };
        for volume in self.engine.list_volumes(&[]).await?.into_iter().filter(is_ours) {
            let name = volume.name.parse().expect("we named it");
            self.engine.remove_volume(&name).await?;
        }
        for image in self.engine.list_images(&[]).await? {
            for tag in image.tags.iter().filter(|tag| tag.starts_with(&begin)) {
                self.engine.remove_image(&tag.parse().expect("we named it")).await?;
            }
        }
        for network in self.engine.list_networks(&self.filter()).await? {
            self.engine.remove_network(&network.id).await?;
        }
        Ok(())
    }
}
