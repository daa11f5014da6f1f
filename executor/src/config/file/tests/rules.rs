//! What holds between keys, and what holds without any.

use super::fixture::{PROFILE, docker, in_section, read};
use crate::{
    config::{
        ExecutorConfig,
        file::{
            ConfigError, ConfigNote, ConfigNoteKind, RunnerConfig, RunnerSelection, read_config,
        },
    },
    image::PullPolicy,
};

/// The key that an error is about.
fn refused(lines: &str) -> String {
    match read(&docker(lines)) {
        Err(error @ ConfigError::Value { .. }) => {
            assert!(error.hint().len() > 5, "{error}");
            let ConfigError::Value { key, .. } = error else { unreachable!() };
            key
        }
        other => panic!("{lines}: {other:?}"),
    }
}

#[test]
fn integers_are_written_as_toml_has_them() {
    for (written, expected) in [("67_108_864", 67_108_864), ("0x10", 16), ("+5", 5), ("0b11", 3)] {
        let read = read(&docker(&format!("shm_size = {written}"))).unwrap();
        assert_eq!(read.config.containers.host.shm_size, Some(expected), "{written}");
    }
}

#[test]
fn a_file_that_says_nothing_has_the_defaults() {
    let read = read(&docker("")).unwrap();
    assert_eq!(format!("{:?}", read.config), format!("{:?}", ExecutorConfig::new("me")));
    assert_eq!(read.config.containers.host.security_opt, ["no-new-privileges"]);
    assert_eq!(read.config.services.host.pids_limit, Some(4096));
}

#[test]
fn empty_values_are_as_if_they_were_not_there() {
    let lines = "tls_verify = false\nimage = \"\"\nmemory = \"\"\nmemory_swap = \"0\"\nprivileged = false\n\
                 shm_size = 0\nnetwork_mtu = 0\nvolumes = []\npull_policy = \"\"\ncpus = \"0\"\n\
                 cpu_shares = 0\noom_score_adjust = 0\nhelper_image_flavor = \"\"\ntmpfs = {}\n\
                 wait_for_services_timeout = 0\nisolation = \"\"\n\
                 gpus = \"\"\nlog_options = {}";
    let text = format!(
        "concurrent = 0\n{}[runners.cache]\n[runners.cache.s3]\n[runners.cache.gcs]\n[runners.custom_build_dir]\n",
        docker(lines)
    );
    let read = read(&text).unwrap();
    assert_eq!(format!("{:?}", read.config), format!("{:?}", ExecutorConfig::new("me")));
    let keys: Vec<_> = read.notes.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(keys, ["runners.docker.pull_policy"]);
}

#[test]
fn an_empty_search_domain_reaches_the_engine() {
    // GitLab's own example; the engine then searches no domain of the host's.
    let config = read(&docker("dns_search = [\"\"]")).unwrap().config;
    for host in [config.containers.host, config.services.host] {
        assert_eq!(host.dns_search, [""]);
    }
}

#[test]
fn swap_goes_with_memory() {
    let host = |lines: &str| read(&docker(lines)).unwrap().config.containers.host;
    assert_eq!(host("memory = \"1g\"").memory_swap, Some(1 << 30));
    assert_eq!(host("memory = \"1g\"\nmemory_swap = \"0\"").memory_swap, Some(1 << 30));
    assert_eq!(host("memory_reservation = \"1g\"").memory_swap, None);
    assert_eq!(refused("memory_swap = \"1g\""), "runners.docker.memory_swap");
    assert_eq!(refused("memory_swap = \"-1\""), "runners.docker.memory_swap");
    assert_eq!(refused("memory_swap = \"1g\"\nmemory = \"2g\""), "runners.docker.memory_swap");
    let reservation = "memory = \"1g\"\nmemory_reservation = \"2g\"";
    assert_eq!(refused(reservation), "runners.docker.memory_reservation");
    let services = "memory = \"1g\"\nservice_memory_swap = \"2g\"";
    assert_eq!(refused(services), "runners.docker.service_memory_swap");
}

#[test]
fn the_pull_policy_is_one_that_is_allowed() {
    let policies = |lines: &str| read(&docker(lines)).unwrap().config.images.pull_policies;
    assert_eq!(policies("allowed_pull_policies = [\"always\", \"never\"]"), [PullPolicy::Always]);
    let some = "pull_policy = [\"never\", \"always\"]\nallowed_pull_policies = [\"always\"]";
    assert_eq!(policies(some), [PullPolicy::Never, PullPolicy::Always]);
    let none = "pull_policy = \"never\"\nallowed_pull_policies = [\"always\"]";
    assert_eq!(refused(none), "runners.docker.allowed_pull_policies");
}

