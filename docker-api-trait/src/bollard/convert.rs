//! Between our plain data and the client library's types. Pure.

use std::{collections::HashMap, fmt::Write as _, os::unix::ffi::OsStrExt as _, time::Duration};

use bollard::{
    container::LogOutput,
    errors::Error,
    models::{
        ContainerCreateResponse, ContainerInspectResponse, ContainerStateStatusEnum,
        ContainerSummary as EngineContainerSummary, ContainerSummaryStateEnum,
        ContainerWaitResponse, CreateImageInfo, Health as EngineHealth, HealthStatusEnum,
        ImageInspect, MountPoint, NetworkSettings, SystemVersion, Volume as EngineVolume,
        VolumeCreateRequest,
    },
};

use super::{Endpoint, mount, transport::TransportError};
use crate::{
    ApiError, ApiVersion, ConnectFailure, ContainerDetails, ContainerId, ContainerStatus,
    ContainerSummary, CreatedContainer, EngineVersion, ExitStatus, Health, HealthStatus,
    ImageDetails, ImageReference, LabelFilter, LogChunk, LogSource, NetworkPlace, Operation,
    PathDetails, PathKind, PullProgress, Volume, VolumeName, VolumeRequest, WaitCondition,
};

/// The address as the client library wants it: of a socket's path, the hexadecimal digits.
pub(super) fn base_address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(path) => {
            path.as_os_str().as_bytes().iter().fold("unix://".to_owned(), |mut address, byte| {
                // Writing to a string cannot fail.
                let _ = write!(address, "{byte:02x}");
                address
            })
        }
        Endpoint::Tcp(address) => format!("http://{address}"),
        Endpoint::Tls { address, .. } => format!("https://{address}"),
    }
}

pub(super) fn error(operation: Operation, endpoint: &Endpoint, error: Error) -> ApiError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            ApiError::from_status(operation, status_code, message)
        }
        Error::DockerStreamError { error } => ApiError::Reported { operation, message: error },
        Error::IOError { err } => match err.downcast::<TransportError>() {
            Ok(TransportError::Connect { failure, source }) => {
                ApiError::Unreachable { endpoint: endpoint.to_string(), failure, source }
            }
            Ok(TransportError::Lost { source }) => ApiError::Lost { operation, source },
            Err(source) => ApiError::Lost { operation, source: source.into() },
        },
        Error::HyperResponseError { err } => ApiError::Lost { operation, source: err.into() },
        error @ (Error::InvalidURIError { .. } | Error::URLParseError { .. }) => {
            ApiError::Unreachable {
                endpoint: endpoint.to_string(),
                failure: ConnectFailure::Other,
                source: error.into(),
            }
        }
        error => ApiError::Protocol { operation, detail: error.to_string() },
    }
}

pub(super) fn engine_version(reply: SystemVersion) -> Result<EngineVersion, ApiError> {
    let api_version = reply.api_version.unwrap_or_default();
    let Some(api_version) = ApiVersion::parse(&api_version) else {
        return Err(ApiError::Protocol {
            operation: Operation::Version,
            detail: format!("its API version is {api_version:?}"),
        });
    };
    Ok(EngineVersion::new(
        reply.version.unwrap_or_default(),
        api_version,
        reply.os.unwrap_or_default(),
        reply.arch.unwrap_or_default(),
    ))
}

pub(super) fn image(reply: ImageInspect) -> ImageDetails {
    let config = reply.config.unwrap_or_default();
    let mut exposed_ports = config.exposed_ports.unwrap_or_default();
    exposed_ports.sort();
    ImageDetails {
        id: reply.id.unwrap_or_default(),
        digests: reply.repo_digests.unwrap_or_default(),
        exposed_ports,
        environment: config.env.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_directory: config.working_dir.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        // `NONE` switches off the check of an image below.
        has_health_check: config
            .healthcheck
            .and_then(|check| check.test)
            .is_some_and(|test| test.first().is_some_and(|word| word != "NONE")),
        os: reply.os.unwrap_or_default(),
        architecture: reply.architecture.unwrap_or_default(),
    }
}

/// The reference with `:latest` when it has neither tag nor digest: without, the engine would pull
/// every tag there is.
pub(super) fn with_tag(image: &ImageReference) -> String {
    let name = image.as_str();
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

pub(super) fn pull_progress(info: CreateImageInfo) -> PullProgress {
    let detail = info.progress_detail.unwrap_or_default();
    let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    PullProgress {
        layer: info.id,
        status: info.status.unwrap_or_default(),
        current: count(detail.current),
        total: count(detail.total),
    }
}

pub(super) fn volume_request(request: &VolumeRequest) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(request.name.as_str().to_owned()),
        driver: request.driver.clone(),
        driver_opts: Some(request.options.clone().into_iter().collect()),
        labels: Some(request.labels.clone().into_iter().collect()),
        cluster_volume_spec: None,
    }
}

