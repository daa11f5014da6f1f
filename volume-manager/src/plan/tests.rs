//! The decision, by examples.

use std::time::{Duration, SystemTime};

use docker_api_trait::Propagation;

use super::{
    BuildDemand, BuildPlacement, BuildStrategy, KeyedCache, VolumeDemand, VolumePlan, plan,
};
use crate::{
    ContainerPath, Mode, OperatingSystem, PlanError, Policy, PreparedVolume, PreparedVolumes,
    Provenance, Scope, SpecOrigin, SpecReader, VolumeDriver, VolumeKind, VolumeSpec, label,
};

fn specs(specs: &[&str]) -> VolumeDemand {
    VolumeDemand::new(specs.iter().map(|spec| spec.parse().unwrap()))
}

fn planned(demand: &VolumeDemand, policy: &Policy) -> Result<VolumePlan, PlanError> {
    let mut origin = Provenance::new("run-1", SystemTime::UNIX_EPOCH);
    origin.deadline = Some(SystemTime::UNIX_EPOCH + Duration::from_mins(1));
    plan(demand, &Scope::trusted("ci", "app"), &origin, policy)
}

/// The volume of a plan that has one.
fn only(plan: &VolumePlan) -> PreparedVolume {
    PreparedVolumes::unprepared(plan).volumes.remove(0)
}

/// The kinds and destinations of a plan, in order.
fn shape(plan: &VolumePlan) -> Vec<String> {
    let volumes = plan.volumes.iter();
    volumes.map(|volume| format!("{} {}", volume.source.kind(), volume.destination)).collect()
}

fn path(text: &str) -> ContainerPath {
    text.parse().unwrap()
}

fn host() -> Policy {
    Policy::default().with_host_paths(true)
}

