//! Why an engine refuses a container, from its words: the one table of causes, with what a person can do
//! about each. A reply that is not in the table keeps its own words and gets no hint. Callers branch on
//! the causes and read no words themselves.

use std::fmt;

use crate::{ApiError, Operation};

/// Why an engine refuses to create or start a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCause {
    /// The image has a file at, or above, the path of a mount or of the working directory.
    PathIsFile,
    /// The source of a host mount does not exist.
    HostPath,
    /// There is no driver for the GPUs that were asked for.
    GpuDriver,
    /// A device of the host does not exist or is none.
    Device,
    /// A network does not exist.
    Network,
    /// A container whose network, processes or volumes are to be shared does not exist.
    Container,
    /// A container whose network or processes are to be shared does not run.
    ContainerNotRunning,
    /// A kernel parameter cannot be set in a container.
    Sysctl,
    /// The engine has no such runtime.
    Runtime,
    /// A port of the host is in use.
    PortInUse,
    /// A limit of memory is too low, or contradicts another.
    Memory,
    /// The host does not have these processors, or the share of them is not possible.
    Cpu,
    /// There is no such capability.
    Capability,
    /// A profile of `seccomp` or `AppArmor` is missing or malformed, or there is no such security option.
    SecurityProfile,
    /// A resource limit is malformed or higher than the engine may set.
    Ulimit,
    /// The engine has no such log driver, or the driver no such option.
    LogDriver,
    /// Neither the image nor the job names a program.
    NoCommand,
    /// The environment and the arguments have more bytes than a program can be given.
    ArgumentsTooLong,
    /// Another setting of the container is malformed.
    Setting,
}

/// Each cause and the words by which it is known, all of which a reply has. The first row that fits
/// counts. The replies are those of the Engine 20.10 and, where they differ, of later ones and Podman.
const TABLE: &[(&[&str], RefusalCause)] = &[
    (&["trying to mount a directory onto a file"], RefusalCause::PathIsFile),
    (&["source /", "/merged/", " is not directory"], RefusalCause::PathIsFile),
    (&["/merged/", ": not a directory"], RefusalCause::PathIsFile),
    (&["Cannot mkdir: ", " is not a directory"], RefusalCause::PathIsFile),
    (&["bind source path does not exist"], RefusalCause::HostPath),
    (&["could not select device driver"], RefusalCause::GpuDriver),
    (&["error gathering device information"], RefusalCause::Device),
    (&["invalid device cgroup rule"], RefusalCause::Device),
    (&["cannot join network of a non running container"], RefusalCause::ContainerNotRunning),
    (&["container ", " is not running"], RefusalCause::ContainerNotRunning),
    (&["No such container: "], RefusalCause::Container),
    (&["network ", " not found"], RefusalCause::Network),
    (&["unable to find network with name or ID"], RefusalCause::Network),
    (&["sysctl \"", "is not in a separate kernel namespace"], RefusalCause::Sysctl),
    (&["sysctl \"", "not allowed in host network namespace"], RefusalCause::Sysctl),
    (&["open /proc/sys/"], RefusalCause::Sysctl),
    (&["write /proc/sys/"], RefusalCause::Sysctl),
    (&["Unknown runtime specified"], RefusalCause::Runtime),
    (&["unknown or invalid runtime name"], RefusalCause::Runtime),
    (&["address already in use"], RefusalCause::PortInUse),
    (&["port is already allocated"], RefusalCause::PortInUse),
    (&["memory limit"], RefusalCause::Memory),
    (&["memoryswap limit"], RefusalCause::Memory),
    (&["Range of CPUs is from"], RefusalCause::Cpu),
    (&["Requested CPUs are not available"], RefusalCause::Cpu),
    (&["Requested memory nodes are not available"], RefusalCause::Cpu),
    (&["for cpuset "], RefusalCause::Cpu),
    (&["CPU cfs "], RefusalCause::Cpu),
    (&["Conflicting options: Nano CPUs"], RefusalCause::Cpu),
    (&["allowed cpu-shares is"], RefusalCause::Cpu),
    (&["unknown capability"], RefusalCause::Capability),
    (&["seccomp profile failed"], RefusalCause::SecurityProfile),
    (&["is not a valid action for seccomp"], RefusalCause::SecurityProfile),
    (&["apparmor failed to apply profile"], RefusalCause::SecurityProfile),
    (&["invalid --security-opt"], RefusalCause::SecurityProfile),
    (&["error setting rlimit"], RefusalCause::Ulimit),
    (&["wrong rlimit value"], RefusalCause::Ulimit),
    (&["error looking up logging plugin"], RefusalCause::LogDriver),
    (&["unknown log opt"], RefusalCause::LogDriver),
    (&["failed to initialize logging driver"], RefusalCause::LogDriver),
    (&["No command specified"], RefusalCause::NoCommand),
    (&["no command or entrypoint provided"], RefusalCause::NoCommand),
    (&["invalid MAC address"], RefusalCause::Setting),
    (&["sethostname: "], RefusalCause::Setting),
    (&["add-host: "], RefusalCause::Setting),
    (&["invalid tmpfs option"], RefusalCause::Setting),
    (&["Invalid IPC mode"], RefusalCause::Setting),
    (&["invalid cgroup namespace mode"], RefusalCause::Setting),
    (&["Invalid isolation"], RefusalCause::Setting),
    (&["range for oom score adj"], RefusalCause::Setting),
    (&["--storage-opt is supported only"], RefusalCause::Setting),
    (&["user specified IP address is supported"], RefusalCause::Setting),
    (&["network-scoped alias is supported"], RefusalCause::Setting),
];

