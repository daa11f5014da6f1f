//! Between our plain data and the client library's types. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    os::unix::ffi::OsStrExt as _,
    time::{Duration, SystemTime},
};

use bollard::{
    errors::Error,
    models::{
        ContainerCreateResponse, ContainerWaitResponse, CreateImageInfo, ImageInspect,
        SystemVersion, Volume as EngineVolume, VolumeCreateRequest,
    },
};

use super::{Endpoint, transport::TransportError};
use crate::{
    ApiError, ApiVersion, ConnectFailure, ContainerId, CreatedContainer, EngineProduct,
    EngineVersion, ExitStatus, ImageDetails, ImageReference, LabelFilter, LogOptions, Operation,
    PathDetails, PathKind, PullProgress, Volume, VolumeRequest, WaitCondition,
    error::tells_of_unknown_user,
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
            refused(operation, status_code, message)
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

/// What Podman says to one of two who make a volume at once.
pub(super) const VOLUME_EXISTS: &str = "volume already exists";

/// What Podman answers 500 to where Docker's engine has a status of its own, by the error that
/// Podman's words end with.
const SAID_BY_PODMAN: [(&str, u16); 7] = [
    ("that name is already in use", 409),
    ("network already exists", 409),
    (VOLUME_EXISTS, 409),
    ("container state improper", 409),
    ("exec session state improper", 409),
    ("duplicate mount destination", 400),
    ("network is being used", 403),
];

/// A reply that is a refusal; the same one from every engine.
fn refused(operation: Operation, status: u16, message: String) -> ApiError {
    let said = |(end, status): &(&str, u16)| message.trim_end().ends_with(end).then_some(*status);
    let meant = match status {
        // As later engines do. Podman looks for the user when somebody attaches, and calls that a
        // conflict.
        409 | 500 if tells_of_unknown_user(operation, &message) => 400,
        500 => SAID_BY_PODMAN.iter().find_map(said).unwrap_or(status),
        status => status,
    };
    ApiError::from_status(operation, meant, message)
}

pub(super) fn engine_version(reply: SystemVersion) -> Result<EngineVersion, ApiError> {
    let api_version = reply.api_version.unwrap_or_default();
    let Some(api_version) = ApiVersion::parse(&api_version) else {
        return Err(ApiError::Protocol {
            operation: Operation::Version,
            detail: format!("its API version is {api_version:?}"),
        });
    };
    let mut version = EngineVersion::new(
        reply.version.unwrap_or_default(),
        api_version,
        reply.os.unwrap_or_default(),
        reply.arch.unwrap_or_default(),
    );
    let components = reply.components.unwrap_or_default();
    if components.iter().any(|component| component.name == "Podman Engine") {
        version.product = EngineProduct::Podman;
    }
    Ok(version)
}

/// A time as an engine writes it: RFC 3339, with any offset. The year 1 stands for none.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let time: jiff::Timestamp = text.parse().ok()?;
    (time.as_second() > 0).then(|| time.into())
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
        options: asked_for(reply.options.into_iter().collect()),
        labels: reply.labels.into_iter().collect(),
        scope: reply.scope.map(|scope| scope.to_string()).unwrap_or_default(),
        mountpoint: reply.mountpoint,
        created: reply.created_at.as_deref().and_then(moment),
    }
}

/// The options of a volume without those that Podman adds: the owner that `o` names, once more.
fn asked_for(mut options: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mounted = options.get("o").cloned().unwrap_or_default();
    for (added, named) in [("UID", "uid"), ("GID", "gid")] {
        let mut words = mounted.split(',').filter_map(|word| word.split_once('='));
        if words
            .any(|(key, value)| key == named && options.get(added).is_some_and(|is| is == value))
        {
            options.remove(added);
        }
    }
    options
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

/// Whether an object with the labels `found` passes all filters. Of several, Podman lists the volumes
/// that pass any, so every list is looked through once more.
pub(super) fn has(filters: &[LabelFilter], found: &BTreeMap<String, String>) -> bool {
    filters.iter().all(|filter| filter.matches(found))
}

pub(super) fn created_container(
    reply: ContainerCreateResponse,
) -> Result<CreatedContainer, ApiError> {
    let id = container_id(Operation::CreateContainer, reply.id)?;
    Ok(CreatedContainer { id, warnings: reply.warnings })
}

pub(super) fn container_id(operation: Operation, id: String) -> Result<ContainerId, ApiError> {
    ContainerId::new(id)
        .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })
}

