//! One case for each key that is read: what it does to the settings.

use std::time::Duration;

use docker_api_trait::{Device, Ulimit};
use volume_manager::HostPath;

use super::fixture::{PROFILE, all_keys, in_section, path, read};
use crate::{
    config::file::{RunnerConfig, key::Treatment},
    image::PullPolicy,
};

/// Table, key, value, and what must hold with it and must not without it.
type Case = (&'static str, &'static str, &'static str, fn(&RunnerConfig) -> bool);

const BERTH: &str = "runners.berth";
const DOCKER: &str = "runners.docker";
const RUNNER: &str = "runners";
const SERVICE: &str = "runners.docker.services";

fn image(spec: Option<&crate::job::ImageSpec>) -> Option<&str> {
    spec.map(|spec| spec.name.as_str())
}

const CASES: &[Case] = &[
    (RUNNER, "name", "\"builder\"", |r| r.name == "builder"),
    (RUNNER, "builds_dir", "\"/srv/builds/\"", |r| {
        r.builds_dir.as_ref().is_some_and(|path| path.as_str() == "/srv/builds")
    }),
    (RUNNER, "environment", "[\"A=b=c\"]", |r| {
        let [variable] = r.config.variables.as_slice() else { return false };
        (variable.name(), variable.value()) == ("A", "b=c")
    }),
    (RUNNER, "output_limit", "4096", |r| r.config.log_limit == Some(4096 * 1024)),
    (RUNNER, "prepare_timeout", "\"15m0s\"", |r| {
        r.config.prepare_timeout == Some(Duration::from_mins(15))
    }),
    (RUNNER, "pre_get_sources_script", "\"date\"", |r| {
        r.config.scripts.pre_get_sources_script == "date"
    }),
    (RUNNER, "post_get_sources_script", "\"date\"", |r| {
        r.config.scripts.post_get_sources_script == "date"
    }),
    (RUNNER, "pre_clone_script", "\"date\"", |r| r.config.scripts.pre_get_sources_script == "date"),
    (RUNNER, "post_clone_script", "\"date\"\npost_get_sources_script = \"id\"", |r| {
        r.config.scripts.post_get_sources_script == "id"
    }),
    (RUNNER, "pre_build_script", "\"\"\"a\r\nb\"\"\"", |r| {
        r.config.scripts.pre_build_script == "a\nb"
    }),
    (RUNNER, "post_build_script", "\"date\"", |r| r.config.scripts.post_build_script == "date"),
    (DOCKER, "host", "\"unix:///srv/e.sock\"", |r| {
        let guarded: Vec<_> = r.config.policy.engine_sockets.iter().map(HostPath::as_str).collect();
        r.endpoint.host.as_deref() == Some("unix:///srv/e.sock") && guarded == ["/srv/e.sock"]
    }),
    (DOCKER, "tls_cert_path", "\"/certs\"", |r| {
        r.endpoint.tls_cert_path.as_deref() == Some("/certs".as_ref())
    }),
    (DOCKER, "tls_verify", "true", |r| r.endpoint.tls_verify),
    (DOCKER, "image", "\"alpine:3\"", |r| {
        image(r.config.images.default.as_ref()) == Some("alpine:3")
    }),
    (DOCKER, "helper_image", "\"helper:1\"", |r| {
        image(r.config.images.helper.as_ref()) == Some("helper:1")
    }),
    (DOCKER, "pull_policy", "\"always\"", |r| {
        r.config.images.pull_policies == [PullPolicy::Always] && r.notes.is_empty()
    }),
    (DOCKER, "pull_policy", "[\"never\", \"always\"]", |r| {
        r.config.images.pull_policies == [PullPolicy::Never, PullPolicy::Always]
    }),
    (DOCKER, "allowed_pull_policies", "[\"if-not-present\", \"never\"]", |r| {
        r.config.images.allowed_pull_policies == [PullPolicy::IfNotPresent, PullPolicy::Never]
    }),
    (DOCKER, "allowed_images", "[\"a/*\", \"!a/b\"]", |r| {
        r.config.images.allowed_images == ["a/*", "!a/b"]
    }),
    (DOCKER, "allowed_services", "[\"redis:*\"]", |r| {
        r.config.images.allowed_services == ["redis:*"]
    }),
    (DOCKER, "allowed_privileged_images", "[\"docker:dind\"]", |r| {
        r.config.containers.privileged_images == ["docker:dind"]
            && r.config.services.privileged_images.is_empty()
    }),
    (DOCKER, "allowed_privileged_services", "[\"docker:dind\"]", |r| {
        r.config.services.privileged_images == ["docker:dind"]
            && r.config.containers.privileged_images.is_empty()
    }),
    (DOCKER, "disable_entrypoint_overwrite", "true", |r| r.config.containers.ignore_entrypoint),
    (DOCKER, "user", "\"1000:1000\"", |r| r.config.containers.user.as_deref() == Some("1000:1000")),
    (DOCKER, "allowed_users", "[\"a\", \"b\"]", |r| {
        r.config.containers.allowed_users == ["a", "b"]
    }),
    (DOCKER, "memory", "\"512m\"", |r| {
        let host = &r.config.containers.host;
        host.memory == Some(512 << 20)
            && host.memory_swap == Some(512 << 20)
            && r.config.services.host.memory.is_none()
    }),
    (DOCKER, "memory_swap", "\"1g\"\nmemory = \"512m\"", |r| {
        r.config.containers.host.memory_swap == Some(1 << 30)
    }),
    (DOCKER, "memory_swap", "\"-1\"\nmemory = \"512m\"", |r| {
        r.config.containers.host.memory_swap == Some(-1)
    }),
    (DOCKER, "memory_reservation", "\"128m\"", |r| {
        r.config.containers.host.memory_reservation == Some(128 << 20)
    }),
    (DOCKER, "oom_kill_disable", "true", |r| r.config.containers.host.oom_kill_disable),
    (DOCKER, "oom_score_adjust", "-500", |r| {
        r.config.containers.host.oom_score_adjust == Some(-500)
    }),
    (DOCKER, "shm_size", "300000", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.shm_size == Some(300_000))
    }),
    (DOCKER, "cpus", "\"1/2\"", |r| r.config.containers.host.nano_cpus == Some(500_000_000)),
    (DOCKER, "cpu_shares", "2048", |r| r.config.containers.host.cpu_shares == Some(2048)),
    (DOCKER, "cpuset_cpus", "\"0-1\"", |r| {
        r.config.containers.host.cpuset_cpus.as_deref() == Some("0-1")
    }),
    (DOCKER, "cpuset_mems", "\"0\"", |r| {
        r.config.containers.host.cpuset_mems.as_deref() == Some("0")
    }),
    (DOCKER, "cgroup_parent", "\"jobs.slice\"", |r| {
        r.config.containers.host.cgroup_parent.as_deref() == Some("jobs.slice")
    }),
    (DOCKER, "ulimit", "{ nofile = \"1024:2048\", core = \"0\" }", |r| {
        r.config.containers.host.ulimits
            == [Ulimit::new("nofile", 1024, 2048), Ulimit::new("core", 0, 0)]
    }),
    (DOCKER, "devices", "[\"/dev/kvm\"]", |r| {
        r.config.containers.host.devices == [Device::new("/dev/kvm")]
            && r.config.services.host.devices.is_empty()
    }),
    (DOCKER, "device_cgroup_rules", "[\"c 42:* rmw\"]", |r| {
        r.config.containers.host.device_cgroup_rules == ["c 42:* rmw"]
    }),
    (DOCKER, "gpus", "\"all\"", |r| {
        let requests = &r.config.containers.host.device_requests;
        requests.len() == 1 && requests[0].count == -1
    }),
    (DOCKER, "privileged", "true", |r| {
        r.config.containers.host.privileged && r.config.services.host.privileged
    }),
    (DOCKER, "cap_add", "[\"NET_ADMIN\"]", |r| r.config.containers.host.cap_add == ["NET_ADMIN"]),
    (DOCKER, "cap_drop", "[\"ALL\"]", |r| r.config.containers.host.cap_drop == ["ALL"]),
    (DOCKER, "security_opt", "[\"seccomp=/etc/profile.json\"]", |r| {
        r.config.containers.host.security_opt
            == ["no-new-privileges".to_owned(), format!("seccomp={PROFILE}")]
            && r.config.services.host.security_opt == ["no-new-privileges"]
    }),
    (DOCKER, "group_add", "[\"docker\"]", |r| r.config.containers.host.group_add == ["docker"]),
    (DOCKER, "userns_mode", "\"host\"", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.userns_mode.as_deref() == Some("host"))
    }),
    (DOCKER, "ipcmode", "\"shareable\"", |r| {
        r.config.containers.host.ipc_mode.as_deref() == Some("shareable")
            && r.config.services.host.ipc_mode.is_none()
    }),
    (DOCKER, "pid_mode", "\"host\"", |r| {
        r.config.containers.host.pid_mode.as_deref() == Some("host")
            && r.config.services.host.pid_mode.is_none()
    }),
    (DOCKER, "sysctls", "{ \"net.core.somaxconn\" = \"1024\" }", |r| {
        r.config.containers.host.sysctls.get("net.core.somaxconn").is_some_and(|v| v == "1024")
    }),
    (DOCKER, "runtime", "\"runsc\"", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.runtime.as_deref() == Some("runsc"))
    }),
    (DOCKER, "network_mode", "\"my-net\"", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.network_mode.as_deref() == Some("my-net"))
    }),
    (DOCKER, "enable_ipv6", "true", |r| r.config.network.ipv6),
    (DOCKER, "network_mtu", "1450", |r| r.config.network.mtu == Some(1450)),
    (DOCKER, "hostname", "\"builder-1\"", |r| {
        r.config.containers.hostname.as_deref() == Some("builder-1")
    }),
    (DOCKER, "mac_address", "\"92:d0:c6:0a:29:33\"", |r| {
        r.config.containers.mac_address.as_deref() == Some("92:d0:c6:0a:29:33")
    }),
    (DOCKER, "dns", "[\"192.0.2.1\"]", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.dns == ["192.0.2.1"])
    }),
    (DOCKER, "dns_search", "[\"example.org\"]", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.dns_search == ["example.org"])
    }),
    (DOCKER, "extra_hosts", "[\"db:[::1]\"]", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.extra_hosts == ["db:::1"])
    }),
    (DOCKER, "links", "[\"postgres:db\"]", |r| r.config.containers.host.links == ["postgres:db"]),
    (DOCKER, "container_labels", "{ team = \"$TEAM\" }", |r| {
        r.config.containers.labels.get("team").is_some_and(|value| value == "$TEAM")
    }),
    (DOCKER, "log_options", "{ env = \"CI_JOB_ID\" }", |r| {
        let options = r.config.containers.log_options.as_ref();
        options.and_then(|options| options.get("env")).is_some_and(|value| value == "CI_JOB_ID")
    }),
    (DOCKER, "volumes", "[\"/cache\", \"/h/$X:/d\"]", |r| {
        r.config.volumes == ["/cache", "/h/$X:/d"]
    }),
    (DOCKER, "disable_cache", "true", |r| r.config.policy.disable_cache),
    (DOCKER, "cache_dir", "\"/srv/cache\"", |r| {
        r.config.policy.cache_dir.as_ref().is_some_and(|path| path.as_str() == "/srv/cache")
    }),
    (DOCKER, "volume_driver", "\"nfs\"", |r| {
        r.config.policy.driver.name == "nfs"
            && r.config.containers.host.volume_driver.as_deref() == Some("nfs")
    }),
    (DOCKER, "volume_driver_ops", "{ size = \"1g\" }", |r| {
        let driver = &r.config.policy.driver;
        driver.name == "local" && driver.options.get("size").is_some_and(|size| size == "1g")
    }),
    (DOCKER, "volumes_from", "[\"data:ro\"]", |r| {
        r.config.containers.host.volumes_from == ["data:ro"]
            && r.config.services.host.volumes_from.is_empty()
    }),
    (DOCKER, "volume_keep", "true", |r| r.config.containers.keep_anonymous_volumes),
    (DOCKER, "tmpfs", "{ \"/tmp\" = \"rw,noexec\" }", |r| {
        r.config.containers.host.tmpfs.get("/tmp").is_some_and(|options| options == "rw,noexec")
            && r.config.services.host.tmpfs.is_empty()
    }),
    (DOCKER, "services_tmpfs", "{ \"/data\" = \"\", \"/x\" = \"rw\" }", |r| {
        r.config.services.host.tmpfs.len() == 2 && r.config.containers.host.tmpfs.is_empty()
    }),
    (DOCKER, "services", "[{ name = \"redis:7\" }, { name = \"db\" }]", |r| {
        let names: Vec<_> =
            r.config.services.definitions.iter().map(|s| s.image.name.as_str()).collect();
        names == ["redis:7", "db"]
    }),
    (DOCKER, "services_limit", "0", |r| r.config.services.limit == Some(0)),
    (DOCKER, "services_limit", "-1", |r| r.config.services.limit.is_none()),
    (DOCKER, "services_limit", "3", |r| r.config.services.limit == Some(3)),
    (DOCKER, "wait_for_services_timeout", "60", |r| {
        r.config.services.ready_timeout == Some(Duration::from_mins(1))
    }),
    (DOCKER, "wait_for_services_timeout", "-1", |r| r.config.services.ready_timeout.is_none()),
    (DOCKER, "services_privileged", "true", |r| {
        r.config.services.host.privileged && !r.config.containers.host.privileged
    }),
    (DOCKER, "services_privileged", "false\nprivileged = true", |r| {
        !r.config.services.host.privileged && r.config.containers.host.privileged
    }),
    (DOCKER, "services_security_opt", "[\"no-new-privileges:false\"]", |r| {
        r.config.services.host.security_opt == ["no-new-privileges=false"]
            && r.config.containers.host.security_opt == ["no-new-privileges"]
    }),
    (DOCKER, "services_devices", "{ \"redis:*\" = [\"/dev/a:/dev/b:r\"] }", |r| {
        let devices = r.config.services.devices.get("redis:*");
        devices.is_some_and(|devices| devices.len() == 1 && devices[0].container == "/dev/b")
    }),
    (DOCKER, "service_gpus", "\"2\"", |r| {
        let requests = &r.config.services.host.device_requests;
        requests.len() == 1
            && requests[0].count == 2
            && r.config.containers.host.device_requests.is_empty()
    }),
    (DOCKER, "service_memory", "\"1g\"", |r| {
        let host = &r.config.services.host;
        host.memory == Some(1 << 30)
            && host.memory_swap == Some(1 << 30)
            && r.config.containers.host.memory.is_none()
    }),
    (DOCKER, "service_memory_swap", "\"2g\"\nservice_memory = \"1g\"", |r| {
        r.config.services.host.memory_swap == Some(2 << 30)
    }),
    (DOCKER, "service_memory_reservation", "\"1k\"", |r| {
        r.config.services.host.memory_reservation == Some(1024)
    }),
    (DOCKER, "service_cpus", "\"0.25\"", |r| r.config.services.host.nano_cpus == Some(250_000_000)),
    (DOCKER, "service_cpu_shares", "512", |r| r.config.services.host.cpu_shares == Some(512)),
    (DOCKER, "service_cpuset_cpus", "\"3\"", |r| {
        r.config.services.host.cpuset_cpus.as_deref() == Some("3")
    }),
    (DOCKER, "service_cgroup_parent", "\"s.slice\"", |r| {
        r.config.services.host.cgroup_parent.as_deref() == Some("s.slice")
    }),
    (SERVICE, "name", "\"registry.example:5000/team/db:1\"", |r| {
        let [service] = r.config.services.definitions.as_slice() else { return false };
        service.image.name.as_str() == "registry.example:5000/team/db:1"
    }),
    (SERVICE, "alias", "\"db, pg postgres\"", |r| {
        r.config.services.definitions.iter().any(|s| s.aliases == ["db", "pg", "postgres"])
    }),
    (SERVICE, "command", "[\"serve\", \"\"]", |r| {
        r.config.services.definitions.iter().any(|s| s.command == ["serve", ""])
    }),
    (SERVICE, "entrypoint", "[\"/init\"]", |r| {
        r.config.services.definitions.iter().any(|s| s.image.entrypoint == ["/init"])
    }),
    (SERVICE, "environment", "[\"PASSWORD=x\"]", |r| {
        r.config
            .services
            .definitions
            .iter()
            .any(|s| s.variables.len() == 1 && s.variables[0].value() == "x")
    }),
    (BERTH, "pids_limit", "100", |r| {
        [&r.config.containers.host, &r.config.services.host]
            .iter()
            .all(|host| host.pids_limit == Some(100))
    }),
    (BERTH, "stop_grace", "\"3s\"", |r| r.config.stop_grace == Duration::from_secs(3)),
    (BERTH, "cleanup_deadline", "\"5m\"", |r| r.config.cleanup_deadline == Duration::from_mins(5)),
    (BERTH, "after_script_timeout", "\"1m\"", |r| {
        r.config.after_script_timeout == Duration::from_mins(1)
    }),
    (BERTH, "pull_stall_timeout", "\"2m\"", |r| {
        r.config.images.stall_timeout == Duration::from_mins(2)
    }),
    (BERTH, "allow_host_paths", "true", |r| r.config.policy.allow_host_paths),
    (BERTH, "allow_engine_socket", "true", |r| r.config.policy.allow_engine_socket),
    (BERTH, "allow_host_options", "true", |r| r.config.policy.allow_host_options),
    (BERTH, "allow_named_volumes", "false", |r| !r.config.policy.allow_named_volumes),
];

/// Keys that are read and accept nothing that would change a setting.
const WITHOUT_SETTING: [(&str, &str); 4] =
    [("", "runners"), (RUNNER, "executor"), (RUNNER, "shell"), (DOCKER, "isolation")];

#[test]
fn each_key_that_is_read_does_what_it_says() {
    let without = read(&in_section(DOCKER, "")).unwrap();
    for (section, key, value, holds) in CASES {
        let read = read(&in_section(section, &format!("{key} = {value}")));
        let read = read.unwrap_or_else(|error| panic!("{section}.{key} = {value}: {error}"));
        assert!(holds(&read), "{section}.{key} = {value}: {read:#?}");
        assert!(!holds(&without), "{section}.{key} holds without it");
    }
}

#[test]
fn no_key_that_is_read_is_without_a_case() {
    for (section, key) in all_keys() {
        if matches!(key.treatment, Treatment::Supported(_) | Treatment::Sections(..)) {
            let has_case = CASES.iter().any(|(of, name, ..)| (*of, *name) == (section, key.name));
            let has_none = WITHOUT_SETTING.contains(&(section, key.name));
            assert!(has_case != has_none, "{}", path(section, key.name));
        }
    }
}
