//! Containers as engines describe them, read with structures of our own: those of the client library
//! do not know every state that Podman's containers have, and one such state fails a whole list. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use super::convert;
use crate::{
    ApiError, ContainerDetails, ContainerId, ContainerStatus, ContainerSummary, Health,
    HealthStatus, MountKind, MountPoint, NetworkPlace, Operation, VolumeName,
};

type Labels = Option<BTreeMap<String, String>>;

/// The reply to an inspection. What is missing is `null` on some engines.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspected {
    name: Option<String>,
    image: Option<String>,
    state: Option<State>,
    config: Option<Config>,
    network_settings: Option<NetworkSettings>,
    mounts: Option<Vec<Mounted>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: Option<String>,
    pid: Option<i64>,
    exit_code: Option<i64>,
    #[serde(rename = "OOMKilled")]
    oom_killed: Option<bool>,
    error: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    health: Option<Checks>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Checks {
    status: Option<String>,
    log: Option<Vec<Check>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Labels,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Place>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Place {
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: Option<String>,
    aliases: Option<Vec<String>>,
}

/// A mount of a container, in an inspection and in a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mounted {
    /// `volume`, `bind`, `tmpfs`, …
    #[serde(rename = "Type")]
    kind: Option<String>,
    /// The volume's name.
    name: Option<String>,
    /// The folder on the host.
    source: Option<String>,
    /// The folder in the container.
    destination: Option<String>,
    /// Whether it can be written to.
    #[serde(rename = "RW")]
    writable: Option<bool>,
}

/// One container of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Listed {
    id: Option<String>,
    names: Option<Vec<String>>,
    state: Option<String>,
    labels: Labels,
    created: Option<i64>,
    // Podman lists the destinations alone.
    mounts: Option<Vec<serde_json::Value>>,
}

pub(super) fn details(id: &ContainerId, reply: Inspected) -> ContainerDetails {
    let state = reply.state.unwrap_or_default();
    ContainerDetails {
        id: id.clone(),
        name: reply.name.as_deref().map(container_name).unwrap_or_default(),
        status: status(state.status.as_deref().unwrap_or_default()),
        // It is 0 while the container does not run.
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        started_at: state.started_at.map(time).unwrap_or_default(),
        finished_at: state.finished_at.map(time).unwrap_or_default(),
        health: state.health.and_then(health),
        image: reply.image.unwrap_or_default(),
        networks: reply.network_settings.map(network_places).unwrap_or_default(),
        labels: reply.config.and_then(|config| config.labels).unwrap_or_default(),
        mounts: mount_points(reply.mounts.unwrap_or_default()),
    }
}

/// The containers of a list, newest first. One that cannot be read is left out, so that the others
/// can still be found and removed.
pub(super) fn summaries(reply: Option<Vec<serde_json::Value>>) -> Vec<(Listed, ContainerSummary)> {
    let read = |value: serde_json::Value| {
        let listed = serde_json::from_value::<Listed>(value);
        let listed = listed.map_err(|error| ApiError::Protocol {
            operation: Operation::ListContainers,
            detail: error.to_string(),
        });
        let read = listed.and_then(|listed| summary(&listed).map(|summary| (listed, summary)));
        read.inspect_err(|error| tracing::warn!(%error, "a container of a list is left out")).ok()
    };
    let mut found: Vec<_> = reply.unwrap_or_default().into_iter().filter_map(read).collect();
    // Docker's engine has them in this order; in Podman's there is none.
    found.sort_by_key(|(_, summary)| std::cmp::Reverse(summary.created));
    found
}

fn summary(listed: &Listed) -> Result<ContainerSummary, ApiError> {
    let id =
        convert::container_id(Operation::ListContainers, listed.id.clone().unwrap_or_default())?;
    let names = listed.names.as_deref().unwrap_or_default();
    Ok(ContainerSummary {
        id,
        name: names.first().map(|name| container_name(name)).unwrap_or_default(),
        status: status(listed.state.as_deref().unwrap_or_default()),
        labels: listed.labels.clone().unwrap_or_default(),
        created: listed
            .created
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
    })
}