#[test]
fn a_pull_policy_that_is_not_given_is_noted_as_another_than_gitlabs() {
    let read = read(&docker("")).unwrap();
    let [note] = read.notes.as_slice() else { panic!("{:?}", read.notes) };
    assert_eq!(
        (note.key.as_str(), note.kind),
        ("runners.docker.pull_policy", ConfigNoteKind::Differs)
    );
}

#[test]
fn security_options_are_merged_with_the_default() {
    let options = |lines: &str| read(&docker(lines)).unwrap().config.containers.host.security_opt;
    assert_eq!(options("security_opt = [\"apparmor=x\"]"), ["no-new-privileges", "apparmor=x"]);
    let off = "security_opt = [\"no-new-privileges:false\", \"label=disable\"]";
    assert_eq!(options(off), ["no-new-privileges=false", "label=disable"]);
    let inline = format!("security_opt = ['seccomp={PROFILE}']");
    assert_eq!(options(&inline)[1], format!("seccomp={PROFILE}"));
}

#[test]
fn a_seccomp_profile_that_cannot_be_read_is_an_error() {
    match read(&docker("security_opt = [\"seccomp=/none.json\"]")) {
        Err(ConfigError::File { key, line: 4, path, .. }) => {
            assert_eq!((key.as_str(), path), ("runners.docker.security_opt", "/none.json".into()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        refused("security_opt = [\"seccomp=/etc/broken.json\"]"),
        "runners.docker.security_opt"
    );
}

#[test]
fn volumes_without_variables_are_read_at_once() {
    for spec in ["relative", "/", "/a:/b:T", "", "/proc"] {
        let read = read(&docker(&format!("volumes = [\"/ok\", \"{spec}\"]")));
        match read {
            Err(ConfigError::Volume { key, line: 4, column: 19, .. }) => {
                assert_eq!(key, "runners.docker.volumes");
            }
            other => panic!("{spec}: {other:?}"),
        }
    }
    assert!(read(&docker("volumes = [\"$HOME/x:/y\", \"/var/run/docker.sock:/s\"]")).is_ok());
    let system =
        "volumes = [\"/sys/fs/cgroup:/sys/fs/cgroup:ro\", \"/dev/shm:/dev/shm\", \"/dev:/dev\"]";
    assert_eq!(read(&docker(system)).unwrap().config.volumes.len(), 3);
}

#[test]
fn settings_of_jobs_beside_the_configurations_own_volumes_stay_strict() {
    let policy = read(&docker("volumes = [\"/srv:/srv\"]")).unwrap().config.policy;
    assert!(!policy.allow_host_paths);
}

#[test]
fn values_with_no_meaning_are_refused_by_key() {
    for (key, value) in [
        ("memory", "\"12x\""),
        ("memory", "\"-512m\""),
        ("service_memory", "\"hello\""),
        ("memory_reservation", "\"9223372036854775808\""),
        ("shm_size", "-1"),
        ("cpus", "\"1/0\""),
        ("cpu_shares", "-5"),
        ("cpuset_cpus", "\"a\""),
        ("oom_score_adjust", "1001"),
        ("oom_score_adjust", "99999999999999999999"),
        ("image", "\"../x\""),
        ("helper_image", "\"a b\""),
        ("pull_policy", "\"sometimes\""),
        ("pull_policy", "[\"always\", \"\"]"),
        ("allowed_pull_policies", "[\"allways\"]"),
        ("allowed_images", "[\"\"]"),
        ("dns", "[\"dns.example\"]"),
        ("dns_search", "[\"a b\"]"),
        ("extra_hosts", "[\"db=\"]"),
        ("extra_hosts", "[\"db\"]"),
        ("links", "[\"a:b:c\"]"),
        ("mac_address", "\"12:34\""),
        ("network_mode", "\"container:\""),
        ("network_mtu", "70000"),
        ("network_mtu", "-1"),
        ("pid_mode", "\"shareable\""),
        ("ipcmode", "\"hosts\""),
        ("isolation", "\"hyperv\""),
        ("isolation", "\"process\""),
        ("devices", "[\"/a:/b:r:w\"]"),
        ("device_cgroup_rules", "[\"x\"]"),
        ("gpus", "\"many\""),
        ("service_gpus", "\"0\""),
        ("cap_add", "[\"NET-ADMIN\"]"),
        ("security_opt", "[\"nothing\"]"),
        ("services_security_opt", "[\"seccomp={\"]"),
        ("hostname", "\"a b\""),
        ("cache_dir", "\"/\\n\""),
        ("services_limit", "-2"),
        ("services", "[{ alias = \"x\" }]"),
        ("volumes_from", "[\"a:z\"]"),
        ("user", "\"a b\""),
        ("host", "\"unix:// x\""),
        ("container_labels.\"dev.berth.kind\"", "\"cache\""),
        ("log_options.max-size", "\"1m\""),
        ("ulimit.nofile", "\"2:1\""),
        ("sysctls.\"a b\"", "\"1\""),
        ("tmpfs.relative", "\"rw\""),
        ("services_devices.redis", "[\"x\"]"),
    ] {
        let (line, expected) = (format!("{key} = {value}"), key.split('.').next().unwrap());
        let refused = refused(&line);
        assert!(refused.starts_with(&format!("runners.docker.{expected}")), "{line}: {refused}");
    }
}

#[test]
fn values_of_other_tables_are_refused_by_key() {
    for (section, line) in [
        ("runners", "builds_dir = \"relative\""),
        ("runners", "builds_dir = \"/\""),
        ("runners", "output_limit = -1"),
        ("runners", "prepare_timeout = \"soon\""),
        ("runners", "shell = \"pwsh\""),
        ("runners", "environment = [\"no equals sign\"]"),
        ("runners.docker.services", "name = \"$SERVICE\""),
        ("runners.berth", "pids_limit = 0"),
        ("runners.berth", "pids_limit = -2"),
        ("runners.berth", "stop_grace = \"10\""),
    ] {
        let name = line.split(' ').next().unwrap();
        match read(&in_section(section, line)) {
            Err(ConfigError::Value { key, .. }) => assert_eq!(key, format!("{section}.{name}")),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_limit_that_would_not_hold_is_refused() {
    match read(&in_section("runners", "use_slot_cgroups = true")) {
        Err(ConfigError::Unsupported { key, line: 3, .. }) => {
            assert_eq!(key, "runners.use_slot_cgroups");
        }
        other => panic!("{other:?}"),
    }
}

/// The only warning of a file with this line in `[runners.docker]`.
fn warning(line: &str) -> (RunnerConfig, ConfigNote) {
    let runner = read(&docker(line)).unwrap();
    let warnings: Vec<_> = runner.notes.iter().filter(|note| note.kind.is_warning()).collect();
    let [note] = warnings[..] else { panic!("{line}: {warnings:?}") };
    let note = note.clone();
    assert_eq!((note.kind, note.line), (ConfigNoteKind::Unsupported, 4), "{line}");
    assert!(matches!(runner.check_strict(), Err(ConfigError::Strict { .. })));
    (runner, note)
}

#[test]
fn images_with_variables_are_left_out_with_a_warning() {
    for version in
        ["${CI_RUNNER_VERSION}", "$CI_RUNNER_REVISION", "x86_64-v$CI_RUNNER_SHORT_VERSION"]
    {
        let (runner, note) =
            warning(&format!("helper_image = \"registry.example/helper:{version}\""));
        assert_eq!(note.key, "runners.docker.helper_image");
        assert!(runner.config.images.helper.is_none());
        let (runner, note) = warning(&format!("image = \"registry.example/base:{version}\""));
        assert_eq!(note.key, "runners.docker.image");
        assert!(runner.config.images.default.is_none());
    }
}

#[test]
fn a_relative_cache_directory_is_below_the_working_directory() {
    let text = docker("cache_dir = \"cache\"");
    let selection = RunnerSelection::new("me").in_directory("/srv/runner");
    let runner = read_config(&text, &selection, &|_| unreachable!()).unwrap();
    let path = runner.config.policy.cache_dir.as_ref().unwrap();
    assert_eq!(path.as_str(), "/srv/runner/cache");
    let note = runner.notes.iter().find(|note| note.key == "runners.docker.cache_dir").unwrap();
    assert_eq!(note.kind, ConfigNoteKind::Differs);
    assert!(note.text.contains("/srv/runner/cache"), "{note}");
    let (runner, _) = warning("cache_dir = \"cache\"");
    assert!(runner.config.policy.cache_dir.is_none());
}