#[test]
fn a_cache_has_the_name_and_labels_of_the_public_format() {
    let plan = planned(&specs(&["/cache/"]), &Policy::default()).unwrap();
    assert_eq!(plan.volumes[0].source.kind(), VolumeKind::Cache);
    let prepared = only(&plan);
    let cache = prepared.managed().unwrap();
    assert!(cache.name.as_str().starts_with("berth-c1-app-cache-"));
    for (key, value) in [
        (label::SCHEMA, "1"),
        (label::KIND, "cache"),
        (label::OWNER, "ci"),
        (label::PROJECT, "app"),
        (label::TRUST, "trusted"),
        (label::DESTINATION, "/cache"),
        (label::KEY, ""),
        (label::CONFIG_HASH, VolumeDriver::default().digest().as_str()),
        (label::RUN, "run-1"),
        (label::CREATED_AT, "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(cache.labels.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(!cache.labels.contains_key(label::DEADLINE), "a cache has no deadline");
}

#[test]
fn options_come_through_to_the_plan() {
    let demand = specs(&["/cache:ro,Z,nocopy,cached", "/h:/h:rslave", "data:/d:O"]);
    let plan = planned(&demand, &host().with_host_options(true)).unwrap();
    let of = |destination: &str| {
        plan.volumes.iter().find(|volume| volume.destination == path(destination)).unwrap()
    };
    let cache = of("/cache");
    assert_eq!(cache.mode, Mode::ReadOnly);
    assert_eq!(cache.label.map(docker_api_trait::Relabel::as_str), Some("Z"));
    assert!(cache.no_copy && cache.consistency.is_some());
    assert_eq!(of("/h").propagation.map(Propagation::as_str), Some("rslave"));
    assert_eq!(of("/d").mode, Mode::Overlay);
}

#[test]
fn propagation_cannot_be_had_for_a_volume() {
    for spec in ["/cache:shared", "data:/d:rslave"] {
        let error = planned(&specs(&[spec]), &Policy::default()).unwrap_err();
        assert!(matches!(error, PlanError::OptionRefused { .. }), "{error:?}");
    }
    let folder = Policy::default().with_cache_dir("/srv".parse().unwrap());
    assert!(planned(&specs(&["/cache:shared"]), &folder).is_ok(), "a folder can have it");
}

#[test]
fn a_colon_cannot_be_had_together_with_what_only_a_bind_string_says() {
    let reader = SpecReader::new(OperatingSystem::Linux)
        .with_variables([("ODD".to_owned(), "a:b".to_owned())]);
    let with = |spec| planned(&VolumeDemand::new([reader.read(spec).unwrap()]), &host());
    assert!(with("/c/$ODD").is_ok());
    let error = with("/c/$ODD:Z").unwrap_err();
    assert!(matches!(error, PlanError::Unmountable { .. }), "{error:?}");
}

#[test]
fn one_destination_cannot_be_had_twice_in_any_spelling() {
    let taken = |demand: &VolumeDemand| match planned(demand, &Policy::default()) {
        Err(PlanError::DestinationTaken { destination, first, second }) => {
            format!("{destination}: {first} and {second}")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        taken(&specs(&["/cache:ro", "data:/x/../cache/"])),
        "/cache: /cache:ro and data:/cache"
    );
    assert_eq!(
        taken(&specs(&["/cache"]).with_tmpfs([path("/cache")])),
        "/cache: /cache in memory and /cache"
    );
    assert_eq!(
        taken(&specs(&[]).with_tmpfs([path("/t"), path("/t")])),
        "/t: /t in memory and /t in memory"
    );
    let windows = SpecReader::new(OperatingSystem::Windows);
    let demand = [r"C:\Cache", "c:/cache"].map(|spec| windows.read(spec).unwrap());
    assert_eq!(taken(&VolumeDemand::new(demand)), r"c:\cache: C:\Cache and c:\cache");
}

#[test]
fn nested_destinations_are_mounted_outermost_first() {
    let plan = planned(&specs(&["/a/b/c", "/a", "/a/b"]), &Policy::default()).unwrap();
    assert_eq!(shape(&plan), ["cache /a", "cache /a/b", "cache /a/b/c"]);
}

#[test]
fn what_the_system_shows_cannot_be_hidden() {
    let cache = |system, text: &str| {
        let spec = VolumeSpec::cache(ContainerPath::new(system, text).unwrap());
        planned(&VolumeDemand::new([spec]), &Policy::default())
    };
    let (linux, windows) = (OperatingSystem::Linux, OperatingSystem::Windows);
    for (system, text) in [
        (linux, "/proc"),
        (linux, "/sys/kernel"),
        (linux, "/dev/"),
        (linux, "/x/../dev/shm"),
        (windows, r"C:\Windows"),
    ] {
        let error = cache(system, text).unwrap_err();
        assert!(matches!(error, PlanError::ReservedDestination { .. }), "{error:?}");
    }
    for (system, text) in [(linux, "/devel"), (linux, "/x/proc"), (windows, r"c:\windows\temp")] {
        assert!(cache(system, text).is_ok(), "{text}");
    }
    let build = BuildDemand::new(path("/proc"), BuildStrategy::Clone);
    assert!(planned(&specs(&[]).with_build(build), &Policy::default()).is_err());
}

#[test]
fn what_is_the_hosts_needs_the_policys_leave() {
    let error = planned(&specs(&["/etc:/x"]), &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::HostPathRefused { .. }), "{error:?}");
    assert_eq!(shape(&planned(&specs(&["/etc:/x"]), &host()).unwrap()), ["host /x"]);
}

#[test]
fn the_engines_socket_and_the_folders_around_it_need_leave_of_their_own() {
    let policy = host().with_socket_at("/opt/engine/e.sock".parse().unwrap());
    for source in
        ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/var", "/run", "/", "/opt"]
    {
        let demand = specs(&[&format!("{source}:/x")]);
        let error = planned(&demand, &policy).unwrap_err();
        assert!(matches!(error, PlanError::EngineSocketRefused { .. }), "{source}: {error:?}");
        assert!(planned(&demand, &policy.clone().with_engine_socket(true)).is_ok());
    }
    assert!(planned(&specs(&["/var/lib:/x", "/opt/other:/y"]), &policy).is_ok());
    let alone = Policy::default().with_engine_socket(true);
    let error = planned(&specs(&["/var:/x"]), &alone).unwrap_err();
    assert!(matches!(error, PlanError::HostPathRefused { .. }), "{error:?}");
}

#[test]
fn a_pipe_is_the_hosts_too() {
    let demand =
        |spec| VolumeDemand::new([SpecReader::new(OperatingSystem::Windows).read(spec).unwrap()]);
    let alone = demand("//./pipe/a");
    assert!(planned(&alone, &Policy::default()).is_err());
    let plan = planned(&alone, &host()).unwrap();
    assert_eq!(only(&plan).name(), r"\\.\pipe\a");
    let engine = demand(r"\\.\pipe\Docker_Engine:\\.\pipe\x");
    let error = planned(&engine, &host()).unwrap_err();
    assert!(matches!(error, PlanError::EngineSocketRefused { .. }), "{error:?}");
    assert!(planned(&engine, &host().with_engine_socket(true)).is_ok());
}

#[test]
fn a_cache_cannot_be_mounted_under_its_name() {
    let plan = planned(&specs(&["/cache"]), &Policy::default()).unwrap();
    let stolen = specs(&[&format!("{}:/stolen", only(&plan).name())]);
    let error = planned(&stolen, &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::ReservedName { .. }), "{error:?}");
    let shouted = planned(&specs(&["BERTH-c1-x:/stolen"]), &Policy::default()).unwrap_err();
    assert!(matches!(shouted, PlanError::ReservedName { .. }), "{shouted:?}");
}

#[test]
fn with_caches_disabled_each_is_a_temporary_of_the_run() {
    let policy =
        Policy::default().with_cache_disabled(true).with_cache_dir("/srv".parse().unwrap());
    let plan = planned(&specs(&["/cache"]), &policy).unwrap();
    assert_eq!(plan.volumes[0].source.kind(), VolumeKind::Temporary);
    let prepared = only(&plan);
    let volume = prepared.managed().unwrap();
    assert!(volume.name.as_str().starts_with("berth-t1-"));
    assert_eq!(volume.labels.get(label::KIND).map(String::as_str), Some("temporary"));
    assert_eq!(
        volume.labels.get(label::DEADLINE).map(String::as_str),
        Some("1970-01-01T00:01:00Z")
    );
}

#[test]
fn a_cache_directory_has_a_folder_for_each_cache() {
    let policy = Policy::default().with_cache_dir("/srv/cache/".parse().unwrap());
    let folder = |scope: &Scope, spec: &str| {
        let origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
        let plan = plan(&specs(&[spec]), scope, &origin, &policy).unwrap();
        assert_eq!(plan.volumes[0].source.kind(), VolumeKind::Directory);
        only(&plan).name().to_owned()
    };
    let app = Scope::trusted("ci", "group/app");
    assert_eq!(folder(&app, "/cache"), "/srv/cache/ci/group-app/94a6dda53b3b7518af7497b763b84a35");
    let driver = policy.clone().with_driver(VolumeDriver::new("nfs"));
    let origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
    let kept = plan(&specs(&["/cache"]), &app, &origin, &driver).unwrap();
    assert_eq!(only(&kept).name(), folder(&app, "/cache"), "no driver keeps it");
    assert_ne!(folder(&app, "/cache"), folder(&app, "/other"));
    assert_ne!(folder(&app, "/cache"), folder(&Scope::untrusted("ci", "group/app"), "/cache"));
    let climbing = folder(&Scope::trusted("..", "../.."), "/cache");
    assert!(climbing.starts_with("/srv/cache/x/x/"), "{climbing}");
}

#[test]
fn another_driver_is_another_volume_with_the_drivers_request() {
    let driver = VolumeDriver::new("nfs").with_option("share", "host:/x");
    let policy = Policy::default().with_driver(driver.clone());
    let volume = |policy: &Policy| {
        let plan = planned(&specs(&["/cache"]), policy).unwrap();
        only(&plan).managed().unwrap().clone()
    };
    let (plain, other) = (volume(&Policy::default()), volume(&policy));
    assert_ne!(plain.name, other.name);
    assert_ne!(plain.labels[label::CONFIG_HASH], other.labels[label::CONFIG_HASH]);
    assert_eq!(other.request().driver.as_deref(), Some("nfs"));
    assert_eq!(other.request().options, driver.options);
    assert_eq!((plain.request().driver, plain.request().options.len()), (None, 0));
}

#[test]
fn the_build_volume_follows_the_table() {
    use BuildStrategy::{Clone, Empty, Fetch, None as Nothing};
    let disabled = Policy::default().with_cache_disabled(true);
    let folder = Policy::default().with_cache_dir("/srv".parse().unwrap());
    for (strategy, user, policy, expected, placement) in [
        (Fetch, "", Policy::default(), "cache /builds", "kept"),
        (Fetch, "", disabled.clone(), "temporary /builds", "gone"),
        (Fetch, "", folder.clone(), "directory /builds", "kept"),
        (Clone, "", Policy::default(), "temporary /builds", "gone"),
        (Clone, "", folder, "temporary /builds", "gone"),
        (Nothing, "", Policy::default(), "temporary /builds", "gone"),
        (Empty, "", disabled, "temporary /builds", "gone"),
        (Clone, "/builds", Policy::default(), "cache /builds", "user /builds"),
        (Clone, "/h:/builds/", host(), "host /builds", "user /builds shared"),
        (Fetch, "data:/builds", host(), "named /builds", "user /builds shared"),
    ] {
        let users: &[&str] = if user.is_empty() { &[] } else { &[user] };
        let demand = specs(users).with_build(BuildDemand::new(path("/builds"), strategy));
        let plan = planned(&demand, &policy).unwrap();
        assert_eq!(shape(&plan), [expected], "{strategy:?} {user}");
        let found = match plan.build.unwrap() {
            BuildPlacement::Volume { kept: true } => "kept".to_owned(),
            BuildPlacement::Volume { kept: false } => "gone".to_owned(),
            BuildPlacement::User { destination, shared } => {
                format!("user {destination}{}", if shared { " shared" } else { "" })
            }
        };
        assert_eq!(found, placement, "{strategy:?} {user}");
    }
}

#[test]
fn a_mount_of_the_users_around_the_build_folder_has_it() {
    let build = |users: &[&str]| {
        let folder = BuildDemand::new(path("/srv/builds"), BuildStrategy::Fetch);
        let plan = planned(&specs(users).with_build(folder), &host()).unwrap();
        (shape(&plan), plan.build.unwrap())
    };
    let (volumes, placement) = build(&["/h:/srv"]);
    assert_eq!(volumes, ["host /srv"], "no volume hides the user's");
    let within = BuildPlacement::User { destination: path("/srv"), shared: true };
    assert_eq!(placement, within);
    for beside in ["/h:/srv/builds/app", "/h:/srv/other", "/h:/srv/buildsX", "/srv"] {
        let (volumes, placement) = build(&[beside]);
        assert_eq!(volumes.len(), 2, "{beside}");
        assert_eq!(placement, BuildPlacement::Volume { kept: true }, "{beside}");
    }
    let (_, innermost) = build(&["/h:/srv", "/srv/builds"]);
    let own = BuildPlacement::User { destination: path("/srv/builds"), shared: false };
    assert_eq!(innermost, own);
    let folder = BuildDemand::new(path("/b"), BuildStrategy::Fetch);
    let demand = specs(&[]).with_build(folder).with_tmpfs([path("/b")]);
    let plan = planned(&demand, &Policy::default()).unwrap();
    let memory = BuildPlacement::User { destination: path("/b"), shared: false };
    assert_eq!((plan.volumes.len(), plan.build), (0, Some(memory)));
}

#[test]
fn what_the_image_or_memory_hides_is_noted() {
    let demand = specs(&["/data", "/cache", "/cache/own"])
        .with_image_volumes(["/data", "/cache/sub", "/cache/own", "/other"].map(path))
        .with_tmpfs([path("/cache/tmp"), path("/tmp")]);
    let notes = planned(&demand, &Policy::default()).unwrap().notes;
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "/data is mounted instead of the image's own volume there",
            "the image has a volume of its own at /cache/sub: what is written there is not \
             kept in /cache",
            "/cache/tmp is in memory: what is written there is not kept in /cache",
            "/cache/own is mounted instead of the image's own volume there",
        ]
    );
}

