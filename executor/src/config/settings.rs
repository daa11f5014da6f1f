//! The settings themselves.

use std::{collections::BTreeMap, time::Duration};

use docker_api_trait::{Device, HostSettings};
use volume_manager::Policy;

use crate::{
    image::{PullPolicy, STALL_LIMIT},
    job::{ImageSpec, ServiceSpec, Variable},
};

/// Settings of an executor, the same for all its jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExecutorConfig {
    /// The installation: part of every cache's identity and of every label set, so that several
    /// can share one engine.
    pub owner: String,
    /// What jobs may have of the volumes that they ask for.
    pub policy: Policy,
    /// Volumes that every job gets, with what the policy refuses to jobs: whoever writes the
    /// configuration is root on the engine's host anyway. Variables are expanded per job.
    pub volumes: Vec<String>,
    /// Variables that every job has; the job's own go before them.
    pub variables: Vec<Variable>,
    /// Build and helper containers.
    pub containers: ContainerSettings,
    /// Services.
    pub services: ServiceSettings,
    /// Scripts that are run around those of every job.
    pub scripts: ScriptSettings,
    /// Images.
    pub images: ImageSettings,
    /// The network of a job that has services.
    pub network: NetworkSettings,
    /// How long a container may take to stop by itself before it is killed. Default: 10 s, as in
    /// Docker.
    pub stop_grace: Duration,
    /// How long cleanup may take beside that grace. Default: 60 s.
    pub cleanup_deadline: Duration,
    /// How long a job may take that has no `timeout` of its own. `None` is without limit; then nothing but
    /// a process on the same host can tell that the job is dead, so that no other host's sweep removes
    /// what a crash leaves. Default: 7 days.
    pub default_timeout: Option<Duration>,
    /// How long may pass until a job's first step begins, when the job says nothing. Default: without
    /// limit.
    pub prepare_timeout: Option<Duration>,
    /// How long an after-script may take, when the job says nothing. Default: 5 minutes, as in
    /// GitLab Runner.
    pub after_script_timeout: Duration,
    /// How many bytes of a job's log are delivered. Default: without limit.
    pub log_limit: Option<u64>,
    /// Whether a cache whose folder somebody has deleted under the engine is removed and made anew, once
    /// a job. Such a cache holds nothing, unless its folder is on a disk that is not mounted just now.
    /// Default: no, the job fails with [`PrepareError::VolumeLost`](crate::error::PrepareError::VolumeLost).
    pub rebuild_caches: bool,
}

/// Longer than any job that is meant to end.
const DEFAULT_TIMEOUT: Duration = Duration::from_hours(7 * 24);

impl ExecutorConfig {
    /// The defaults, for the installation `owner`.
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            policy: Policy::default(),
            volumes: Vec::new(),
            variables: Vec::new(),
            containers: ContainerSettings::default(),
            services: ServiceSettings::default(),
            scripts: ScriptSettings::default(),
            images: ImageSettings::default(),
            network: NetworkSettings::default(),
            stop_grace: Duration::from_secs(10),
            cleanup_deadline: Duration::from_mins(1),
            default_timeout: Some(DEFAULT_TIMEOUT),
            prepare_timeout: None,
            after_script_timeout: Duration::from_mins(5),
            log_limit: None,
            rebuild_caches: false,
        }
    }
}

/// Scripts that are run around those of every job, as in GitLab Runner. An empty one is not run.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptSettings {
    /// Runs in the helper container before the job's first step, as a step of this name.
    pub pre_get_sources_script: String,
    /// Runs in the helper container after the helper steps that a job begins with, as a step of this
    /// name.
    pub post_get_sources_script: String,
    /// Runs before the script of each build step, in the same shell: variables and options that it sets
    /// are those of the step. If it fails, the step fails.
    pub pre_build_script: String,
    /// Runs after the script of each build step, in the same shell, if the script reached its end and
    /// succeeded.
    pub post_build_script: String,
}

/// Of the scripts, which may have secrets in them, only the lengths show.
impl std::fmt::Debug for ScriptSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ScriptSettings")
            .field("pre_get_sources_script", &self.pre_get_sources_script.len())
            .field("post_get_sources_script", &self.post_get_sources_script.len())
            .field("pre_build_script", &self.pre_build_script.len())
            .field("post_build_script", &self.post_build_script.len())
            .finish()
    }
}

