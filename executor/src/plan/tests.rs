//! The decision, by examples.

use std::time::{Duration, SystemTime};

use docker_api_trait::{ImageReference, Input};
use volume_manager::{Mode, PlanError, Trust};

use super::{JobNote, JobPlan, NetworkPlan, Process, RunContext, plan_for_remote_engine as plan};
use crate::{
    config::ExecutorConfig,
    image::{AllowError, PullPolicy},
    job::{
        CacheMode, CacheSpec, Command, ContainerKind, ImageSpec, JobError, JobSpec, ServiceSpec,
        StepSpec, Variable,
    },
};

mod deadline;
mod operator;

fn image(name: &str) -> ImageReference {
    name.parse().unwrap()
}

fn script(text: &str) -> Command {
    Command::script(text).unwrap()
}

fn program(words: &[&str]) -> Command {
    Command::program(words.iter().map(|word| (*word).to_owned())).unwrap()
}

fn job() -> JobSpec {
    JobSpec::new("Group/App", Trust::Trusted, image("busybox"), script("make"))
}

fn context() -> RunContext {
    RunContext::new("0123456789abcdef0123456789abcdef", "test", SystemTime::UNIX_EPOCH)
}

fn planned_with(job: &JobSpec, config: &ExecutorConfig) -> Result<JobPlan, JobError> {
    plan(job, config, &context())
}

fn planned(job: &JobSpec) -> JobPlan {
    planned_with(job, &ExecutorConfig::new("ci")).unwrap()
}

fn refused(job: &JobSpec) -> JobError {
    planned_with(job, &ExecutorConfig::new("ci")).unwrap_err()
}

#[test]
fn equal_arguments_give_equal_plans() {
    assert_eq!(planned(&job()), planned(&job()));
}

#[test]
fn a_plan_that_was_written_and_read_is_the_same_plan() {
    let mut job = job();
    job.services = vec![ServiceSpec::new(image("redis")).with_alias("cache")];
    job.variables = vec![Variable::new("TOKEN", "s3cret").unwrap().masked()];
    job.volumes = vec!["/cache".to_owned()];
    job.after_script = Some(script("date"));
    let plan = planned(&job);
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<JobPlan>(&written).unwrap(), plan);
    let unknown = written.replacen("\"owner\"", "\"ownr\"", 1);
    assert!(serde_json::from_str::<JobPlan>(&unknown).is_err());
}

#[test]
fn a_plan_shows_no_secrets_in_debug_output() {
    let mut job = job();
    job.variables = vec![
        Variable::new("TOKEN", "s3cret").unwrap().masked(),
        Variable::new("KEY", "s3cret").unwrap().masked().file(),
    ];
    job.steps = vec![StepSpec::new("one", script("echo s3cret"))];
    assert!(!format!("{:?}", planned(&job)).contains("s3cret"));
}

#[test]
fn containers_are_named_after_project_and_run_and_labelled_from_birth() {
    let mut job = job();
    job.steps.push(StepSpec::new("fetch", script("git fetch")).in_helper());
    let plan = planned(&job);
    let names: Vec<_> = plan.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "berth-b1-group-app-0123456789abcdef0123456789abcdef",
            "berth-h1-group-app-0123456789abcdef0123456789abcdef",
        ]
    );
    let label = |key: &str| plan.containers[1].labels.get(key).map(String::as_str);
    assert_eq!(label("dev.berth.kind"), Some("helper"));
    assert_eq!(label("dev.berth.run"), Some("0123456789abcdef0123456789abcdef"));
}

#[test]
fn a_helper_is_only_made_for_a_step_that_asks_for_it() {
    assert_eq!(planned(&job()).containers.len(), 1);
    let mut job = job();
    job.steps.push(StepSpec::new("fetch", script(" ")).in_helper());
    let plan = planned(&job);
    assert_eq!((plan.containers.len(), plan.steps.len()), (1, 1), "an empty step costs nothing");
}

#[test]
fn a_script_is_in_no_request() {
    let mut job = job();
    job.steps = vec![StepSpec::new("one", script("echo hidden"))];
    job.variables = vec![Variable::new("TOKEN", "s3cret").unwrap().masked()];
    let container = &planned(&job).containers[0];
    let request = container.request(image("busybox"), Vec::new(), Input::Once);
    assert_eq!(request.entrypoint, ["sh"]);
    let text = format!("{request:?}");
    assert!(!text.contains("hidden") && !text.contains("s3cret"), "{text}");
}