#[test]
fn text_that_no_label_should_carry_is_refused() {
    let long = "x".repeat(1025);
    for hostile in ["a\nb", "a\0", "\u{85}", &long] {
        let mut origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
        origin.reference = Some(hostile.to_owned());
        let error = plan(&specs(&["/c"]), &Scope::trusted("o", "p"), &origin, &Policy::default());
        let refused = PlanError::Text { field: "ref", problem: "" };
        let same = std::mem::discriminant(&error.unwrap_err()) == std::mem::discriminant(&refused);
        assert!(same, "{hostile:?}");
        let scopes = [
            ("owner", Scope::trusted(hostile, "p")),
            ("project", Scope::trusted("o", hostile)),
            ("key", Scope { key: hostile.to_owned(), ..Scope::trusted("o", "p") }),
        ];
        for (expected, scope) in scopes {
            let origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
            let error = plan(&specs(&["/c"]), &scope, &origin, &Policy::default()).unwrap_err();
            let PlanError::Text { field, .. } = error else { panic!("{error:?}") };
            assert_eq!(field, expected);
        }
    }
    let scope = Scope::trusted("日本/%2e", &long[..1024]);
    let origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
    assert!(plan(&specs(&["/c"]), &scope, &origin, &Policy::default()).is_ok());
}