pub(super) fn log_query(options: &LogOptions) -> Vec<(&'static str, String)> {
    let mut query = vec![
        ("stdout", "true".to_owned()),
        ("stderr", "true".to_owned()),
        ("follow", options.follow.to_string()),
        ("timestamps", options.timestamps.to_string()),
    ];
    query.extend(options.tail.map(|lines| ("tail", lines.to_string())));
    query.extend(options.since.map(|moment| {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        ("since", format!("{}.{:09}", since.as_secs(), since.subsec_nanos()))
    }));
    query
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

/// Rounded up: a grace of 0.5 s must not become none.
pub(super) fn whole_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_user_that_there_is_not_is_no_failure_of_the_engines() {
        for words in [
            "unable to find user nobody2: no matching entries in passwd file",
            "unable to find group g: no matching entries in group file",
            "uids and gids must be in range 0-2147483647",
        ] {
            for (operation, status) in [
                (Operation::StartContainer, 500),
                (Operation::AttachContainer, 409),
                (Operation::CreateContainer, 500),
            ] {
                let error = refused(operation, status, words.to_owned());
                assert!(matches!(error, ApiError::Rejected { .. }), "{error:?}");
                assert!(error.is_unknown_user() && !error.is_transient());
            }
            // A registry may say what it likes.
            let error = refused(Operation::PullImage, 500, words.to_owned());
            assert!(matches!(error, ApiError::Engine { status: 500, .. }), "{error:?}");
        }
    }

    #[test]
    fn what_podman_calls_a_failure_is_the_refusal_that_it_is() {
        let taken = "creating container storage: the container name \"a\" is already in use by b. \
                     You have to remove that container to be able to reuse that name: that name is \
                     already in use\n";
        let error =
            |status, message: &str| refused(Operation::CreateContainer, status, message.to_owned());
        assert!(matches!(error(500, taken), ApiError::Conflict { .. }));
        let twice = "multiple volumes at \"/c\": duplicate mount destination";
        assert!(matches!(error(500, twice), ApiError::Rejected { .. }));
        let used = "\"n\" has associated containers with it: network is being used";
        assert!(matches!(error(500, used), ApiError::Engine { status: 403, .. }));
        assert!(matches!(error(503, taken), ApiError::Engine { status: 503, .. }));
        let other = "that name is already in use, or so it seems";
        assert!(matches!(error(500, other), ApiError::Engine { status: 500, .. }));
    }

    #[test]
    fn an_owner_that_podman_repeats_is_no_option_of_its_own() {
        let options = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let asked = [("o", "nodev,uid=5,gid=7"), ("type", "tmpfs")];
        let told = [&asked[..], &[("UID", "5"), ("GID", "7")]].concat();
        assert_eq!(asked_for(options(&told)), options(&asked));
        let strange = [("o", "nodev,uid=5"), ("UID", "0")];
        assert_eq!(asked_for(options(&strange)), options(&strange));
    }

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
    fn a_moment_is_the_same_at_every_offset() {
        let expected = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_590_909));
        for text in
            ["2026-11-25T07:15:09Z", "2026-11-25T08:15:09+01:00", "2026-11-24T23:45:09-07:30"]
        {
            assert_eq!(moment(text), expected, "{text}");
        }
        for text in ["", "yesterday", "0001-01-01T00:00:00Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
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
}
