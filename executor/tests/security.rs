//! What a job of unknown origin cannot ask for: whatever its file says, the requests for its containers are
//! those of the configuration.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use docker_api_trait::HostSettings;
use executor::{
    ExecutorConfig, JobPlan, JobSpec, RunContext, config::ContainerSettings, job::JobError, plan,
};
use fastrand::Rng;
use serde_json::{Value, json};
use volume_manager::PlannedSource;

fn planned(job: &JobSpec) -> Result<JobPlan, JobError> {
    let context = RunContext::new("0".repeat(32), "test", SystemTime::UNIX_EPOCH);
    plan(job, &ExecutorConfig::new("ci"), &context)
}

/// A job that uses everything that a job may have.
fn full() -> Value {
    json!({
        "project": "app", "trust": "untrusted", "id": "1", "key": "k", "ref": "main", "pipeline": "7",
        "image": { "name": "busybox", "user": "1000", "entrypoint": ["sh"] },
        "helper_image": "helper:1",
        "working_directory": "/builds/app",
        "build": { "folder": "/builds/app", "strategy": "fetch" },
        "volumes": ["/cache", "data:/data:ro"],
        "variables": { "A": "b", "S": { "value": "s3cret", "masked": true } },
        "caches": [{ "key": "deps", "paths": ["/deps"] }],
        "services": [{ "image": "redis:7", "aliases": ["r"], "variables": { "A": "b" } }],
        "steps": [
            { "name": "a", "script": "true" },
            { "name": "b", "script": "true", "container": "helper" },
        ],
        "after_script": "true",
    })
}

/// The words by which rights are asked for, in the spellings of engines, of compose files and of runners.
const RIGHTS: [&str; 46] = [
    "privileged",
    "Privileged",
    "cap_add",
    "CapAdd",
    "cap_drop",
    "CapDrop",
    "capabilities",
    "devices",
    "Devices",
    "device_requests",
    "DeviceRequests",
    "gpus",
    "pid_mode",
    "PidMode",
    "pid",
    "ipc_mode",
    "IpcMode",
    "ipc",
    "network_mode",
    "NetworkMode",
    "net",
    "uts_mode",
    "UTSMode",
    "userns_mode",
    "UsernsMode",
    "cgroup_parent",
    "CgroupParent",
    "security_opt",
    "SecurityOpt",
    "sysctls",
    "Sysctls",
    "volumes_from",
    "VolumesFrom",
    "runtime",
    "Runtime",
    "oom_kill_disable",
    "OomKillDisable",
    "restart_policy",
    "RestartPolicy",
    "ulimits",
    "isolation",
    "port_bindings",
    "host",
    "HostConfig",
    "pids_limit",
    "tmpfs",
];

#[test]
fn the_job_that_the_others_are_made_of_is_fine() {
    let job: JobSpec = serde_json::from_value(full()).unwrap();
    let plan = planned(&job).unwrap();
    assert_eq!((plan.containers.len(), plan.services.len()), (2, 1));
}

#[test]
fn no_part_of_a_job_has_a_key_for_rights_on_the_host() {
    let mut tried = 0;
    let values =
        [json!(true), json!("host"), json!(["ALL"]), json!({ "a": "b" }), json!(0), json!(null)];
    for right in RIGHTS {
        for value in &values {
            for place in
                ["", "/image", "/build", "/caches/0", "/services/0", "/steps/0", "/variables/S"]
            {
                let mut job = full();
                let part = job.pointer_mut(place).unwrap().as_object_mut().unwrap();
                assert!(
                    part.insert(right.to_owned(), value.clone()).is_none(),
                    "{place} has {right}"
                );
                let read = serde_json::from_value::<JobSpec>(job);
                assert!(read.is_err(), "{right} = {value} at {place:?} was read");
                tried += 1;
            }
        }
    }
    assert!(tried > 1900, "{tried}");
}

/// What a container may have of its host, unless the configuration says otherwise.
fn default_host() -> HostSettings {
    ContainerSettings::default().host
}