impl RefusalCause {
    /// Returns the cause of a refusal, if the engine's words name one of these.
    pub fn of(error: &ApiError) -> Option<Self> {
        let (operation, message) = match error {
            ApiError::NotFound { operation, message }
            | ApiError::Conflict { operation, message }
            | ApiError::Rejected { operation, message }
            | ApiError::Engine { operation, message, .. } => (*operation, message.as_str()),
            _ => return None,
        };
        let is_of_a_container = match operation {
            Operation::CreateContainer | Operation::StartContainer => true,
            // Podman makes a container ready when a client attaches to it. That the container itself is
            // missing is no refusal.
            Operation::AttachContainer => {
                matches!(error, ApiError::Rejected { .. } | ApiError::Engine { .. })
            }
            _ => false,
        };
        if !is_of_a_container || error.is_disk_full() || error.is_unknown_user() {
            return None;
        }
        Self::of_words(message)
    }

    fn of_words(words: &str) -> Option<Self> {
        // The program's name comes from the job and says nothing about a cause; after it comes the reason.
        let (words, reason) = words.split_once("exec: \"").unwrap_or((words, ""));
        if reason.contains("\": argument list too long") {
            return Some(Self::ArgumentsTooLong);
        }
        let fits = |needles: &[&str]| needles.iter().all(|needle| words.contains(needle));
        TABLE.iter().find(|(needles, _)| fits(needles)).map(|(_, cause)| *cause)
    }

    /// Whether the same container may be accepted later without a change to the job, the image or the
    /// engine's configuration.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::PortInUse)
    }

    /// What a person can do about it, when that is known.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::PathIsFile => {
                "choose a path that is a directory in the image, or is not in it, for the cache, the \
                 volume or the working directory"
            }
            Self::HostPath => "create it on the engine's host, or correct `volumes`",
            Self::GpuDriver => {
                "install the driver for containers on the engine's host (for NVIDIA the NVIDIA \
                 Container Toolkit), or remove `gpus`"
            }
            Self::Device => "correct `devices`: the engine's host must have the device",
            Self::Network => {
                "create the network with `docker network create`, or correct `network_mode`"
            }
            Self::Container => "start that container first, or correct the mode that names it",
            Self::ContainerNotRunning => {
                "start that container again, or correct the mode that names it"
            }
            Self::Sysctl => {
                "correct `sysctls`: a container can have its own value of few parameters, and of \
                 net.* only with a network of its own"
            }
            Self::Runtime => {
                "add it to the `runtimes` in the engine's daemon.json, or correct `runtime`"
            }
            Self::PortInUse => "stop what uses the port on the engine's host, or use another port",
            Self::Memory => "correct `memory`, `memory_swap` and `memory_reservation`",
            Self::Cpu => {
                "correct `cpus`, `cpuset_cpus` and `cpu_shares`: see `nproc` on the engine's host"
            }
            Self::Capability => "correct `cap_add` and `cap_drop`",
            Self::SecurityProfile => "correct `security_opt`",
            Self::Ulimit => {
                "correct `ulimit`: a soft limit is at most the hard one, and that at most what the \
                 engine may set"
            }
            Self::LogDriver => "correct the log driver's options",
            Self::NoCommand => "give it a `command` or an `entrypoint`",
            Self::ArgumentsTooLong => {
                "give large values to the job as files: `file = true` for a variable"
            }
            Self::Setting => return None,
        })
    }
}

