//! The same calls to the fake and to a real engine, and the same answers from both.
//!
//! Each behaviour is a function from an engine to what was seen, in words: the kind of an error and
//! its status class, and the engine's own text only where it says more. It runs on the fake in every test run and is
//! compared with what is written down here; the ignored twin runs it on a real engine too, and
//! compares the two. Where they differ, the fake is wrong; where Podman differs, `podman.rs` says how.
//!
//! The real engine needs the image `BERTH_E2E_IMAGE` (`berth-busybox:local`), which has a shell.
//! Everything made there carries the label `dev.berth.owner` with the value of `BERTH_E2E_OWNER`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, resume_unwind},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, BollardDocker, Consistency, ContainerId, ContainerRequest, ContainerStatus,
    DockerApi, Endpoint, EndpointSources, EngineProduct, ImageReference, LabelFilter, LogSource,
    LogStream, Mount, MountSource, NetworkName, NetworkRequest, Propagation, Relabel, Signal,
    Volume, VolumeName, VolumeRequest, WaitCondition,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use testkit::{FakeDocker, ScriptedRun, suite};
use tokio::time::timeout;

/// For what must not come.
const NEVER: Duration = Duration::from_secs(2);
/// For what must come: only a failure waits so long.
const LONG: Duration = Duration::from_mins(1);
/// To end by itself, for what does so when it is asked.
const GRACE: Duration = LONG;

/// What was seen, in order.
type Seen = Vec<String>;

/// An engine, and names and labels that nobody else uses.
struct Lab {
    engine: Box<dyn DockerApi>,
    /// The same engine when it is the fake.
    fake: Option<FakeDocker>,
    image: ImageReference,
    owner: String,
    run: String,
}

/// What a container does.
#[derive(Clone, Copy)]
enum Program {
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

impl Lab {
    fn new(engine: Box<dyn DockerApi>, fake: Option<FakeDocker>) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let run = format!(
            "{}-{}-{}",
            process::id(),
            now.as_millis(),
            LABS.fetch_add(1, Ordering::Relaxed)
        );
        Self { engine, fake, image: suite::image(), owner: suite::owner(), run }
    }

    fn on_fake() -> Self {
        let fake = FakeDocker::new().with_image(suite::image().as_str());
        Self::new(Box::new(fake.clone()), Some(fake))
    }

    fn on_real_engine() -> Self {
        let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
        Self::new(Box::new(BollardDocker::new(endpoint).unwrap()), None)
    }

    fn name(&self, hint: &str) -> String {
        format!("berth-test-{}-{hint}", self.run)
    }

    fn volume_name(&self, hint: &str) -> VolumeName {
        self.name(hint).parse().unwrap()
    }