#[test]
fn programs_get_a_container_each_and_no_shell() {
    let mut job = job();
    job.steps = vec![
        StepSpec::new("one", program(&["make", "all"])),
        StepSpec::new("two", program(&["make", "test"])),
    ];
    let plan = planned(&job);
    let words: Vec<_> = plan.containers.iter().map(|one| one.process.clone()).collect();
    let words_of = |words: [&str; 2]| Process::Program(words.map(ToOwned::to_owned).to_vec());
    assert_eq!(words, [words_of(["make", "all"]), words_of(["make", "test"])]);
    assert!(plan.containers[1].name.as_str().ends_with("-2"));
    job.steps.push(StepSpec::new("three", script("date")));
    let plan = planned(&job);
    assert!(matches!(plan.containers[..], [ref one] if matches!(one.process, Process::Shell(_))));
    assert_eq!(plan.steps[0].script, "'make' 'all'");
}

#[test]
fn a_secret_is_fed_to_a_shell_and_given_to_a_program() {
    let secret = || Variable::new("TOKEN", "s3cret").unwrap().masked();
    let mut job = job();
    job.variables = vec![secret(), Variable::new("A", "1").unwrap()];
    let plan = planned(&job);
    assert_eq!(plan.containers[0].environment, ["A=1"]);
    assert_eq!(plan.exports["TOKEN"].0, "s3cret");
    job.steps = vec![StepSpec::new("one", program(&["env"]))];
    assert_eq!(planned(&job).containers[0].environment, ["TOKEN=s3cret", "A=1"]);
}

#[test]
fn a_file_variable_holds_a_path() {
    let mut job = job();
    job.variables = vec![Variable::new("KEY", "content").unwrap().file()];
    let plan = planned(&job);
    assert_eq!(plan.containers[0].environment, ["KEY=/.berth/KEY"]);
    assert_eq!(plan.files["KEY"].0, "content");
    job.variables = vec![Variable::new("../KEY", "content").unwrap().file()];
    assert!(matches!(refused(&job), JobError::Variable { .. }));
}

#[test]
fn of_several_variables_with_one_name_the_last_counts_and_the_jobs_before_the_configurations() {
    let variable = |value: &str| Variable::new("A", value).unwrap();
    let mut config = ExecutorConfig::new("ci");
    config.variables = vec![variable("0")];
    let mut job = job();
    job.variables = vec![variable("1"), variable("2")];
    let plan = planned_with(&job, &config).unwrap();
    assert_eq!(plan.containers[0].environment, ["A=2"]);
}

#[test]
fn variables_are_put_into_volumes_caches_and_the_working_directory_and_never_recur() {
    let mut job = job();
    job.variables =
        vec![Variable::new("BRANCH", "main").unwrap(), Variable::new("LOOP", "$LOOP").unwrap()];
    job.working_directory = Some("/builds/$BRANCH".to_owned());
    job.volumes = vec!["node_modules".to_owned(), "/c/$LOOP".to_owned()];
    job.caches = vec![CacheSpec::new("deps-$BRANCH", ["/deps".to_owned()])];
    let plan = planned(&job);
    assert_eq!(plan.containers[0].working_directory.as_deref(), Some("/builds/main"));
    let mut destinations: Vec<_> =
        plan.volumes.volumes.iter().map(|volume| volume.destination.to_string()).collect();
    destinations.sort();
    assert_eq!(destinations, ["/builds/main/node_modules", "/c/$LOOP", "/deps"]);
    job.working_directory = Some("/builds/$TYPO".to_owned());
    let error = refused(&job);
    assert!(
        matches!(&error, JobError::UndefinedVariable { name, .. } if name == "TYPO"),
        "{error}"
    );
    job.working_directory = Some("builds".to_owned());
    assert!(matches!(refused(&job), JobError::WorkingDirectory { .. }));
}

#[test]
fn a_cache_to_pull_is_read_only_and_its_path_is_a_path() {
    let mut job = job();
    let mut cache = CacheSpec::new("deps", ["/deps".to_owned()]);
    cache.mode = CacheMode::Pull;
    job.caches = vec![cache];
    assert_eq!(planned(&job).volumes.volumes[0].mode, Mode::ReadOnly);
    job.caches[0].paths = vec!["data:/deps".to_owned()];
    assert!(matches!(refused(&job), JobError::CachePath { .. }));
}

