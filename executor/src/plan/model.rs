//! What was decided.

use std::{collections::BTreeMap, fmt, time::Duration};

use docker_api_trait::{
    ContainerName, ContainerRequest, HostSettings, ImageReference, Input, LogDriver, Mount,
    NetworkAttachment, NetworkName, NetworkRequest,
};
use serde::{Deserialize, Serialize};
use volume_manager::VolumePlan;

use super::{
    secret::{Secret, mask_name},
    version::PlanVersion,
};
use crate::{
    image::PullPolicy,
    job::{ContainerKind, RegistryLogin, StepWhen},
    shell,
};

/// All that a run will make and do. A function of the job, the configuration and the
/// [`RunContext`](crate::plan::RunContext); showing it to a person needs no engine.
///
/// It can be written and read again, by another process that carries the run on. Written, it has the
/// job's secrets in it: keep it as safe as those. Debug output has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JobPlan {
    /// The version of this form. It is written first, and a plan of another version is refused.
    pub version: PlanVersion,
    /// The run's unique id.
    pub run: String,
    /// The installation that it belongs to.
    pub owner: String,
    /// The job's own id, as in [`JobSpec::id`](crate::job::JobSpec::id).
    #[serde(default)]
    pub job: String,
    /// The project that the job belongs to.
    pub project: String,
    /// The volumes.
    pub volumes: VolumePlan,
    /// The folder that the job builds in, if it is a volume.
    pub build_folder: Option<String>,
    /// How containers reach one another.
    pub network: NetworkPlan,
    /// The services, in the order in which they are started.
    pub services: Vec<ServicePlan>,
    /// The containers; a step names its own by its place here.
    pub containers: Vec<ContainerPlan>,
    /// The steps, in order; those that have nothing to run are left out.
    pub steps: Vec<StepPlan>,
    /// What runs after the steps, whatever became of them.
    pub after_script: Option<StepPlan>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How many bytes of the log are delivered; `None` is without limit.
    pub log_limit: Option<u64>,
    /// Secrets by the names of their variables: fed to shells, and no part of any container.
    pub exports: BTreeMap<String, Secret>,
    /// Variables, `NAME=value`, that are set for the shells of steps alone: those that would change what
    /// the supervisor's own shell does, and those that it would not pass on.
    pub step_environment: Vec<String>,
    /// Files that hold variables, by name: put into every container before it starts.
    pub files: BTreeMap<String, Secret>,
    /// What is replaced in the log: each secret's value without white space around it, and each line
    /// of 8 characters or more. A secret of fewer than 4 characters is not among them.
    pub secrets: Vec<Secret>,
    /// Logins that came with the job.
    pub registries: Vec<RegistryLogin>,
    /// A Docker `config.json` that came with the job, in its variable `DOCKER_AUTH_CONFIG`.
    pub registry_config: Option<Secret>,
    /// What is odd about the job, for whoever runs it.
    pub notes: Vec<JobNote>,
}

impl JobPlan {
    /// The name of the after-script among the steps, in events and in results.
    pub const AFTER_SCRIPT: &'static str = "after_script";

    /// The folder in every container that holds the files of variables.
    pub const FILES: &'static str = "/.berth";

    /// The step of this name; the after-script's is `after_script`. A secret in the name may be masked
    /// or not.
    pub fn step(&self, name: &str) -> Option<&StepPlan> {
        let masked = mask_name(name, &self.secrets);
        let mut steps = self.steps.iter().chain(&self.after_script);
        steps.find(|step| step.name == name || step.name == masked)
    }
}

/// An image, and when it is pulled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImagePlan {
    /// The image.
    pub reference: ImageReference,
    /// The platform; `None` is the engine's own.
    pub platform: Option<String>,
    /// The policies, tried in order; never empty.
    pub pull_policies: Vec<PullPolicy>,
}

/// How containers reach one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NetworkPlan {
    /// They do not: there are no services.
    None,
    /// In a network of the run's own, by aliases.
    Own(OwnNetwork),
    /// In a network of the user's own, by aliases.
    Named(NetworkName),
    /// On the engine's default bridge, by entries in the job's host table.
    Bridge,
    /// On the host, as `127.0.0.1`.
    Host,
}

