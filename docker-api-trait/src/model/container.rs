//! Containers.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    id::{ContainerId, ContainerName, ImageReference},
    model::{HostSettings, LogDriver, Mount, MountPoint, NetworkAttachment, NetworkPlace},
};

/// A container to create. It has no terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerRequest {
    /// Its name.
    pub name: ContainerName,
    /// The image that it is made of.
    pub image: ImageReference,
    /// The program and its first arguments; empty is the image's own entrypoint.
    pub entrypoint: Vec<String>,
    /// The arguments after the entrypoint.
    pub arguments: Vec<String>,
    /// Environment variables, `NAME=value`, beside those of the image.
    pub environment: Vec<String>,
    /// The folder that it starts in; `None` is the image's own.
    pub working_directory: Option<String>,
    /// Who runs it: a name or number, with a group after a colon if any; `None` is the image's own.
    pub user: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// Where the engine keeps its output; `None` is the engine's default.
    pub log_driver: Option<LogDriver>,
    /// Whether a small init process runs as process 1: it passes signals on and reaps orphans.
    pub init: bool,
    /// Whether it has a standard input, and for how long.
    pub input: Input,
    /// Its host name; `None` is the beginning of its id.
    pub hostname: Option<String>,
    /// Its MAC address. Engines from version 1.44 of the API on take it only for a container in a
    /// network of its own choice.
    pub mac_address: Option<String>,
    /// The platform that its image must be for, `linux/arm64`; `None` is the engine's own.
    pub platform: Option<String>,
    /// The network that it is in, when that is none of the engine's own.
    pub network: Option<NetworkAttachment>,
    /// What it may have of its host.
    pub host: HostSettings,
    /// How its image's health check runs at first; `None` is as the image says. Without a check in the
    /// image it has no effect. Only engines from version 1.44 of the API on have the interval.
    pub health_start: Option<HealthStart>,
}

/// How often a health check runs after a container's start. The check itself is the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthStart {
    /// For how long failures do not count, and the interval below holds.
    pub period: Duration,
    /// The time between two checks in that period.
    pub interval: Duration,
}

impl HealthStart {
    /// A check every `interval` during `period`. Engines refuse less than a millisecond.
    pub fn new(period: Duration, interval: Duration) -> Self {
        Self { period, interval }
    }
}

/// A container's standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// It has none.
    #[default]
    None,
    /// It has one that ends when the first attachment to it ends: a container that reads it learns
    /// that its client is gone.
    Once,
    /// It has one that stays open; attachments may follow one another.
    Kept,
}

impl ContainerRequest {
    /// A container that runs what its image says, with nothing mounted.
    pub fn new(name: ContainerName, image: ImageReference) -> Self {
        Self {
            name,
            image,
            entrypoint: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: None,
            user: None,
            labels: BTreeMap::new(),
            mounts: Vec::new(),
            log_driver: None,
            init: false,
            input: Input::None,
            hostname: None,
            mac_address: None,
            platform: None,
            network: None,
            host: HostSettings::default(),
            health_start: None,
        }
    }
}

/// The engine's answer to a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedContainer {
    /// The new container.
    pub id: ContainerId,
    /// What the engine finds odd about the request.
    pub warnings: Vec<String>,
}

impl CreatedContainer {
    /// A container that was created without a warning.
    pub fn new(id: ContainerId) -> Self {
        Self { id, warnings: Vec::new() }
    }
}

/// The state that a container is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerStatus {
    /// Never started.
    Created,
    /// Running, paused or restarting.
    Running,
    /// Ended.
    Exited,
    /// A state that this crate has no name for.
    Other,
}

impl ContainerStatus {
    /// One word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Other => "other",
        }
    }
}

/// A container, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerDetails {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: ContainerStatus,
    /// The process id of its first process on the engine's host; `None` while it does not run, and
    /// where the engine does not report it.
    pub pid: Option<u32>,
    /// The exit code of its last run; 0 before the first.
    pub exit_code: i64,
    /// Whether the kernel killed it, or a process in it, for lack of memory.
    pub oom_killed: bool,
    /// What the engine could not do when it last started it; empty as a rule.
    pub error: String,
    /// When it was last started, as the engine writes it (RFC 3339); empty before.
    pub started_at: String,
    /// When it last ended, as the engine writes it; empty before.
    pub finished_at: String,
    /// What its image's health check says; `None` when the image has none.
    pub health: Option<Health>,
    /// The id of its image.
    pub image: String,
    /// The networks that it is in, in the order of their names.
    pub networks: Vec<NetworkPlace>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is mounted into it, in the order of the destinations; a tmpfs only when it was asked for
    /// as a mount.
    pub mounts: Vec<MountPoint>,
}

impl ContainerDetails {
    /// A container that was created and never started, without name, labels and mounts.
    pub fn created(id: ContainerId) -> Self {
        Self {
            id,
            name: String::new(),
            status: ContainerStatus::Created,
            pid: None,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: String::new(),
            finished_at: String::new(),
            health: None,
            image: String::new(),
            networks: Vec::new(),
            labels: BTreeMap::new(),
            mounts: Vec::new(),
        }
    }
}

/// What a container's health check says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Whether the check has run to its end at least once since the container's start.
    pub has_result: bool,
    /// What the last check printed.
    pub output: String,
}

impl Health {
    /// A status without output. One that is healthy or unhealthy has a result.
    pub fn new(status: HealthStatus) -> Self {
        let has_result = status != HealthStatus::Starting;
        Self { status, has_result, output: String::new() }
    }
}

/// The verdict of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Not known yet.
    Starting,
    /// The last check succeeded.
    Healthy,
    /// Too many checks in a row failed.
    Unhealthy,
}

/// A signal for a container's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Please stop.
    Term,
    /// Ends it without asking.
    Kill,
}

impl Signal {
    /// The engine's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: ContainerStatus,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created, by the engine's clock; `None` when the engine does not tell.
    pub created: Option<SystemTime>,
}

impl ContainerSummary {
    /// A container without labels that was created and never started.
    pub fn new(id: ContainerId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            status: ContainerStatus::Created,
            labels: BTreeMap::new(),
            created: None,
        }
    }
}

/// What a waiter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitCondition {
    /// The next exit. On a container that has ended, it waits for ever.
    NextExit,
    /// That the container does not run. One that was never started counts, with exit code 0.
    NotRunning,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitStatus {
    /// The exit code of its first process; 128 + n when signal n ended it.
    pub code: i64,
    /// What the engine could not do, when the end was not the container's own.
    pub error: Option<String>,
}

impl ExitStatus {
    /// An exit with this code.
    pub fn new(code: i64) -> Self {
        Self { code, error: None }
    }
}