#[test]
fn services_bring_a_network_and_secrets_stay_with_the_job() {
    assert_eq!(planned(&job()).network, NetworkPlan::None);
    let mut job = job();
    job.variables =
        vec![Variable::new("A", "1").unwrap(), Variable::new("TOKEN", "s3cret").unwrap().masked()];
    let mut database = ServiceSpec::new(image("team/db:1")).with_alias("db");
    database.variables = vec![Variable::new("PASSWORD", "$TOKEN").unwrap()];
    job.services = vec![database];
    let plan = planned(&job);
    let NetworkPlan::Own(network) = &plan.network else { panic!("{:?}", plan.network) };
    assert_eq!(network.labels["dev.berth.kind"], "network");
    assert_eq!(plan.services[0].aliases, ["db", "team__db", "team-db"]);
    assert_eq!(plan.services[0].environment, ["A=1", "PASSWORD=s3cret"]);
    assert_eq!(plan.services[0].network.as_ref(), Some(&network.name));
    assert_eq!(plan.containers[0].network.as_ref(), Some(&network.name));
}

#[test]
fn an_alias_belongs_to_the_first_and_a_service_without_one_is_left_out_with_a_note() {
    let mut job = job();
    job.services = vec![
        ServiceSpec::new(image("redis:7")),
        ServiceSpec::new(image("redis:6")),
        ServiceSpec::new(image("redis:5")).with_alias("old,build"),
    ];
    let plan = planned(&job);
    let titles: Vec<_> = plan.services.iter().map(|service| service.title.as_str()).collect();
    assert_eq!(titles, ["redis", "old"]);
    assert!(plan.notes.contains(&JobNote::ServiceLeftOut { service: "redis:6".to_owned() }));
    let taken = plan.notes.iter().filter(|note| matches!(note, JobNote::AliasTaken { .. }));
    assert_eq!(taken.count(), 3, "{:?}", plan.notes);
}

#[test]
fn how_services_are_reached_follows_from_the_network_mode() {
    let mut job = job();
    job.services = vec![ServiceSpec::new(image("redis"))];
    let network = |mode: &str| {
        let mut config = ExecutorConfig::new("ci");
        config.containers.host.network_mode = Some(mode.to_owned());
        planned_with(&job, &config)
    };
    assert_eq!(network("host").unwrap().network, NetworkPlan::Host);
    let bridge = network("bridge").unwrap();
    assert_eq!(bridge.network, NetworkPlan::Bridge);
    assert_eq!(bridge.services[0].host.network_mode.as_deref(), Some("bridge"));
    assert!(matches!(network("shop").unwrap().network, NetworkPlan::Named(_)));
    for mode in ["none", "container:x"] {
        let error = network(mode).unwrap_err();
        assert!(matches!(error, JobError::ServicesWithoutNetwork { .. }), "{mode}: {error}");
    }
}

#[test]
fn two_hundred_services_are_more_than_a_job_may_have() {
    let mut job = job();
    job.services = (0..200)
        .map(|number| ServiceSpec::new(image("redis")).with_alias(format!("r{number}")))
        .collect();
    let error = refused(&job);
    assert!(matches!(error, JobError::TooManyServices { services: 200, .. }), "{error}");
}

#[test]
fn images_users_and_pull_policies_are_held_against_their_lists() {
    let mut config = ExecutorConfig::new("ci");
    config.images.allowed_images = vec!["team/*".to_owned()];
    let error = planned_with(&job(), &config).unwrap_err();
    assert!(matches!(error, JobError::NotAllowed(AllowError::NotAllowed { .. })), "{error}");

    let mut config = ExecutorConfig::new("ci");
    config.containers.allowed_users = vec!["1000".to_owned()];
    let mut rooted = job();
    rooted.image.user = Some("root".to_owned());
    let error = planned_with(&rooted, &config).unwrap_err();
    assert!(matches!(error, JobError::NotAllowed(_)), "{error}");
    rooted.image.user = Some("1000".to_owned());
    assert_eq!(planned_with(&rooted, &config).unwrap().containers[0].user.as_deref(), Some("1000"));

    let mut never = job();
    never.image.pull_policies = vec![PullPolicy::Never];
    assert!(matches!(refused(&never), JobError::PullPolicy(_)));
}

#[test]
fn containers_are_safe_by_default_and_a_bound_on_memory_is_one_on_swap() {
    let host = &planned(&job()).containers[0].host;
    assert_eq!(host.security_opt, ["no-new-privileges"]);
    assert_eq!(host.pids_limit, Some(4096));
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.memory = Some(1 << 30);
    let plan = planned_with(&job(), &config).unwrap();
    assert_eq!(plan.containers[0].host.memory_swap, Some(1 << 30));
    let request = plan.containers[0].request(image("busybox"), Vec::new(), Input::Once);
    assert_eq!(request.log_driver.unwrap().as_str(), "none");
}