#[test]
fn a_driver_needs_a_name() {
    for name in ["", "a b", "a\u{1b}[31m", "é"] {
        let policy = Policy::default().with_driver(VolumeDriver::new(name));
        let error = planned(&specs(&["/c"]), &policy).unwrap_err();
        assert!(matches!(error, PlanError::Driver { .. }), "{error:?}");
    }
    let plugin = Policy::default().with_driver(VolumeDriver::new("vieux/sshfs:latest"));
    assert!(planned(&specs(&["/c"]), &plugin).is_ok());
}

#[test]
fn secrets_are_known_by_their_names() {
    let driver = VolumeDriver::new("local")
        .with_option("o", "addr=10.0.0.1,username=u,PASSWORD=hunter2,credentials=/c")
        .with_option("secret_id", "abc")
        .with_option("type", "cifs");
    let plan = planned(&specs(&["/c"]), &Policy::default().with_driver(driver)).unwrap();
    assert_eq!(plan.secrets(), ["hunter2", "/c", "abc"]);
    let shown = format!("{plan:?}");
    assert!(!shown.contains("hunter2") && shown.contains("secret_id"), "{shown}");
}

#[test]
fn named_volumes_can_be_refused() {
    let policy = Policy::default().with_named_volumes(false);
    let error = planned(&specs(&["data:/d"]), &policy).unwrap_err();
    assert!(matches!(error, PlanError::NamedVolumeRefused { .. }), "{error:?}");
    assert!(planned(&specs(&["/d"]), &policy).is_ok());
}