pub(super) fn volume(reply: EngineVolume) -> Volume {
    Volume {
        name: reply.name,
        driver: reply.driver,
        options: reply.options.into_iter().collect(),
        labels: reply.labels.into_iter().collect(),
        scope: reply.scope.map(|scope| scope.to_string()).unwrap_or_default(),
        mountpoint: reply.mountpoint,
    }
}

/// The engine gives the bits of Go's `FileMode`, in which those of `chmod` beyond the nine are at
/// places of their own.
pub(super) fn path_details(mode: u32) -> PathDetails {
    const SPECIAL: [(u32, u32); 3] = [(1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000)];
    let kind = match mode {
        folder if folder & (1 << 31) != 0 => PathKind::Folder,
        link if link & (1 << 27) != 0 => PathKind::Link,
        // Devices, pipes, sockets, character devices and what Go calls irregular.
        other if other & (1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19) != 0 => PathKind::Other,
        _ => PathKind::File,
    };
    let special = SPECIAL.iter().filter(|(theirs, _)| mode & theirs != 0).map(|(_, ours)| ours);
    PathDetails::new(kind, mode & 0o777 | special.fold(0, |bits, bit| bits | bit))
}

pub(super) fn label_filters(labels: &[LabelFilter]) -> Option<HashMap<String, Vec<String>>> {
    if labels.is_empty() {
        return None;
    }
    let labels = labels.iter().map(ToString::to_string).collect();
    Some(HashMap::from([("label".to_owned(), labels)]))
}

pub(super) fn created_container(
    reply: ContainerCreateResponse,
) -> Result<CreatedContainer, ApiError> {
    let id = container_id(Operation::CreateContainer, reply.id)?;
    Ok(CreatedContainer { id, warnings: reply.warnings })
}

pub(super) fn container(id: &ContainerId, reply: ContainerInspectResponse) -> ContainerDetails {
    let state = reply.state.unwrap_or_default();
    ContainerDetails {
        id: id.clone(),
        name: reply.name.as_deref().map(container_name).unwrap_or_default(),
        status: match state.status {
            Some(ContainerStateStatusEnum::CREATED) => ContainerStatus::Created,
            Some(
                ContainerStateStatusEnum::RUNNING
                | ContainerStateStatusEnum::PAUSED
                | ContainerStateStatusEnum::RESTARTING,
            ) => ContainerStatus::Running,
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
                ContainerStatus::Exited
            }
            _ => ContainerStatus::Other,
        },
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        started_at: state.started_at.map(time).unwrap_or_default(),
        finished_at: state.finished_at.map(time).unwrap_or_default(),
        health: state.health.and_then(health),
        image: reply.image.unwrap_or_default(),
        networks: reply.network_settings.map(network_places).unwrap_or_default(),
        labels: reply
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default()
            .into_iter()
            .collect(),
        mounts: mount::mount_points(reply.mounts.unwrap_or_default()),
    }
}

/// The engine writes the year 1 where there was no such time.
fn time(time: String) -> String {
    if time.starts_with("0001-") { String::new() } else { time }
}

fn health(health: EngineHealth) -> Option<Health> {
    let status = match health.status? {
        HealthStatusEnum::STARTING => HealthStatus::Starting,
        HealthStatusEnum::HEALTHY => HealthStatus::Healthy,
        HealthStatusEnum::UNHEALTHY => HealthStatus::Unhealthy,
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => return None,
    };
    let last = health.log.unwrap_or_default().pop();
    Some(Health { status, output: last.and_then(|check| check.output).unwrap_or_default() })
}

fn network_places(settings: NetworkSettings) -> Vec<NetworkPlace> {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let networks = settings.networks.unwrap_or_default().into_iter();
    let places = networks.map(|(network, place)| NetworkPlace {
        network,
        ipv4: some(place.ip_address),
        ipv6: some(place.global_ipv6_address),
        aliases: place.aliases.unwrap_or_default(),
    });
    let mut places: Vec<_> = places.collect();
    places.sort_by(|one, other| one.network.cmp(&other.network));
    places
}

/// The engine begins a name with a slash.
fn container_name(name: &str) -> String {
    name.trim_start_matches('/').to_owned()
}