    /// The labels of everything, by which it is found and removed, and `note`.
    fn labels(&self, note: &str) -> BTreeMap<String, String> {
        [
            ("dev.berth.owner", self.owner.as_str()),
            ("dev.berth.kind", "test"),
            ("dev.berth.run", self.run.as_str()),
            ("dev.berth.note", note),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn network(&self, hint: &str) -> NetworkRequest {
        let name: NetworkName = self.name(hint).parse().unwrap();
        let mut request = NetworkRequest::new(name);
        request.labels = self.labels(hint);
        request
    }

    /// Queues what the fake plays next.
    fn script(&self, run: ScriptedRun) {
        if let Some(fake) = &self.fake {
            fake.script_next(run);
        }
    }

    fn filter(&self) -> [LabelFilter; 2] {
        [
            LabelFilter::equals("dev.berth.owner", &self.owner),
            LabelFilter::equals("dev.berth.run", &self.run),
        ]
    }

    fn volume(&self, hint: &str, note: &str) -> VolumeRequest {
        VolumeRequest::new(self.volume_name(hint)).with_labels(self.labels(note))
    }

    fn job(&self, hint: &str, program: Program) -> ContainerRequest {
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

    fn mount(&self, volume: &str, destination: &str) -> Mount {
        let source = MountSource::Volume {
            name: self.volume_name(volume),
            labels: self.labels("mount"),
            driver: None,
            options: BTreeMap::new(),
            no_copy: true,
        };
        Mount::new(destination, source)
    }

    async fn create(&self, request: &ContainerRequest) -> ContainerId {
        self.engine.create_container(request).await.unwrap().id
    }

    async fn started(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        self.engine.start_container(&id).await.unwrap();
        id
    }

    async fn exited(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        let exit = self.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        self.engine.start_container(&id).await.unwrap();
        exit.await.unwrap();
        id
    }

    /// How the container ended, for a waiter that is registered now.
    async fn exit(&self, id: &ContainerId, condition: WaitCondition) -> String {
        match self.engine.wait_container(id, condition).await {
            Ok(exit) => seen(exit.await.map(|status| format!("exit {}", status.code))),
            Err(error) => seen(Err::<String, _>(error)),
        }
    }

    async fn status(&self, id: &ContainerId) -> String {
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
    fn words(&self, reply: Result<(), ApiError>) -> String {
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
    async fn clean_up(&self) -> Result<(), ApiError> {
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
        for network in self.engine.list_networks(&self.filter()).await? {
            self.engine.remove_network(&network.id).await?;
        }
        Ok(())
    }
}

/// A reply in words that are the same on every engine.
fn seen<T: Into<String>>(reply: Result<T, ApiError>) -> String {
    match reply {
        Ok(value) => value.into(),
        Err(ApiError::NotFound { .. }) => "not found".to_owned(),
        Err(ApiError::Conflict { .. }) => "conflict".to_owned(),
        Err(ApiError::Rejected { .. }) => "rejected".to_owned(),
        Err(ApiError::Engine { status, .. }) => format!("engine error {}xx", status / 100),
        Err(ApiError::Lost { .. }) => "lost".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

fn done(reply: Result<(), ApiError>) -> String {
    seen(reply.map(|()| "ok"))
}

fn note(reply: Result<Volume, ApiError>) -> String {
    seen(reply.map(|volume| format!("{} {:?}", volume.labels["dev.berth.note"], volume.options)))
}

/// All that a stream has: standard output, standard error, and that it came to its end.
async fn read(stream: LogStream) -> String {
    read_for(LONG, stream).await
}

/// The same of a stream that stays open.
async fn read_open(stream: LogStream) -> String {
    read_for(NEVER, stream).await
}

/// The same; a stream is open when so long nothing comes.
async fn read_for(limit: Duration, mut stream: LogStream) -> String {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match timeout(limit, stream.next()).await {
            Ok(Some(Ok(chunk))) => match chunk.source {
                LogSource::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogSource::Stderr => stderr.extend_from_slice(&chunk.bytes),
            },
            Ok(Some(Err(error))) => return seen(Err::<String, _>(error)),
            end => {
                let end = if end.is_ok() { "ended" } else { "open" };
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return format!("{:?} {:?} {end}", text(stdout), text(stderr));
            }
        }
    }
}

/// Runs one behaviour and removes what it made, also when it panics.
async fn observe(lab: Lab, behaviour: for<'a> fn(&'a Lab) -> BoxFuture<'a, Seen>) -> Seen {
    let limit = Duration::from_mins(2);
    let outcome = AssertUnwindSafe(timeout(limit, behaviour(&lab))).catch_unwind().await;
    let cleaned = lab.clean_up().await;
    let seen = outcome.unwrap_or_else(|panic| resume_unwind(panic)).expect("an answer in time");
    cleaned.unwrap();
    seen
}

/// Declares behaviours: a name, the lab, what is to be seen, and what is done.
macro_rules! behaviours {
    ($($name:ident($lab:ident) sees $expected:expr; $body:block)*) => {
        $(fn $name($lab: &Lab) -> BoxFuture<'_, Seen> {
            async move $body.boxed()
        })*

        mod fake {
            use super::*;

            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                let expected: &[&str] = &$expected;
                assert_eq!(observe(Lab::on_fake(), super::$name).await, expected);
            })*
        }

        mod real {
            use super::*;

            $(#[tokio::test]
            #[ignore = "needs Docker: cargo xtask e2e"]
            async fn $name() {
                let fake = observe(Lab::on_fake(), super::$name).await;
                let lab = Lab::on_real_engine();
                let version = lab.engine.version().await.unwrap();
                if version.product == EngineProduct::Podman {
                    // `differential::volume::real`: the crate's name and this module's go.
                    let (path, _) = module_path!().rsplit_once("::").unwrap();
                    let (_, area) = path.split_once("::").unwrap();
                    let seen = AssertUnwindSafe(observe(lab, super::$name)).catch_unwind().await;
                    let behaviour = format!("{area}::{}", stringify!($name));
                    podman::judge(&behaviour, &fake, seen.as_deref().ok());
                    return;
                }
                let real = observe(lab, super::$name).await;
                assert_eq!(fake, real, "the fake, then the real engine");
            })*
        }
    };
}

mod archive;
mod container;
mod exec;
mod life;
mod mount;
mod network;
mod podman;
mod shell;
mod system;
mod volume;