/// A network of a run's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnNetwork {
    /// Its name, unique to the run.
    pub name: NetworkName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its containers get IPv6 addresses too.
    pub ipv6: bool,
    /// The largest packet, in bytes; `None` is the engine's default.
    pub mtu: Option<u32>,
}

impl OwnNetwork {
    /// The request that creates it.
    pub fn request(&self) -> NetworkRequest {
        let mut request = NetworkRequest::new(self.name.clone());
        request.labels.clone_from(&self.labels);
        request.ipv6 = self.ipv6;
        if let Some(mtu) = self.mtu {
            request.options.insert("com.docker.network.driver.mtu".to_owned(), mtu.to_string());
        }
        request
    }
}

/// A container beside the job that it talks to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServicePlan {
    /// Its name, unique to the run.
    pub name: ContainerName,
    /// What people call it: its first alias.
    pub title: String,
    /// Its image.
    pub image: ImagePlan,
    /// The names that the job finds it by.
    pub aliases: Vec<String>,
    /// Its program; empty is the image's own.
    pub entrypoint: Vec<String>,
    /// The program's arguments; empty are the image's own.
    pub command: Vec<String>,
    /// Who runs it; `None` is the image's own.
    pub user: Option<String>,
    /// Its environment variables, `NAME=value`.
    pub environment: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it may have of its host.
    pub host: HostSettings,
    /// The network that it is in by aliases.
    pub network: Option<NetworkName>,
    /// The port to wait for, whatever the image says.
    pub port: Option<u16>,
}

impl ServicePlan {
    /// The request that creates it, from the image with this reference, which may be an id. The job's
    /// volumes are mounted into its services too, as in GitLab Runner.
    pub fn request(&self, image: ImageReference, mounts: Vec<Mount>) -> ContainerRequest {
        let mut request = ContainerRequest::new(self.name.clone(), image);
        request.entrypoint.clone_from(&self.entrypoint);
        request.arguments.clone_from(&self.command);
        request.environment.clone_from(&self.environment);
        request.user.clone_from(&self.user);
        request.labels.clone_from(&self.labels);
        request.mounts = mounts;
        request.platform.clone_from(&self.image.platform);
        request.log_driver = Some(LogDriver::None);
        request.host = self.host.clone();
        request.network = self.network.clone().map(|network| {
            let mut attachment = NetworkAttachment::new(network);
            attachment.aliases.clone_from(&self.aliases);
            attachment
        });
        request
    }
}

/// Values of variables do not show.
impl fmt::Debug for ServicePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServicePlan")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

/// What a container runs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Process {
    /// A shell that scripts are fed to, after these words of an entrypoint.
    Shell(Vec<String>),
    /// One program and its arguments.
    Program(Vec<String>),
}

/// Only the count of a program's words shows: there may be secrets among them.
impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(entrypoint) => write!(formatter, "Shell({entrypoint:?})"),
            Self::Program(words) => write!(formatter, "Program({} words)", words.len()),
        }
    }
}

/// A build or helper container, without its mounts: those depend on the prepared volumes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerPlan {
    /// Which of the two.
    pub kind: ContainerKind,
    /// Its name, unique to the run.
    pub name: ContainerName,
    /// Its image.
    pub image: ImagePlan,
    /// What it runs.
    pub process: Process,
    /// Its environment variables, `NAME=value`. Of a shell, secrets are not among them, nor is
    /// [`JobPlan::step_environment`].
    pub environment: Vec<String>,
    /// The folder that its steps start in; `None` is the image's own.
    pub working_directory: Option<String>,
    /// Who runs it; `None` is the image's own.
    pub user: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it may have of its host.
    pub host: HostSettings,
    /// Its host name.
    pub hostname: Option<String>,
    /// Its MAC address.
    pub mac_address: Option<String>,
    /// The network that it is in by aliases.
    pub network: Option<NetworkName>,
    /// The engine's own copy of its output, with these options; `None` is none.
    pub log_options: Option<BTreeMap<String, String>>,
    /// Whether its anonymous volumes stay when it goes.
    pub keep_anonymous_volumes: bool,
}