pub(super) fn container_summary(
    reply: EngineContainerSummary,
) -> Result<ContainerSummary, ApiError> {
    let id = container_id(Operation::ListContainers, reply.id.unwrap_or_default())?;
    let name = reply.names.unwrap_or_default().first().map(|name| container_name(name));
    Ok(ContainerSummary {
        id,
        name: name.unwrap_or_default(),
        status: match reply.state {
            Some(ContainerSummaryStateEnum::CREATED) => ContainerStatus::Created,
            Some(
                ContainerSummaryStateEnum::RUNNING
                | ContainerSummaryStateEnum::PAUSED
                | ContainerSummaryStateEnum::RESTARTING,
            ) => ContainerStatus::Running,
            Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => {
                ContainerStatus::Exited
            }
            _ => ContainerStatus::Other,
        },
        labels: reply.labels.unwrap_or_default().into_iter().collect(),
    })
}

pub(super) fn uses_volume(container: &EngineContainerSummary, volume: &VolumeName) -> bool {
    let named = |point: &MountPoint| point.name.as_deref() == Some(volume.as_str());
    container.mounts.as_ref().is_some_and(|points| points.iter().any(named))
}

fn container_id(operation: Operation, id: String) -> Result<ContainerId, ApiError> {
    ContainerId::new(id)
        .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })
}

pub(super) fn wait_condition(condition: WaitCondition) -> String {
    match condition {
        WaitCondition::NextExit => "next-exit",
        WaitCondition::NotRunning => "not-running",
    }
    .to_owned()
}

pub(super) fn exit_status(reply: ContainerWaitResponse) -> ExitStatus {
    ExitStatus {
        code: reply.status_code,
        error: reply.error.and_then(|error| error.message).filter(|message| !message.is_empty()),
    }
}

pub(super) fn failed_exit_status(message: String, code: i64) -> ExitStatus {
    ExitStatus { code, error: Some(message).filter(|message| !message.is_empty()) }
}

/// A frame of an attached container without a terminal. What the client library could not read as
/// a whole frame it hands out as `Console`: a stream that was cut, or a message of the engine's.
pub(super) fn log_chunk(
    endpoint: &Endpoint,
    operation: Operation,
    frame: Result<LogOutput, Error>,
) -> Result<LogChunk, ApiError> {
    match frame {
        Ok(LogOutput::StdOut { message } | LogOutput::StdIn { message }) => {
            Ok(LogChunk { source: LogSource::Stdout, bytes: message })
        }
        Ok(LogOutput::StdErr { message }) => {
            Ok(LogChunk { source: LogSource::Stderr, bytes: message })
        }
        Ok(LogOutput::Console { .. }) => Err(ApiError::Protocol {
            operation,
            detail: "a piece of output is cut short or of an unknown kind".to_owned(),
        }),
        Err(frame_error) => Err(error(operation, endpoint, frame_error)),
    }
}

/// Rounded up: a grace of 0.5 s must not become none.
pub(super) fn whole_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_paths_mode_has_the_bits_of_chmod() {
        let folder = |mode: u32, bits| {
            assert_eq!(path_details(mode), PathDetails::new(PathKind::Folder, bits));
        };
        folder(1 << 31 | 0o755, 0o755);
        folder(1 << 31 | 1 << 20 | 0o777, 0o1777);
        folder(1 << 31 | 1 << 22 | 0o770, 0o2770);
        assert_eq!(path_details(1 << 27 | 0o777).kind, PathKind::Link);
        assert_eq!(path_details(1 << 23 | 0o755), PathDetails::new(PathKind::File, 0o4755));
        assert_eq!(path_details(1 << 25 | 0o600).kind, PathKind::Other);
    }

    #[test]
    fn a_reference_without_tag_or_digest_means_latest() {
        let tagged = |image| with_tag(&ImageReference::new(image).unwrap());
        assert_eq!(tagged("busybox"), "busybox:latest");
        assert_eq!(tagged("host:5000/busybox"), "host:5000/busybox:latest");
        assert_eq!(tagged("host:5000/busybox:1"), "host:5000/busybox:1");
        assert_eq!(tagged("busybox@sha256:00"), "busybox@sha256:00");
    }

    #[test]
    fn a_grace_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn a_cut_frame_is_an_error_not_output() {
        let endpoint = Endpoint::Unix(PathBuf::from("/x"));
        let cut = LogOutput::Console { message: "half".into() };
        let error = log_chunk(&endpoint, Operation::AttachContainer, Ok(cut)).unwrap_err();
        assert!(matches!(error, ApiError::Protocol { .. }), "{error:?}");
    }
}