const TEXTS: [&str; 28] = [
    "/cache",
    "/etc:/x",
    "/:/x",
    "/var/run/docker.sock:/s",
    "/x:rshared",
    "/x:z",
    "data:/data:ro",
    "../x:/y",
    "host",
    "container:x",
    "0:0",
    "root",
    "--privileged",
    "$A",
    "${S}",
    "$$",
    "\n",
    "\u{202e}",
    "",
    "/proc/self/fd/7",
    "/proc/1/root:/x",
    "busybox",
    "registry.example:1/x@sha256:0",
    "a b",
    "-v",
    "x=y",
    "~/x:/y",
    "//./pipe/docker_engine:/p",
];
/// Where a job's author writes text.
const PLACES: [&str; 16] = [
    "/project",
    "/id",
    "/key",
    "/ref",
    "/pipeline",
    "/image/name",
    "/image/user",
    "/image/entrypoint/0",
    "/helper_image",
    "/working_directory",
    "/build/folder",
    "/volumes/0",
    "/volumes/1",
    "/caches/0/key",
    "/services/0/aliases/0",
    "/variables/A",
];

#[test]
fn whatever_a_jobs_texts_are_its_containers_have_what_the_configuration_gives() {
    let mut numbers = Rng::with_seed(11);
    let host = default_host();
    let (mut read, mut planned_for) = (0, 0);
    for _ in 0..20_000 {
        let mut job = full();
        for _ in 0..=numbers.usize(..3) {
            let place = PLACES[numbers.usize(..PLACES.len())];
            *job.pointer_mut(place).unwrap() = json!(numbers.choice(TEXTS).unwrap());
        }
        let Ok(job) = serde_json::from_value::<JobSpec>(job) else { continue };
        read += 1;
        let Ok(plan) = planned(&job) else { continue };
        planned_for += 1;
        for given in plan
            .containers
            .iter()
            .map(|container| &container.host)
            .chain(plan.services.iter().map(|service| &service.host))
        {
            assert_eq!(*given, host, "{job:?}");
        }
        for volume in &plan.volumes.volumes {
            let of_host = matches!(
                volume.source,
                PlannedSource::Host(_) | PlannedSource::Pipe(_) | PlannedSource::Directory(_)
            );
            assert!(!of_host && volume.propagation.is_none(), "{job:?}: {volume:?}");
        }
    }
    assert!(read > 10_000 && planned_for > 1_000, "{read} read, {planned_for} planned");
}

#[test]
fn a_working_directory_of_the_kernels_is_refused_in_every_spelling() {
    let mut tried = BTreeSet::new();
    for number in 3..=64 {
        for folder in [
            format!("/proc/self/fd/{number}"),
            format!("/proc/self/fd/{number}/"),
            format!("/proc/self/fd/{number}/../.."),
            format!("//proc//self/./fd/{number}"),
            format!("/x/../proc/self/fd/{number}"),
            format!("/proc/thread-self/fd/{number}"),
            format!("/dev/fd/{number}"),
        ] {
            let mut job = full();
            job["working_directory"] = json!(folder);
            job["build"] = Value::Null;
            let job: JobSpec = serde_json::from_value(job).unwrap();
            let error = planned(&job).unwrap_err();
            assert!(
                matches!(error, JobError::ReservedWorkingDirectory { .. }),
                "{folder}: {error:?}"
            );
            tried.insert(folder);
        }
    }
    assert!(tried.len() > 400, "{}", tried.len());
}

#[test]
fn the_defaults_bound_what_a_container_may_do() {
    let host = default_host();
    assert_eq!(host.pids_limit, Some(4096));
    assert_eq!(host.security_opt, ["no-new-privileges"]);
    let mut bare = host;
    (bare.pids_limit, bare.security_opt) = (None, Vec::new());
    assert_eq!(bare, HostSettings::default(), "nothing else is given");
    let job: JobSpec = serde_json::from_value(full()).unwrap();
    let plan = planned(&job).unwrap();
    assert_eq!(plan.timeouts.stop_grace, Duration::from_secs(10));
}
