//! Whole plans, as files that a reviewer reads: a plan's written form is public.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use docker_api_trait::ImageReference;
use executor::{
    Command, ExecutorConfig, JobSpec, RunContext, ServiceSpec, StepSpec, Trust, Variable,
    docker_commands,
    job::{BuildSpec, CacheSpec, StepWhen},
    plan_for_remote_engine as plan,
};
use volume_manager::BuildStrategy;

fn image(name: &str) -> ImageReference {
    name.parse().unwrap()
}

fn script(text: &str) -> Command {
    Command::script(text).unwrap()
}

fn context() -> RunContext {
    RunContext::new("0123456789abcdef0123456789abcdef", "test", SystemTime::UNIX_EPOCH)
}

/// A job that has one of everything.
fn full() -> (JobSpec, ExecutorConfig) {
    let mut archive = StepSpec::new("archive", script("tar c out")).in_helper();
    archive.when = StepWhen::Always;
    let steps = [
        StepSpec::new("fetch", script("git fetch")).in_helper(),
        StepSpec::new("build", script("make")),
        archive,
    ];
    let mut job = JobSpec::with_steps("group/app", Trust::Trusted, image("node:22"), steps);
    "42".clone_into(&mut job.id);
    job.reference = Some("main".to_owned());
    job.working_directory = Some("/builds/app".to_owned());
    job.build = Some(BuildSpec::new("/builds/app", BuildStrategy::Fetch));
    job.volumes = vec!["/cache".to_owned(), "data:/data:ro".to_owned()];
    job.caches = vec![CacheSpec::new("deps", ["node_modules".to_owned()])];
    job.variables = vec![
        Variable::new("CI", "true").unwrap(),
        Variable::new("TOKEN", "s3cret").unwrap().masked(),
        Variable::new("KEY", "content").unwrap().file(),
    ];
    job.services = vec![ServiceSpec::new(image("redis:7")).with_alias("cache")];
    job.after_script = Some(script("date"));
    job.timeout = Some(Duration::from_hours(1));
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.memory = Some(1 << 30);
    config.images.helper = Some(image("helper:1").into());
    (job, config)
}

#[test]
fn the_plan_of_a_job_that_has_everything() {
    let (job, config) = full();
    insta::assert_json_snapshot!(plan(&job, &config, &context()).unwrap());
}

#[test]
fn the_plan_of_the_smallest_job() {
    let job = JobSpec::new("app", Trust::Trusted, image("busybox"), script("true"));
    insta::assert_json_snapshot!(plan(&job, &ExecutorConfig::new("ci"), &context()).unwrap());
}

#[test]
fn the_docker_lines_of_a_job_that_has_everything() {
    let (job, config) = full();
    let plan = plan(&job, &config, &context()).unwrap();
    let lines: Vec<_> = docker_commands(&plan).iter().map(ToString::to_string).collect();
    assert!(!lines.concat().contains("s3cret"));
    insta::assert_json_snapshot!(lines);
}