#[test]
fn privileges_are_for_the_images_that_are_named() {
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.privileged = true;
    config.containers.privileged_images = vec!["docker:*".to_owned()];
    let plan = planned_with(&job(), &config).unwrap();
    assert!(!plan.containers[0].host.privileged);
    assert!(plan.notes.contains(&JobNote::NotPrivileged { image: "busybox".to_owned() }));
    let mut dind = job();
    dind.image = image("docker:27").into();
    assert!(planned_with(&dind, &config).unwrap().containers[0].host.privileged);
}

#[test]
fn what_cannot_run_is_refused_before_anything_is_asked_of_an_engine() {
    let mut nameless = job();
    nameless.project = String::new();
    assert!(matches!(refused(&nameless), JobError::EmptyProject));
    let mut empty = job();
    empty.steps = vec![StepSpec::new("one", script("\n"))];
    assert!(matches!(refused(&empty), JobError::NothingToRun));
    for names in [["a", "a"], ["", "b"], ["after_script", "b"], ["a\n", "b"]] {
        let mut twice = job();
        twice.steps = names.map(|name| StepSpec::new(name, script("true"))).to_vec();
        assert!(matches!(refused(&twice), JobError::StepName { .. }), "{names:?}");
    }
    let mut host = job();
    host.volumes = vec!["/etc:/etc".to_owned()];
    assert!(matches!(refused(&host), JobError::Volumes(PlanError::HostPathRefused { .. })));
    host.volumes = vec!["etc".to_owned()];
    assert!(matches!(refused(&host), JobError::Spec(_)));
    let mut config = ExecutorConfig::new("ci");
    config.containers.labels.insert("dev.berth.owner".to_owned(), "x".to_owned());
    let error = planned_with(&job(), &config).unwrap_err();
    assert!(matches!(error, JobError::ReservedLabel { .. }), "{error}");
}

#[test]
fn what_the_configuration_mounts_is_not_held_against_the_policy() {
    let mut config = ExecutorConfig::new("ci");
    config.volumes = vec!["/srv/$BRANCH:/srv:ro".to_owned()];
    let mut job = job();
    (job.trust, job.variables) = (Trust::Untrusted, vec![Variable::new("BRANCH", "main").unwrap()]);
    let plan = planned_with(&job, &config).unwrap();
    let volumes = volume_manager::PreparedVolumes::unprepared(&plan.volumes);
    assert_eq!(volumes.volumes[0].name(), "/srv/main");
}

#[test]
fn the_helper_has_its_own_image_and_user() {
    let mut config = ExecutorConfig::new("ci");
    config.images.helper = Some(image("helper:1").into());
    config.containers.user = Some("1000".to_owned());
    let mut job = job();
    job.steps.push(StepSpec::new("fetch", script("git fetch")).in_helper());
    let plan = planned_with(&job, &config).unwrap();
    let helper = plan.containers.iter().find(|one| one.kind == ContainerKind::Helper).unwrap();
    assert_eq!((helper.image.reference.as_str(), &helper.user), ("helper:1", &None));
    assert_eq!(plan.containers[0].user.as_deref(), Some("1000"));
}

#[test]
fn a_job_cannot_get_round_the_lists_through_its_helper() {
    let mut config = ExecutorConfig::new("ci");
    config.images.allowed_images = vec!["team/*".to_owned()];
    let mut only_helper = job();
    only_helper.steps = vec![StepSpec::new("one", script("true")).in_helper()];
    let error = planned_with(&only_helper, &config).unwrap_err();
    assert!(matches!(error, JobError::NotAllowed(_)), "{error}");

    let mut config = ExecutorConfig::new("ci");
    config.containers.user = Some("1000".to_owned());
    let mut rooted = ImageSpec::new(image("busybox"));
    rooted.user = Some("0".to_owned());
    only_helper.helper_image = Some(rooted);
    let plan = planned_with(&only_helper, &config).unwrap();
    assert_eq!(plan.containers[0].user.as_deref(), Some("1000"));
}