#[test]
fn equal_arguments_give_equal_plans() {
    let demand = specs(&["/b", "/a", "n1:/c"]);
    assert_eq!(planned(&demand, &Policy::default()), planned(&demand, &Policy::default()));
}

/// The specs as the operator's, or as a job's.
fn of_origin(origin: SpecOrigin, specs: &[&str]) -> VolumeDemand {
    let reader = SpecReader::new(OperatingSystem::Linux).with_origin(SpecOrigin::Operator);
    let specs = specs.iter().map(|spec| reader.read(spec).unwrap());
    match origin {
        SpecOrigin::Operator => VolumeDemand::default().with_granted(specs),
        SpecOrigin::Job => VolumeDemand::new(specs),
    }
}

#[test]
fn operator_volumes_mount_host_paths_that_a_job_may_not() {
    for spec in [
        "/sys/fs/cgroup:/sys/fs/cgroup:ro",
        "/dev/shm:/dev/shm",
        "/dev:/dev",
        "/srv/data:/data",
        "/srv/shared:/data:rshared",
        "/lib/modules:/lib/modules:ro",
    ] {
        let granted = of_origin(SpecOrigin::Operator, &[spec]);
        let plan = planned(&granted, &Policy::default()).unwrap_or_else(|e| panic!("{spec}: {e}"));
        assert_eq!(plan.volumes[0].source.kind(), VolumeKind::Host, "{spec}");
        let error = planned(&of_origin(SpecOrigin::Job, &[spec]), &Policy::default()).unwrap_err();
        assert!(
            matches!(
                error,
                PlanError::HostPathRefused { .. } | PlanError::ReservedDestination { .. }
            ),
            "{spec}: {error:?}"
        );
    }
}

