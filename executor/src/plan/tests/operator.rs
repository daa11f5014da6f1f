//! What a configuration file adds to every job: volumes and scripts.

use volume_manager::PlannedSource;

use super::*;

fn with_volume(spec: &str) -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ci");
    config.volumes = vec![spec.to_owned()];
    config
}

#[test]
fn configured_host_paths_need_no_permission_and_a_jobs_do() {
    for spec in ["/sys/fs/cgroup:/sys/fs/cgroup:ro", "/dev/shm:/dev/shm", "/dev:/dev", "/srv:/srv"]
    {
        let plan = planned_with(&job(), &with_volume(spec)).unwrap();
        assert!(matches!(plan.volumes.volumes[0].source, PlannedSource::Host(_)), "{spec}");
        let mut asking = job();
        asking.volumes = vec![spec.to_owned()];
        assert!(planned_with(&asking, &ExecutorConfig::new("ci")).is_err(), "{spec}");
    }
    let socket = with_volume("/var/run/docker.sock:/var/run/docker.sock");
    match planned_with(&job(), &socket) {
        Err(JobError::Volumes(PlanError::EngineSocketRefused { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_variable_of_the_job_stays_below_the_configured_directory() {
    for (spec, value, allowed) in [
        ("/m2/$ID:/m2", "42", true),
        ("/m2/$ID/repo:/m2", "42", true),
        ("/m2/.cache/../$ID-${ID}:/m2", "..", true),
        // An earlier job may have made a link in the part that it was given.
        ("/m2/$ID:/m2", "1/x", false),
        ("/m2/$ID/repo:/m2", "group/app", false),
        ("/m2/$ID/repo:/m2", ".", false),
        ("/m2/$ID/repo:/m2", "", false),
        ("/m2/$ID$ID/x/y:/m2", ".", false),
        ("/m2/p-$ID:/m2", "x/../other", false),
        ("/m2/p-$ID:/m2", "x/../p-other", false),
        ("/var/lib/ci-$ID:/m2", "/../docker", false),
        ("/m2/p-$ID:/m2", "42", true),
        ("/m2/$ID:/m2", "..", false),
        ("/m2/$ID:/m2", "../etc", false),
        ("/m2/$ID:/m2", "x/../../etc", false),
        ("/m2/$ID:/m2", "", false),
        ("/m2/p$ID:/m2", "/../../m22/x", false),
        ("$ID:/m2", "/etc", false),
        ("/$ID:/m2", "etc", false),
        ("/srv:/m2/$ID", "../x", true),
    ] {
        let mut job = job();
        job.variables = vec![Variable::new("ID", value).unwrap()];
        let mut config = with_volume(spec);
        let planned = planned_with(&job, &config);
        assert_eq!(planned.is_ok(), allowed, "{spec} {value}: {planned:?}");
        if !allowed {
            let refused = JobError::Volumes(PlanError::HostPathRefused {
                path: String::new(),
                destination: "/m2".parse().unwrap(),
            });
            let error = planned.unwrap_err();
            assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&refused), "{error}");
            config.policy = config.policy.with_host_paths(true).with_engine_socket(true);
            assert!(planned_with(&job, &config).is_ok(), "{spec} {value}");
        }
    }
}

#[test]
fn links_count_where_the_real_paths_are_known() {
    use volume_manager::{HostPath, RealPath};
    let path = |text: &str| text.parse::<HostPath>().unwrap();
    let reaches = |text: &str| Some(RealPath::Reaches(vec![path(text)]));
    let unknown = Some(RealPath::Unknown);
    for (directory, source, allowed) in [
        (None, None, true),
        (reaches("/m2"), reaches("/m2/1"), true),
        (reaches("/data/m2"), reaches("/data/m2/1"), true),
        (None, reaches("/m2/1"), true),
        (unknown.clone(), unknown.clone(), true),
        (reaches("/m2"), reaches("/etc"), false),
        (reaches("/m2"), reaches("/m2"), false),
        (reaches("/m2"), reaches("/m22"), false),
        (None, reaches("/etc"), false),
        (unknown.clone(), reaches("/etc"), false),
        (reaches("/m2"), unknown, false),
    ] {
        let mut job = job();
        job.variables = vec![Variable::new("ID", "1").unwrap()];
        let mut config = with_volume("/m2/$ID:/m2");
        let case = format!("{directory:?} {source:?}");
        let real = [("/m2", directory), ("/m2/1", source)];
        for (text, real) in real.into_iter().filter_map(|(text, real)| Some((text, real?))) {
            config.policy = config.policy.with_real_path(path(text), real);
        }
        let planned = planned_with(&job, &config);
        assert_eq!(planned.is_ok(), allowed, "{case}: {planned:?}");
    }
}

fn with_scripts() -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ci");
    config.scripts.pre_get_sources_script = "git config --global x y".to_owned();
    config.scripts.post_get_sources_script = "ls".to_owned();
    config.scripts.pre_build_script = "export A=1".to_owned();
    config.scripts.post_build_script = "date".to_owned();
    config
}

#[test]
fn source_scripts_are_helper_steps_around_the_first_ones() {
    let names = |job: &JobSpec| {
        let plan = planned_with(job, &with_scripts()).unwrap();
        let kind = |index: usize| plan.containers[index].kind.as_str();
        let steps = plan.steps.iter().map(|step| format!("{} {}", kind(step.container), step.name));
        steps.collect::<Vec<_>>()
    };
    let mut job = job();
    job.steps = vec![
        StepSpec::new("fetch", script("git fetch")).in_helper(),
        StepSpec::new("build", script("make")),
        StepSpec::new("upload", script("scp")).in_helper(),
    ];
    assert_eq!(
        names(&job),
        [
            "helper pre_get_sources_script",
            "helper fetch",
            "helper post_get_sources_script",
            "build build",
            "helper upload"
        ]
    );
    job.steps.remove(0);
    assert_eq!(
        names(&job),
        [
            "helper pre_get_sources_script",
            "helper post_get_sources_script",
            "build build",
            "helper upload"
        ]
    );
    job.steps[0].name = "pre_get_sources_script".to_owned();
    let error = planned_with(&job, &with_scripts()).unwrap_err();
    assert!(matches!(error, JobError::StepName { .. }), "{error}");
}

#[test]
fn build_scripts_are_around_each_build_step_alone() {
    let mut job = job();
    job.steps = vec![
        StepSpec::new("fetch", script("git fetch")).in_helper(),
        StepSpec::new("one", script("make")),
        StepSpec::new("two", program(&["make", "test"])),
    ];
    job.after_script = Some(script("ls"));
    let plan = planned_with(&job, &with_scripts()).unwrap();
    let script_of = |name: &str| plan.step(name).unwrap().script.clone();
    for (name, own) in [("one", "make"), ("two", "'make' 'test'")] {
        let script = script_of(name);
        assert!(script.lines().next().unwrap().ends_with(own), "{script}");
        assert!(script.contains("export A=1") && script.ends_with("date"), "{script}");
    }
    assert_eq!(script_of("fetch"), "git fetch");
    assert_eq!(script_of("after_script"), "ls");
}

#[test]
fn a_program_runs_in_a_shell_when_there_are_build_scripts() {
    let mut job = job();
    job.steps = vec![StepSpec::new("one", program(&["make", "all"]))];
    let plan = planned_with(&job, &with_scripts()).unwrap();
    let build = plan.containers.iter().find(|one| one.kind == ContainerKind::Build).unwrap();
    assert!(matches!(build.process, Process::Shell(_)));
}
