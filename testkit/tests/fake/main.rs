//! What `FakeDocker` promises, one sentence a test. That a real engine does the same is for
//! `differential` to show.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi, ContainerApi, ContainerId, ContainerRequest, ContainerStatus, DockerApi,
    ExecApi, ExecDetails, ExecId, ExecRequest, ExitStatus, ImageApi, ImageReference, Input,
    LabelFilter, LogChunk, LogStream, Mount, MountKind, MountPoint, MountSource, NetworkApi,
    Operation, PullRequest, Relabel, Signal, SystemApi, Volume, VolumeApi, VolumeName,
    VolumeRequest, WaitCondition,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use testkit::{FakeDocker, ScriptedRun, VolumeRoot};
use tokio::time::{Instant, timeout};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn name(name: &str) -> VolumeName {
    VolumeName::new(name).unwrap()
}

fn volume(volume: &str) -> VolumeRequest {
    VolumeRequest::new(name(volume))
}

fn image(reference: &str) -> ImageReference {
    ImageReference::new(reference).unwrap()
}

fn pull(reference: &str) -> PullRequest {
    PullRequest::new(image(reference))
}

fn job(name: &str) -> ContainerRequest {
    ContainerRequest::new(name.parse().unwrap(), image("busybox"))
}

fn job_with(job_name: &str, mounts: &[(&str, &str)]) -> ContainerRequest {
    let mut request = job(job_name);
    request.mounts = mounts
        .iter()
        .map(|(volume, destination)| {
            let mut source = of_volume(volume);
            if let MountSource::Volume { labels: on_mount, .. } = &mut source {
                *on_mount = labels(&[("from", "mount")]);
            }
            Mount::new(*destination, source)
        })
        .collect();
    request
}

fn of_volume(volume: &str) -> MountSource {
    MountSource::Volume {
        name: name(volume),
        labels: BTreeMap::new(),
        driver: None,
        options: BTreeMap::new(),
        no_copy: false,
    }
}

fn of_host(path: &str, create: bool) -> MountSource {
    MountSource::Host { path: path.to_owned(), propagation: None, create }
}

fn docker() -> FakeDocker {
    FakeDocker::new().with_image("busybox")
}

async fn create(docker: &FakeDocker, request: &ContainerRequest) -> ContainerId {
    docker.create_container(request).await.unwrap().id
}

/// Prepares and runs a further program.
async fn run(docker: &FakeDocker, id: &ContainerId, command: &[&str]) -> (ExecId, LogStream) {
    let request = ExecRequest::new(command.iter().copied());
    let exec = docker.create_exec(id, &request).await.unwrap();
    let output = docker.start_exec(&exec).await.unwrap();
    (exec, output)
}

/// Creates and starts a container that plays `run`.
async fn started(docker: &FakeDocker, run: ScriptedRun) -> ContainerId {
    docker.script_next(run);
    let id = create(docker, &job(&format!("job-{}", docker.containers().len()))).await;
    docker.start_container(&id).await.unwrap();
    id
}

async fn exit(docker: &FakeDocker, id: &ContainerId, condition: WaitCondition) -> ExitStatus {
    docker.wait_container(id, condition).await.unwrap().await.unwrap()
}

async fn status(docker: &FakeDocker, id: &ContainerId) -> (ContainerStatus, i64, bool) {
    let details = docker.inspect_container(id).await.unwrap();
    (details.status, details.exit_code, details.oom_killed)
}

async fn read(stream: LogStream) -> Vec<LogChunk> {
    stream.try_collect().await.unwrap()
}

macro_rules! assert_fails {
    ($result:expr, $variant:ident, $expected:literal) => {
        match $result {
            Err(ApiError::$variant { message, .. }) => assert_eq!(message, $expected),
            Err(other) => panic!("expected {}, not {other:?}", stringify!($variant)),
            Ok(_) => panic!("expected {}", stringify!($variant)),
        }
    };
}

mod archive;
mod container;
mod engine;
mod exec;
mod image;
mod life;
mod mount;
mod network;
mod objects;
mod shell;