#[test]
fn a_secret_is_no_part_of_a_name_a_label_or_a_path() {
    let with = |change: &dyn Fn(&mut JobSpec)| {
        let mut job = job();
        job.variables = vec![Variable::new("TOKEN", "s3cret").unwrap().masked()];
        change(&mut job);
        refused(&job)
    };
    for error in [
        with(&|job| job.volumes = vec!["/c/$TOKEN".to_owned()]),
        with(&|job| job.caches = vec![CacheSpec::new("k-$TOKEN", ["/deps".to_owned()])]),
        with(&|job| job.working_directory = Some("/b/$TOKEN".to_owned())),
        with(&|job| job.services = vec![ServiceSpec::new(image("redis")).with_alias("a-$TOKEN")]),
    ] {
        assert!(
            matches!(&error, JobError::MaskedVariable { name, .. } if name == "TOKEN"),
            "{error}"
        );
    }
}

#[test]
fn a_secret_that_a_later_value_replaces_is_still_masked() {
    let mut job = job();
    job.variables = vec![
        Variable::new("A", "first-one").unwrap().masked(),
        Variable::new("A", "other").unwrap().masked(),
    ];
    let secrets: Vec<_> = planned(&job).secrets.into_iter().map(|secret| secret.0).collect();
    assert_eq!(secrets, ["first-one", "other"]);
}

#[test]
fn a_secret_is_masked_without_its_last_line_end() {
    let mut job = job();
    job.variables = vec![Variable::new("KEY", "first-line\r\nlast\r\n").unwrap().masked().file()];
    job.registries = vec![crate::job::RegistryLogin::new("a.example", "ci", "pass-word\n")];
    let plan = planned(&job);
    let secrets: Vec<_> = plan.secrets.iter().map(|secret| secret.0.as_str()).collect();
    assert_eq!(secrets, ["first-line", "first-line\nlast", "first-line\r\nlast", "pass-word"]);
    assert_eq!(plan.files["KEY"].0, "first-line\r\nlast\r\n", "the job gets the value as it is");
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn a_secret_that_is_too_short_to_mask_is_named() {
    let mut job = job();
    job.variables = vec![
        Variable::new("PIN", "123\n").unwrap().masked(),
        Variable::new("PIN", "12").unwrap().masked(),
        Variable::new("EMPTY", "").unwrap().masked(),
        Variable::new("OPEN", "a").unwrap(),
    ];
    let mut database = ServiceSpec::new(image("postgres"));
    database.variables = vec![Variable::new("PASSWORD", "$OPEN").unwrap().masked()];
    job.services = vec![database];
    job.registries = vec![crate::job::RegistryLogin::new("a.example", "ci", "abc")];
    let plan = planned(&job);
    assert!(plan.secrets.is_empty(), "{}", plan.secrets.len());
    let notes: Vec<_> = plan.notes.iter().map(ToString::to_string).collect();
    let named = ["PASSWORD", "PIN", "password for a.example"];
    let expected = named
        .map(|name| format!("the secret {name} is not masked: it has fewer than 4 characters"));
    assert_eq!(notes, expected);
}

#[test]
fn a_secret_in_the_name_of_a_step_is_masked() {
    let mut job = job();
    job.variables = vec![Variable::new("TOKEN", "s3cret-token\n").unwrap().masked()];
    job.steps[0].name = "log in with s3cret-token".to_owned();
    let plan = planned(&job);
    assert_eq!(plan.steps[0].name, "log in with [MASKED]");
    assert_eq!(plan.step("log in with s3cret-token"), Some(&plan.steps[0]));
    assert_eq!(plan.step("log in with [MASKED]"), Some(&plan.steps[0]));
    assert!(plan.step("log in").is_none());

    let mut twin = job.steps[0].clone();
    job.variables.push(Variable::new("OTHER", "other-token").unwrap().masked());
    twin.name = "log in with other-token".to_owned();
    job.steps.push(twin);
    let error = refused(&job);
    assert!(matches!(&error, JobError::StepName { name, .. } if name == "log in with [MASKED]"));
}

#[test]
fn a_variable_that_no_program_can_be_given_is_refused() {
    let big = || Variable::new("BIG", "x".repeat(131_068)).unwrap();
    for variable in [big(), big().masked()] {
        let mut job = job();
        job.variables = vec![variable];
        assert!(matches!(refused(&job), JobError::LongVariable { name, .. } if name == "BIG"));
    }
    let mut job = job();
    job.variables = vec![big().masked().file()];
    let mut database = ServiceSpec::new(image("postgres"));
    planned(&job);
    database.variables = vec![big()];
    job.services = vec![database];
    assert!(matches!(refused(&job), JobError::LongVariable { name, .. } if name == "BIG"));
}