/// The platforms of an image that the engine has for another platform than the requested one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlatformMismatch {
    /// The platform that was requested.
    pub wanted: String,
    /// The platform that the engine has, if it says so.
    pub found: Option<String>,
}

/// The words of engines about a program that is missing in an image or cannot be run.
const PROGRAM_WORDS: &[&str] =
    &["exec: \"", "executable file", "command not found", "command that was not found"];

impl ApiError {
    /// Whether the engine says that a container's program is missing or cannot be run.
    pub fn names_a_program(&self) -> bool {
        self.refusal_message()
            .is_some_and(|words| PROGRAM_WORDS.iter().any(|one| words.contains(one)))
    }

    /// Whether the engine says that the image does not have a container's program.
    pub fn names_missing_program(&self) -> bool {
        let is_missing = |words: &str| {
            words.contains("exec: \"")
                && (words.contains("no such file or directory")
                    || words.contains("executable file not found"))
        };
        self.refusal_message().is_some_and(is_missing)
    }

    /// Whether a container with this name exists, which is why the engine refused to create another.
    /// A conflict about a volume's name is not one.
    pub fn is_container_name_taken(&self, name: &str) -> bool {
        matches!(
            self,
            Self::Conflict { operation: Operation::CreateContainer, message }
                if message.contains(name)
        )
    }

    /// Returns the platforms if the engine has the image that it calls missing, for another platform.
    pub fn platform_mismatch(&self) -> Option<PlatformMismatch> {
        let Self::NotFound { operation: Operation::CreateContainer, message } = self else {
            return None;
        };
        if let Some((_, platforms)) =
            message.split_once("does not match the specified platform: wanted ")
        {
            let (wanted, found) = platforms.split_once(", actual: ")?;
            let found = Some(found.trim().to_owned()).filter(|found| !found.is_empty());
            return Some(PlatformMismatch { wanted: wanted.to_owned(), found });
        }
        // If an engine with containerd's store has several platforms, it names none of them.
        let (_, wanted) =
            message.split_once("was found but does not provide the specified platform (")?;
        let wanted = wanted.split(')').next().unwrap_or(wanted);
        Some(PlatformMismatch { wanted: wanted.to_owned(), found: None })
    }

    /// Returns the name of the volume whose directory is missing on the engine's host, if that is why the
    /// engine refused the request. It may be any volume of the engine.
    pub fn lost_volume(&self) -> Option<&str> {
        // Other text between the two has another reason: the device of a volume is missing.
        let (before, _) =
            self.refusal_message()?.split_once("/_data: no such file or directory")?;
        before.rsplit_once('/').map(|(_, volume)| volume)
    }

    /// Returns whether the engine may have refused a container because its network does not exist. The
    /// words are ambiguous, so the caller lists the networks.
    pub fn may_name_missing_network(&self) -> bool {
        matches!(self, Self::NotFound { operation: Operation::StartContainer, .. })
            || self.refusal_message().is_some_and(|words| words.contains("network"))
    }

    /// Returns the words of an engine that refused a request.
    fn refusal_message(&self) -> Option<&str> {
        match self {
            Self::NotFound { message, .. }
            | Self::Rejected { message, .. }
            | Self::Conflict { message, .. }
            | Self::Engine { message, .. } => Some(message),
            _ => None,
        }
    }
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PathIsFile => "the image has a file where a directory is needed",
            Self::HostPath => "a path that is to be mounted does not exist on the engine's host",
            Self::GpuDriver => "the engine has no driver for the GPUs",
            Self::Device => "the container cannot have a device",
            Self::Network => "the container's network does not exist",
            Self::Container => "a container that this one depends on does not exist",
            Self::ContainerNotRunning => "a container that this one depends on does not run",
            Self::Sysctl => "the container cannot have a kernel parameter",
            Self::Runtime => "the engine does not have the container's runtime",
            Self::PortInUse => "a port on the engine's host is in use",
            Self::Memory => "the container cannot have its memory limits",
            Self::Cpu => "the container cannot have its processors",
            Self::Capability => "the container cannot have a capability",
            Self::SecurityProfile => "the container cannot have its security options",
            Self::Ulimit => "the container cannot have its resource limits",
            Self::LogDriver => "the container cannot have its log driver",
            Self::NoCommand => "the image names no program to run",
            Self::ArgumentsTooLong => "the environment and the arguments are too long",
            Self::Setting => "a setting of the container is not possible",
        })
    }
}

#[cfg(test)]
mod tests;