/// How many processes a container may have unless the configuration says otherwise: enough for a
/// parallel build, too few to bring the host down.
const PIDS: i64 = 4096;

/// What is safe and costs a job nothing: no way to more rights than it begins with, and a bound on
/// its processes. Memory is bound by the configuration; where it is, swap is bound with it.
fn safe() -> HostSettings {
    let mut host = HostSettings::default();
    host.pids_limit = Some(PIDS);
    host.security_opt = vec!["no-new-privileges".to_owned()];
    host
}

/// Settings of build and helper containers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContainerSettings {
    /// What they may have of their host. Default: no-new-privileges and at most 4,096 processes.
    /// When it has a bound on memory and none on swap, swap is none. A `pid_mode` is for the build
    /// container alone.
    pub host: HostSettings,
    /// Their host name; `None` is the run's.
    pub hostname: Option<String>,
    /// Their MAC address.
    pub mac_address: Option<String>,
    /// Who runs the build container, whatever the job says.
    pub user: Option<String>,
    /// Who may run it; empty is `user` alone when that is set, else anybody.
    pub allowed_users: Vec<String>,
    /// The images that may be privileged where `host.privileged` is set; empty is all.
    pub privileged_images: Vec<String>,
    /// Labels beside ours; values are expanded per job.
    pub labels: BTreeMap<String, String>,
    /// Whether a job's entrypoint is ignored, with a warning.
    pub ignore_entrypoint: bool,
    /// Whether anonymous volumes stay when the container goes.
    pub keep_anonymous_volumes: bool,
    /// The engine's file for the output, with these options, beside the log that is attached. `None`,
    /// the default, keeps no second copy.
    pub log_options: Option<BTreeMap<String, String>>,
}

impl Default for ContainerSettings {
    fn default() -> Self {
        Self {
            host: safe(),
            hostname: None,
            mac_address: None,
            user: None,
            allowed_users: Vec::new(),
            privileged_images: Vec::new(),
            labels: BTreeMap::new(),
            ignore_entrypoint: false,
            keep_anonymous_volumes: false,
            log_options: None,
        }
    }
}

/// Settings of services.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// What they may have of their host. Default: as for build containers.
    pub host: HostSettings,
    /// The images that may be privileged where `host.privileged` is set; empty is all.
    pub privileged_images: Vec<String>,
    /// Devices of the host beside `host.devices`, for the services whose images match a pattern.
    pub devices: BTreeMap<String, Vec<Device>>,
    /// Services that every job has.
    pub definitions: Vec<ServiceSpec>,
    /// How many a job may have of its own; `None` is without limit. Default: 50.
    pub limit: Option<usize>,
    /// How long a service may take until it is ready; `None` does not wait at all. Default: 30 s, as
    /// in GitLab Runner.
    pub ready_timeout: Option<Duration>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            host: safe(),
            privileged_images: Vec::new(),
            devices: BTreeMap::new(),
            definitions: Vec::new(),
            limit: Some(50),
            ready_timeout: Some(Duration::from_secs(30)),
        }
    }
}

/// Settings of images.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageSettings {
    /// The image of jobs that name none.
    pub default: Option<ImageSpec>,
    /// The image of helper containers; `None` is the job's own.
    pub helper: Option<ImageSpec>,
    /// When images are pulled, in order. Default: when the engine does not have them; GitLab Runner
    /// pulls each time.
    pub pull_policies: Vec<PullPolicy>,
    /// The policies that a job may ask for; empty is those of the configuration.
    pub allowed_pull_policies: Vec<PullPolicy>,
    /// The images that jobs may use, as patterns; empty is all.
    pub allowed_images: Vec<String>,
    /// The images that services may use, as patterns; empty is all.
    pub allowed_services: Vec<String>,
    /// How long a pull may say nothing new before it is given up. Default: 60 s.
    pub stall_timeout: Duration,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            default: None,
            helper: None,
            pull_policies: vec![PullPolicy::IfNotPresent],
            allowed_pull_policies: Vec::new(),
            allowed_images: Vec::new(),
            allowed_services: Vec::new(),
            stall_timeout: STALL_LIMIT,
        }
    }
}

/// Settings of the network that a job with services gets.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NetworkSettings {
    /// Whether its containers get IPv6 addresses too.
    pub ipv6: bool,
    /// The largest packet, in bytes; `None` is the engine's default.
    pub mtu: Option<u32>,
}
