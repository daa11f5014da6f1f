//! Keys of `[[runners]]`.

use super::{Key, berth::BERTH, docker::DOCKER};
use crate::config::file::{
    ConfigNoteKind,
    key::Kind,
    text::{self, Problem},
};
use volume_manager::{ContainerPath, OperatingSystem, PathProblem};

/// What may be in `executor`.
pub(in super::super) const EXECUTOR: &str =
    "executor = \"docker\", docker+machine or docker-autoscaler";

const OTHER_EXECUTOR: &str = "is for another executor";
const MACHINES: &str = "machines are not made here: all jobs run on the one engine";
const FLAGS: &str = "GitLab Runner's flags have no effect here; docs/configuration.md has what is \
                     done in their places";
const EXPERIMENTAL: &str = "experiments of GitLab Runner are not carried out here";
const GIT: &str = "fetching the sources is a step of the job here";
const CACHE: &str = "caches are volumes here, not archives";

/// For the process that fetches jobs.
pub(super) const PROCESS: &[Key] = &[
    Key::process("url", Kind::Text),
    Key::process("id", Kind::Integer),
    Key::process("token", Kind::Text).secret(),
    Key::process("token_obtained_at", Kind::Moment),
    Key::process("token_expires_at", Kind::Moment),
    Key::process("tls-ca-file", Kind::Text),
    Key::process("tls-cert-file", Kind::Text),
    Key::process("tls-key-file", Kind::Text),
    Key::process("tls-skip-verify", Kind::Boolean),
    Key::process("limit", Kind::Integer),
    Key::process("request_concurrency", Kind::Integer),
    Key::process("strict_check_interval", Kind::Boolean),
    Key::process("unhealthy_requests_limit", Kind::Integer),
    Key::process("unhealthy_interval", Kind::Text),
    Key::process("job_status_final_update_retry_limit", Kind::Integer),
    Key::process("labels", Kind::TextTable),
    Key::process("monitoring", Kind::Table),
    Key::process("referees", Kind::Table),
];

/// What is read.
pub(super) const KEYS: &[Key] = &[
    Key::supported("name", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.runner.name);
        Ok(())
    }),
    Key::supported("executor", Kind::Text, |draft, item| match item.text()? {
        "docker" => Ok(()),
        "docker+machine" | "docker-autoscaler" => {
            draft.note(item, ConfigNoteKind::Differs, MACHINES);
            Ok(())
        }
        "docker-windows" => Err(item.invalid(&Problem::new("runs Windows containers", EXECUTOR))),
        _ => Err(item.invalid(&Problem::new("is no Docker executor", EXECUTOR))),
    }),
    Key::supported("builds_dir", Kind::Text, |draft, item| {
        let path = item.read(|path| {
            ContainerPath::new(OperatingSystem::Linux, path).map_err(|problem: PathProblem| {
                Problem::new(problem.to_string(), "an absolute path in the container: /builds")
            })
        })?;
        draft.runner.builds_dir = Some(path);
        Ok(())
    }),
    Key::supported("environment", Kind::Texts, |draft, item| {
        draft.config().variables = item.read_all(text::variable)?;
        Ok(())
    })
    .secret(),
    Key::supported("shell", Kind::Text, |draft, item| match item.text()? {
        "sh" => Ok(()),
        "bash" => {
            let text = "scripts are run by the image's sh; GitLab Runner prefers its bash";
            draft.note(item, ConfigNoteKind::Differs, text);
            Ok(())
        }
        _ => Err(item.invalid(&Problem::new("is no shell that is supported", "sh, or nothing"))),
    }),
    // In KiB, as GitLab Runner counts it.
    Key::supported("output_limit", Kind::Integer, |draft, item| {
        let expected = "a number of KiB, or 0 for no limit";
        let kib: u64 = item.integer_in(0..=i64::MAX / 1024, expected)?;
        draft.config().log_limit = (kib > 0).then_some(kib * 1024);
        Ok(())
    }),
    Key::supported("prepare_timeout", Kind::Text, |draft, item| {
        let time = item.read(text::time)?;
        draft.config().prepare_timeout = (!time.is_zero()).then_some(time);
        Ok(())
    }),
    Key::supported("pre_get_sources_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.config().scripts.pre_get_sources_script);
        Ok(())
    })
    .secret(),
    Key::supported("post_get_sources_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.config().scripts.post_get_sources_script);
        Ok(())
    })
    .secret(),
    Key::supported("pre_clone_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.old_scripts.pre_clone);
        Ok(())
    })
    .secret(),
    Key::supported("post_clone_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.old_scripts.post_clone);
        Ok(())
    })
    .secret(),
    Key::supported("pre_build_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.config().scripts.pre_build_script);
        Ok(())
    })
    .secret(),
    Key::supported("post_build_script", Kind::Text, |draft, item| {
        item.text()?.clone_into(&mut draft.config().scripts.post_build_script);
        Ok(())
    })
    .secret(),
    Key::section("docker", DOCKER),
    Key::section("berth", BERTH),
];

/// What has no place here.
pub(super) const OTHERS: &[Key] = &[
    Key::unused("cache_dir", Kind::Text, CACHE),
    Key::unused("cache", Kind::Table, CACHE),
    Key::unused("get_sources_timeout", Kind::Text, GIT),
    Key::unused("clone_url", Kind::Text, GIT),
    Key::unused("custom_build_dir", Kind::Table, GIT),
    Key::unused("safe_directory_checkout", Kind::Boolean, GIT),
    Key::unused("clean_git_config", Kind::Boolean, GIT),
    Key::unused("feature_flags", Kind::BooleanTable, FLAGS),
    Key::unused("proxy_exec", Kind::Boolean, "there is no helper binary here"),
    Key::unused("step_runner_image", Kind::Text, "there is no step runner here"),
    Key::unused("debug_trace_disabled", Kind::Boolean, "jobs have no debug trace here"),
    Key::refused(
        "use_slot_cgroups",
        Kind::Boolean,
        "jobs have no slots here, and so no control groups of their slots",
        "give all containers one control group with `cgroup_parent`",
    ),
    Key::unused("slot_cgroup_template", Kind::Text, "is only for use_slot_cgroups"),
    Key::unused("artifact", Kind::Table, "artifacts are copied out, not uploaded"),
    Key::unused("experimental", Kind::Table, EXPERIMENTAL),
    Key::unused("machine", Kind::Table, MACHINES),
    Key::unused("autoscaler", Kind::Table, MACHINES),
    Key::unused("instance", Kind::Table, OTHER_EXECUTOR),
    Key::unused("ssh", Kind::Table, OTHER_EXECUTOR),
    Key::unused("parallels", Kind::Table, OTHER_EXECUTOR),
    Key::unused("virtualbox", Kind::Table, OTHER_EXECUTOR),
    Key::unused("kubernetes", Kind::Table, OTHER_EXECUTOR),
    Key::unused("custom", Kind::Table, OTHER_EXECUTOR),
];