/// Whether a container that was listed by a volume's name has that volume, and not just a mount at
/// a place of that name. An engine that lists places alone has not looked at them.
pub(super) fn uses_volume(listed: &Listed, volume: &VolumeName) -> bool {
    let mounts = listed.mounts.as_deref().unwrap_or_default();
    mounts.iter().any(|mounted| match mounted {
        serde_json::Value::String(_) => true,
        mounted => mounted.get("Name").and_then(|name| name.as_str()) == Some(volume.as_str()),
    })
}

/// What an inspection shows as mounted. The engine's order is another one in each reply.
fn mount_points(found: Vec<Mounted>) -> Vec<MountPoint> {
    let mut points: Vec<_> = found.into_iter().map(mount_point).collect();
    points.sort_by(|one, other| one.destination.cmp(&other.destination));
    points
}

fn mount_point(found: Mounted) -> MountPoint {
    MountPoint {
        kind: match found.kind.as_deref() {
            Some("volume") => MountKind::Volume,
            Some("bind") => MountKind::Host,
            Some("tmpfs") => MountKind::Tmpfs,
            Some("npipe") => MountKind::Pipe,
            _ => MountKind::Other,
        },
        name: found.name.filter(|name| !name.is_empty()),
        source: found.source.unwrap_or_default(),
        destination: without_slash(found.destination.unwrap_or_default()),
        read_only: found.writable == Some(false),
    }
}

/// Podman repeats a destination as it was asked for; Docker's engine cleans it.
fn without_slash(mut destination: String) -> String {
    let cleaned = destination.trim_end_matches('/').len().max(1);
    destination.truncate(cleaned);
    destination
}

/// A state, in Docker's words or in Podman's.
fn status(word: &str) -> ContainerStatus {
    match word {
        // Podman: made ready to be started, as by an attachment.
        "created" | "configured" | "initialized" => ContainerStatus::Created,
        "running" | "paused" | "restarting" | "stopping" => ContainerStatus::Running,
        // Podman: ended, and not yet tidied up.
        "exited" | "dead" | "stopped" => ContainerStatus::Exited,
        _ => ContainerStatus::Other,
    }
}

/// The engine writes the year 1 where there was no such time.
fn time(time: String) -> String {
    if time.starts_with("0001-") { String::new() } else { time }
}

fn health(checks: Checks) -> Option<Health> {
    let status = match checks.status?.as_str() {
        "starting" => HealthStatus::Starting,
        "healthy" => HealthStatus::Healthy,
        "unhealthy" => HealthStatus::Unhealthy,
        _ => return None,
    };
    let last = checks.log.unwrap_or_default().pop();
    Some(Health {
        status,
        has_result: last.is_some() || status != HealthStatus::Starting,
        output: last.and_then(|check| check.output).unwrap_or_default(),
    })
}

fn network_places(settings: NetworkSettings) -> Vec<NetworkPlace> {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let networks = settings.networks.unwrap_or_default().into_iter();
    let places = networks.map(|(network, place)| {
        let place = place.unwrap_or_default();
        NetworkPlace {
            network,
            ipv4: some(place.ip_address),
            ipv6: some(place.global_ipv6_address),
            aliases: place.aliases.unwrap_or_default(),
        }
    });
    places.collect()
}