#[test]
fn an_engine_socket_needs_permission_whatever_its_origin() {
    let policy = Policy::default().with_host_paths(true);
    for spec in ["/run/docker.sock:/run/docker.sock", "/var/run:/host", "/:/host", "/proc:/p:ro"] {
        for origin in [SpecOrigin::Operator, SpecOrigin::Job] {
            let demand = of_origin(origin, &[spec]);
            match planned(&demand, &policy) {
                Err(error @ PlanError::EngineSocketRefused { origin: found, .. }) => {
                    assert_eq!(found, origin, "{spec}");
                    assert!(error.hint().contains("allow_engine_socket"), "{error:?}");
                }
                other => panic!("{spec}: {other:?}"),
            }
            assert!(planned(&demand, &policy.clone().with_engine_socket(true)).is_ok(), "{spec}");
        }
        // The operator's own volumes need no other permission.
        let granted = of_origin(SpecOrigin::Operator, &[spec]);
        assert!(planned(&granted, &Policy::default().with_engine_socket(true)).is_ok(), "{spec}");
    }
}

#[test]
fn a_grant_and_a_wish_for_one_destination_collide() {
    let demand = specs(&["/cache"]).with_granted(["data:/cache".parse().unwrap()]);
    let error = planned(&demand, &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::DestinationTaken { .. }), "{error:?}");
}

#[test]
fn caches_under_two_keys_are_two_volumes_and_the_key_is_in_the_labels() {
    let named = |key: &str| {
        let mut cache = KeyedCache::new(key, path("/deps"));
        cache.read_only = true;
        let plan =
            planned(&VolumeDemand::default().with_keyed([cache]), &Policy::default()).unwrap();
        assert_eq!(plan.volumes[0].mode, Mode::ReadOnly);
        only(&plan).managed().unwrap().clone()
    };
    assert_ne!(named("a").name, named("b").name);
    assert_eq!(named("a").labels.get(label::KEY).map(String::as_str), Some("a"));
    let error = planned(
        &VolumeDemand::default().with_keyed([KeyedCache::new("a\n", path("/deps"))]),
        &Policy::default(),
    );
    assert!(matches!(error, Err(PlanError::Text { field: "key", .. })), "{error:?}");
}