impl ContainerPlan {
    /// The request that creates it, from the image with this reference, which may be an id.
    /// `input` is how long its shell waits for steps; a program has no input. Two settings are not
    /// the engine's defaults:
    /// - no log driver: the output is read from the attach; the engine's default would write it to
    ///   its disk a second time, and a third more of it;
    /// - an init process: as process 1, a shell would ignore the signal that asks it to stop.
    pub fn request(
        &self,
        image: ImageReference,
        mounts: Vec<Mount>,
        input: Input,
    ) -> ContainerRequest {
        let mut request = ContainerRequest::new(self.name.clone(), image);
        match &self.process {
            Process::Shell(entrypoint) => {
                let words = shell::program(entrypoint, self.name.as_str());
                request.entrypoint = words[..1].to_vec();
                request.arguments = words[1..].to_vec();
                request.input = input;
            }
            Process::Program(words) => {
                let (program, arguments) = words.split_at(words.len().min(1));
                request.entrypoint = program.to_vec();
                request.arguments = arguments.to_vec();
            }
        }
        request.environment.clone_from(&self.environment);
        request.working_directory.clone_from(&self.working_directory);
        request.user.clone_from(&self.user);
        request.labels.clone_from(&self.labels);
        request.mounts = mounts;
        request.platform.clone_from(&self.image.platform);
        request.log_driver = Some(match &self.log_options {
            Some(options) => LogDriver::JsonFile(options.clone()),
            None => LogDriver::None,
        });
        request.init = true;
        request.hostname.clone_from(&self.hostname);
        request.mac_address.clone_from(&self.mac_address);
        request.host = self.host.clone();
        request.network = self.network.clone().map(|network| {
            let mut attachment = NetworkAttachment::new(network);
            attachment.aliases = vec![self.kind.as_str().to_owned()];
            attachment
        });
        request
    }
}

/// Values of variables do not show.
impl fmt::Debug for ContainerPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ContainerPlan")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("image", &self.image)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepPlan {
    /// Its name, unique in the job.
    pub name: String,
    /// The place of its container in [`JobPlan::containers`].
    pub container: usize,
    /// The script for the container's shell; empty when the container is the step's program.
    pub script: String,
    /// After which outcome of the steps before it.
    pub when: StepWhen,
    /// How long it may take; `None` is as long as its job.
    pub timeout: Option<Duration>,
    /// Whether its failure leaves the job's outcome as it is.
    pub allow_failure: bool,
}

/// Of the script, which may have secrets in it, only the length shows.
impl fmt::Debug for StepPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StepPlan")
            .field("name", &self.name)
            .field("container", &self.container)
            .field("script", &format_args!("{} bytes", self.script.len()))
            .field("when", &self.when)
            .finish_non_exhaustive()
    }
}

/// How long things may take; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timeouts {
    /// The job, from the connection to the last step's end.
    pub job: Option<Duration>,
    /// Until the first step begins.
    pub prepare: Option<Duration>,
    /// The steps together.
    pub script: Option<Duration>,
    /// The after-script.
    pub after_script: Duration,
    /// A service, until it is ready; `None` is not waited for.
    pub service: Option<Duration>,
    /// A step that is asked to stop, until it is killed.
    pub stop_grace: Duration,
    /// Cleanup, beside that grace.
    pub cleanup: Duration,
    /// A pull that says nothing new.
    pub stall: Duration,
}

/// Something odd about a job that does not keep it from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JobNote {
    /// Two services want one name; the first has it.
    #[error("the alias {alias} of the service {service} is taken by an earlier service")]
    AliasTaken {
        /// The later service.
        service: String,
        /// The name.
        alias: String,
    },
    /// Every name of a service is taken, so that nobody could find it. It is not started.
    #[error("the service {service} is not started: all its aliases are taken")]
    ServiceLeftOut {
        /// The service.
        service: String,
    },
    /// A secret is too short to be masked: its text would turn into masks that show it.
    #[error(
        "the secret {name} is not masked: it has fewer than {} characters",
        crate::log::MIN_MASKED_CHARS
    )]
    ShortSecret {
        /// The variable, or the registry of a password.
        name: String,
    },
    /// The configuration does not let a job choose its entrypoint.
    #[error("the entrypoint of the image {image} is ignored: the configuration says so")]
    EntrypointIgnored {
        /// The image.
        image: String,
    },
    /// The configuration makes containers privileged, but not with this image.
    #[error("the image {image} runs without privileges: the configuration names others")]
    NotPrivileged {
        /// The image.
        image: String,
    },
}
