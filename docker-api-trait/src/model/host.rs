//! What a container may have of its host: resources, rights, devices and names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a container may have of its host. Everything that is `None`, `false` or empty is the
/// engine's default.
///
/// The adapter fills the engine's own structure from this field by field, without a catch-all, so
/// that a setting that the engine gains has to be decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostSettings {
    /// Memory in bytes; above it the kernel kills.
    pub memory: Option<u64>,
    /// Memory and swap together, in bytes; equal to `memory` is no swap at all, -1 is without
    /// limit.
    pub memory_swap: Option<i64>,
    /// Memory in bytes that the kernel tries to bring the container down to when memory is short.
    pub memory_reservation: Option<u64>,
    /// Whether the kernel must not kill for lack of memory; the container's processes then wait.
    pub oom_kill_disable: bool,
    /// How gladly the kernel kills it when the host lacks memory: -1000 to 1000.
    pub oom_score_adjust: Option<i64>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Processor time in billionths of a processor.
    pub nano_cpus: Option<u64>,
    /// Weight among containers that compete for processors; 1024 is the engine's default.
    pub cpu_shares: Option<u64>,
    /// The processors that it may run on: `0-3`, `0,1`.
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that it may use.
    pub cpuset_mems: Option<String>,
    /// How many processes and threads it may have; -1 is without limit.
    pub pids_limit: Option<i64>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
    /// Under which control group it runs.
    pub cgroup_parent: Option<String>,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// Rules for kinds of devices: `c 42:* rmw`.
    pub device_cgroup_rules: Vec<String>,
    /// Devices that a driver finds, such as graphics processors.
    pub device_requests: Vec<DeviceRequest>,
    /// Whether it has all rights on the host.
    pub privileged: bool,
    /// Capabilities of the kernel that it has beside the default ones.
    pub cap_add: Vec<String>,
    /// Capabilities that it does not have.
    pub cap_drop: Vec<String>,
    /// Options for the host's security modules: `no-new-privileges`, `seccomp=…`.
    pub security_opt: Vec<String>,
    /// Groups that its process is in beside its own.
    pub group_add: Vec<String>,
    /// The user name space: `host`, or the engine's default.
    pub userns_mode: Option<String>,
    /// The IPC name space: `private`, `shareable`, `host`, `container:…`, `none`.
    pub ipc_mode: Option<String>,
    /// The process name space: `host`, `container:…`.
    pub pid_mode: Option<String>,
    /// Parameters of the kernel, for its name spaces.
    pub sysctls: BTreeMap<String, String>,
    /// File systems in memory: the path and its mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Domains in which a short name is looked up.
    pub dns_search: Vec<String>,
    /// Names with addresses, `name:address`.
    pub extra_hosts: Vec<String>,
    /// `bridge`, `host`, `none`, `container:…` or a network's name; `None` is the engine's default.
    pub network_mode: Option<String>,
    /// Containers reachable by a name on the default bridge: `container:name`.
    pub links: Vec<String>,
    /// The OCI runtime.
    pub runtime: Option<String>,
    /// How a Windows container is kept apart: `process`, `hyperv`, `default`.
    pub isolation: Option<String>,
    /// The driver of anonymous volumes.
    pub volume_driver: Option<String>,
    /// Containers whose volumes it has too, `name[:ro]`.
    pub volumes_from: Vec<String>,
    /// Options of the storage driver: `size`.
    pub storage_opt: BTreeMap<String, String>,
}

/// A limit of each process in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ulimit {
    /// Its name, `nofile`.
    pub name: String,
    /// What holds; -1 is without limit.
    pub soft: i64,
    /// How far a process may raise it; -1 is without limit.
    pub hard: i64,
}

impl Ulimit {
    /// A limit by its name and both values.
    pub fn new(name: impl Into<String>, soft: i64, hard: i64) -> Self {
        Self { name: name.into(), soft, hard }
    }
}

/// A device of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Device {
    /// Its path on the host.
    pub host: String,
    /// Its path in the container.
    pub container: String,
    /// What may be done with it: of `r`, `w` and `m` (make).
    pub permissions: String,
}

impl Device {
    /// A device at a path of the host, at the same path in the container, with all permissions.
    pub fn new(host: impl Into<String>) -> Self {
        let host = host.into();
        Self { container: host.clone(), host, permissions: "rwm".to_owned() }
    }
}

/// Devices that a driver finds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceRequest {
    /// The driver; empty lets the engine choose by the capabilities.
    pub driver: String,
    /// How many; -1 is all of them. 0 when they are named.
    pub count: i64,
    /// Which, by their ids.
    pub ids: Vec<String>,
    /// What they must be able to do: any of the lists, each as a whole.
    pub capabilities: Vec<Vec<String>>,
    /// Options for the driver.
    pub options: BTreeMap<String, String>,
}

/// Where the engine keeps a container's output, beside handing it to whoever is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LogDriver {
    /// Nowhere.
    None,
    /// In a JSON file on the engine's host, with options such as `max-size`.
    JsonFile(BTreeMap<String, String>),
}

impl LogDriver {
    /// The engine's word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::JsonFile(_) => "json-file",
        }
    }
}