/// The engine begins a name with a slash.
fn container_name(name: &str) -> String {
    name.trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspected(reply: serde_json::Value) -> ContainerDetails {
        let id = ContainerId::new("0".repeat(64)).unwrap();
        details(&id, serde_json::from_value(reply).unwrap())
    }

    #[test]
    fn what_is_null_or_missing_is_empty() {
        let id = ContainerId::new("0".repeat(64)).unwrap();
        let mut expected = ContainerDetails::created(id);
        expected.status = ContainerStatus::Other;
        assert_eq!(inspected(json!({})), expected);
        let nulls = json!({
            "Name": null, "State": { "Health": null }, "Mounts": null,
            "Config": { "Labels": null, "Entrypoint": "one string" },
            "NetworkSettings": { "Networks": { "n": null } },
        });
        assert_eq!(inspected(nulls).networks.len(), 1);
    }

    #[test]
    fn a_state_is_known_in_podmans_words_too() {
        for (word, expected) in [
            ("created", ContainerStatus::Created),
            ("initialized", ContainerStatus::Created),
            ("paused", ContainerStatus::Running),
            ("stopping", ContainerStatus::Running),
            ("stopped", ContainerStatus::Exited),
            ("exited", ContainerStatus::Exited),
            ("removing", ContainerStatus::Other),
            ("asleep", ContainerStatus::Other),
        ] {
            assert_eq!(inspected(json!({ "State": { "Status": word } })).status, expected);
        }
    }

    #[test]
    fn a_health_check_is_told_with_its_last_words() {
        let health = |status: &str| {
            let log = json!([{ "Output": "first" }, { "Output": "last" }]);
            inspected(json!({ "State": { "Health": { "Status": status, "Log": log } } })).health
        };
        assert_eq!(health("healthy").unwrap().output, "last");
        assert!(health("starting").unwrap().has_result);
        assert_eq!(health("none"), None);
        assert_eq!(health(""), None);
    }

    #[test]
    fn a_health_check_that_has_not_run_has_no_result() {
        for log in [json!(null), json!([])] {
            let state = json!({ "State": { "Health": { "Status": "starting", "Log": log } } });
            assert!(!inspected(state).health.unwrap().has_result);
        }
    }

    #[test]
    fn the_process_id_is_that_of_a_running_container() {
        for (pid, expected) in [(json!(4711), Some(4711)), (json!(0), None), (json!(-1), None)] {
            assert_eq!(inspected(json!({ "State": { "Pid": pid } })).pid, expected);
        }
        assert_eq!(inspected(json!({ "State": { "Pid": null } })).pid, None);
    }

    #[test]
    fn one_odd_container_does_not_hide_the_others() {
        let (old, new) = ("1".repeat(64), "2".repeat(64));
        let found = summaries(Some(vec![
            json!({ "Id": old, "State": "stopped", "Created": 1, "Labels": null }),
            json!({ "Id": "../containers/x" }),
            json!({ "Id": 7 }),
            json!({ "Id": new, "Names": ["/a"], "State": "asleep", "Created": 2, "Mounts": ["/c"] }),
        ]));
        let seen: Vec<_> =
            found.iter().map(|(_, one)| (one.id.as_str(), one.name.as_str(), one.status)).collect();
        assert_eq!(
            seen,
            [(&*new, "a", ContainerStatus::Other), (&*old, "", ContainerStatus::Exited)]
        );
        assert!(summaries(None).is_empty());
    }

    #[test]
    fn a_volume_is_used_where_it_is_mounted_by_name() {
        let volume: VolumeName = "cache".parse().unwrap();
        let used = |mounts: serde_json::Value| {
            let listed = serde_json::from_value(json!({ "Mounts": mounts })).unwrap();
            uses_volume(&listed, &volume)
        };
        assert!(used(json!([{ "Name": "other" }, { "Name": "cache" }])));
        assert!(used(json!(["/anywhere"])), "the engine has looked for the name itself");
        assert!(!used(json!([{ "Name": "other", "Destination": "cache" }])));
        assert!(!used(json!(null)));
    }

    #[test]
    fn mount_points_have_the_order_of_their_destinations() {
        let found = |kind: &str, destination: &str| Mounted {
            kind: Some(kind.to_owned()),
            name: Some(String::new()),
            destination: Some(destination.to_owned()),
            writable: Some(false),
            ..Mounted::default()
        };
        let points = mount_points(vec![found("tmpfs", "/b"), found("cluster", "/a/")]);
        let mut first = MountPoint::new(MountKind::Other, "", "/a");
        first.read_only = true;
        assert_eq!((&points[0], points[1].kind), (&first, MountKind::Tmpfs));
    }
}
