//! Files in the shapes that installations have. The names and addresses in them are made up.

use super::fixture::{read, read_named};
use crate::{
    config::file::{ConfigError, ConfigNote, ConfigNoteKind, RunnerConfig},
    host::plan,
    job::{Command, JobSpec, Variable},
    plan::RunContext,
};
use volume_manager::Trust;

/// A file: its name, its text, and its notes but those about the process that fetches jobs.
type Shape = (&'static str, &'static str, &'static [&'static str]);

macro_rules! shape {
    ($name:literal, [$($note:literal),* $(,)?]) => {
        ($name, include_str!(concat!("shapes/", $name, ".toml")), &[$($note),*])
    };
}

const SHAPES: &[Shape] = &[
    shape!("autoscaler", ["docker.pull_policy", "executor", "autoscaler"]),
    shape!("beside_kubernetes", ["docker.pull_policy", "feature_flags", "kubernetes"]),
    shape!("devices_of_the_host", ["docker.pull_policy"]),
    shape!("docker_in_docker", ["feature_flags"]),
    shape!("documentation_example", ["docker.pull_policy", "clone_url"]),
    shape!("graphics_processors", ["docker.pull_policy"]),
    shape!(
        "helper_image_of_the_version",
        ["! docker.image", "! docker.helper_image", "docker.helper_image_flavor"]
    ),
    shape!("machines_on_aws", ["docker.pull_policy", "executor", "cache", "machine"]),
    shape!("metrics_and_referees", ["docker.pull_policy"]),
    shape!(
        "mistaken_keys",
        [
            "! checkinterval -> check_interval",
            "! registration-token",
            "docker.pull_policy",
            "! tag_list",
            "! locked",
            "! maintenance_note",
            "! docker_image",
            "! docker.tls-verify -> tls_verify",
            "! docker.pull-policy -> pull_policy",
            "! docker.volume -> volumes",
            "! docker.network",
            "! docker.ports",
            "! docker.restart",
            "! docker.privilege -> privileged",
            "! docker.extra_host -> extra_hosts",
            "! dockers -> docker"
        ]
    ),
    shape!(
        "names_in_another_case",
        [
            "Concurrent -> concurrent",
            "Name -> name",
            "URL -> url",
            "Token -> token",
            "Executor -> executor",
            "Docker -> docker",
            "docker.Image -> image",
            "docker.Privileged -> privileged",
            "docker.Volumes -> volumes",
            "docker.Pull_Policy -> pull_policy"
        ]
    ),
    shape!("object_store_cache", ["cache_dir", "cache"]),
    shape!("podman_socket", ["docker.pull_policy", "feature_flags"]),
    shape!("proxies_and_scripts", ["docker.pull_policy", "shell"]),
    shape!("registered_2018", ["docker.pull_policy"]),
    shape!("registered_2024", ["docker.pull_policy"]),
    shape!("relative_cache_and_socket", ["docker.pull_policy", "! docker.cache_dir"]),
    shape!(
        "runner_19",
        [
            "docker.pull_policy",
            "get_sources_timeout",
            "safe_directory_checkout",
            "clean_git_config",
            "debug_trace_disabled",
            "step_runner_image",
            "artifact",
            "experimental",
            "instance",
            "docker.service_slot_cgroup_template",
            "! docker.future_option"
        ]
    ),
    shape!(
        "several_executors_misplaced_keys",
        [
            "docker.pull_policy",
            "! network_mode -> runners.docker.network_mode",
            "! privileged -> runners.docker.privileged",
            "! tags",
            "! run_untagged"
        ]
    ),
    shape!("shared_package_caches", ["docker.pull_policy", "custom_build_dir"]),
    shape!("systemd_images", ["docker.pull_policy"]),
    shape!(
        "tables_of_all_executors",
        ["docker.pull_policy", "! disable_verbose", "virtualbox", "! network"]
    ),
    shape!("template_with_empty_values", []),
];

/// The note as the table has it. Warnings have an exclamation mark.
fn shown(note: &ConfigNote) -> String {
    let mark = if note.kind.is_warning() { "! " } else { "" };
    let key = note.key.strip_prefix("runners.").unwrap_or(&note.key);
    match &note.suggestion {
        Some(suggestion) => format!("{mark}{key} -> {suggestion}"),
        None => format!("{mark}{key}"),
    }
}

fn notes(runner: &RunnerConfig) -> Vec<String> {
    let notes = runner.notes.iter().filter(|note| note.kind != ConfigNoteKind::Process);
    notes.map(shown).collect()
}

fn read_shape(name: &str, text: &str) -> RunnerConfig {
    read(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn files_of_installations_load_with_the_notes_of_the_table() {
    for (name, text, expected) in SHAPES {
        let runner = read_shape(name, text);
        assert_eq!(notes(&runner), *expected, "{name}");
        let has_warning = expected.iter().any(|note| note.starts_with('!'));
        assert_eq!(runner.check_strict().is_err(), has_warning, "{name}");
    }
    assert!(SHAPES.len() >= 20, "{}", SHAPES.len());
}

#[test]
fn files_of_installations_can_run_a_job() {
    for (name, text, _) in SHAPES {
        let mut config = read_shape(name, text).config;
        // Some mount an engine's socket, which a person has to allow.
        config.policy.allow_engine_socket = true;
        let script = Command::script("true").unwrap();
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let mut job = JobSpec::new("app", Trust::Trusted, image, script);
        job.variables =
            [("CI_PROJECT_ID", "7"), ("CI_COMMIT_REF_SLUG", "main"), ("CI_JOB_ID", "1")]
                .map(|(name, value)| Variable::new(name, value).unwrap())
                .to_vec();
        let context = RunContext::new("0".repeat(32), "test", std::time::SystemTime::UNIX_EPOCH);
        if let Err(error) = plan(&job, &config, &context) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn files_of_installations_load_as_windows_writes_them() {
    for (name, text, expected) in SHAPES {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let runner = read_shape(name, &text);
        assert_eq!(notes(&runner), *expected, "{name}");
        let scripts = &runner.config.scripts;
        for script in [&scripts.pre_get_sources_script, &scripts.post_build_script] {
            assert!(!script.contains('\r'), "{name}");
        }
    }
}

#[test]
fn a_file_of_several_runners_is_read_by_name_too() {
    let (_, text, _) = SHAPES.iter().find(|shape| shape.0.starts_with("several")).unwrap();
    assert_eq!(read_named(text, "ruby").unwrap().name, "ruby");
    assert!(matches!(read_named(text, "shell"), Err(ConfigError::Value { .. })));
}
