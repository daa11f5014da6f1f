//! A file as an installation has it.

use std::time::Duration;

use super::fixture::read;
use crate::{config::file::ConfigNoteKind, image::PullPolicy};

pub(super) const FULL: &str = r#"
# Written by a registration, then by hand.
concurrent = 8
check_interval = 3
log_level = "warning"
connection_max_age = "15m0s"
shutdown_timeout = 30

[session_server]
  session_timeout = 1800

[[runners]]
  name = "build host 3"
  url = "https://gitlab.example/"
  id = 42
  token = "glrt-t0ps3cret"
  token_obtained_at = 2026-01-15T09:30:00Z
  token_expires_at = 0001-01-01T00:00:00Z
  executor = "docker"
  limit = 4
  output_limit = 20480
  builds_dir = "/builds"
  environment = ["DOCKER_BUILDKIT=1", "HTTPS_PROXY=http://proxy.example:3128"]
  [runners.custom_build_dir]
  [runners.feature_flags]
    FF_NETWORK_PER_BUILD = true
  [runners.cache]
    Type = "s3"
    Shared = true
    [runners.cache.s3]
      ServerAddress = "s3.example"
      AccessKey = "AKIA"
      SecretKey = "t0ps3cret"
      BucketName = "caches"
  [runners.docker]
    host = "tcp://engine.example:2376"
    tls_cert_path = "/etc/gitlab-runner/certs"
    tls_verify = true
    image = "registry.example/base:2026"
    memory = "4g"
    memory_reservation = "2048m"
    cpus = "2.5"
    cpuset_cpus = "0-3"
    dns = ["192.0.2.53"]
    privileged = true
    services_privileged = false
    allowed_privileged_images = ["registry.example/dind/*:*"]
    disable_entrypoint_overwrite = false
    oom_kill_disable = false
    cap_drop = ["NET_RAW"]
    security_opt = ["seccomp=/etc/profile.json"]
    devices = ["/dev/kvm"]
    disable_cache = false
    volumes = ["/cache", "/certs/client", "/srv/mirror:/mirror:ro", "/m2/$CI_PROJECT_ID:/root/.m2"]
    shm_size = 67108864
    extra_hosts = ["mirror.example:192.0.2.7"]
    pull_policy = ["always", "if-not-present"]
    allowed_pull_policies = ["always", "if-not-present"]
    allowed_images = ["registry.example/**", "alpine:*"]
    allowed_services = ["postgres:*", "redis:*"]
    services_limit = 5
    service_memory = "1g"
    wait_for_services_timeout = 60
    helper_image_flavor = "ubuntu"
    network_mtu = 1450
    [runners.docker.tmpfs]
      "/tmp" = "rw,noexec,size=1g"
    [runners.docker.services_tmpfs]
      "/var/lib/postgresql/data" = "rw"
    [runners.docker.sysctls]
      "net.ipv4.ip_forward" = "1"
    [runners.docker.ulimit]
      nofile = "65536:65536"
    [runners.docker.container_labels]
      team = "platform"
    [[runners.docker.services]]
      name = "registry.example/mirror:1"
      alias = "mirror"
      environment = ["MODE=read-only"]
  [runners.berth]
    pids_limit = 8192
    stop_grace = "20s"

[[runners]]
  name = "shell host"
  executor = "shell"
  shell = "pwsh"
"#;

#[test]
fn a_whole_file_is_read() {
    let read = read(FULL).unwrap();
    assert_eq!(read.name, "build host 3");
    assert_eq!(read.endpoint.host.as_deref(), Some("tcp://engine.example:2376"));
    assert!(read.endpoint.tls_verify);
    let config = read.config;
    assert_eq!(config.variables.len(), 2);
    assert_eq!(config.volumes.len(), 4);
    assert_eq!(config.log_limit, Some(20_480 << 10));
    assert_eq!(config.stop_grace, Duration::from_secs(20));

    let host = &config.containers.host;
    assert_eq!((host.memory, host.memory_swap), (Some(4 << 30), Some(4 << 30)));
    assert_eq!(host.nano_cpus, Some(2_500_000_000));
    assert_eq!(host.pids_limit, Some(8192));
    assert_eq!(host.security_opt.len(), 2);
    assert!(host.privileged);
    assert_eq!(host.tmpfs.len(), 1);

    let services = &config.services;
    assert!(!services.host.privileged);
    assert_eq!(services.host.memory, Some(1 << 30));
    assert!(services.host.devices.is_empty());
    assert_eq!(services.limit, Some(5));
    assert_eq!(services.definitions[0].aliases, ["mirror"]);
    assert_eq!(config.images.pull_policies, [PullPolicy::Always, PullPolicy::IfNotPresent]);
}

#[test]
fn its_notes_name_what_has_no_effect_in_the_order_of_the_file() {
    let notes = read(FULL).unwrap().notes;
    let of = |kind| {
        let notes = notes.iter().filter(move |note| note.kind == kind);
        notes.map(|note| note.key.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        of(ConfigNoteKind::Process),
        [
            "concurrent",
            "check_interval",
            "log_level",
            "connection_max_age",
            "shutdown_timeout",
            "session_server",
            "runners.url",
            "runners.id",
            "runners.token",
            "runners.token_obtained_at",
            "runners.token_expires_at",
            "runners.limit",
        ]
    );
    assert_eq!(
        of(ConfigNoteKind::Unused),
        ["runners.feature_flags", "runners.cache", "runners.docker.helper_image_flavor"]
    );
    assert!(of(ConfigNoteKind::Differs).is_empty());
    assert!(notes.is_sorted_by_key(|note| (note.line, note.column)));
    assert_eq!(notes[0].line, 3);
    assert!(notes.iter().all(|note| !note.to_string().contains("t0ps3cret")));
}
