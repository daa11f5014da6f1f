//! A hundred thousand generated specs: none panics, and an engine carries out what is accepted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::SystemTime};

use docker_api_trait::{
    ApiError, BollardDocker, ContainerApi as _, ContainerRequest, Endpoint, EndpointSources,
    EngineProduct, LabelFilter, MountKind, SystemApi as _, VolumeApi as _,
};
use fastrand::Rng;
use testkit::suite;
use volume_manager::{
    OperatingSystem, PlanError, Policy, PreparedVolume, PreparedVolumes, Provenance, Scope,
    SpecReader, VolumeDemand, VolumePlan, VolumeSpec, label, plan,
};

const SPECS: u64 = 100_000;

const SOURCES: [&str; 16] = [
    "",
    "",
    "",
    "",
    "",
    "data:",
    "na.me-1:",
    "/etc:",
    "/usr/share/:",
    "$NAME:",
    "$UP:",
    "x:",
    "..:",
    "a b:",
    r"c:\\x:",
    "/:",
];
const FOLDERS: [&str; 24] = [
    "cache",
    "a",
    "b,z",
    "with space",
    ".",
    "..",
    "日本",
    "café",
    "$NAME",
    "${NAME}",
    "$$",
    "$",
    "-",
    "_",
    "\u{202e}",
    "\u{ff0f}",
    "pr\u{43e}c",
    "proc",
    "x:y",
    "'q\"",
    "\n",
    "$NONE",
    "*?<>|",
    "é/è",
];
const OPTIONS: [&str; 20] = [
    "",
    "",
    "",
    "",
    ":ro",
    ":rw",
    ":RO",
    ":z",
    ":nocopy",
    ":cached",
    ":ro,nocopy",
    ":delegated:rw",
    ":O",
    ":shared",
    ":Z",
    ":consistent",
    ":ro,rw",
    ":,",
    ":nope",
    ":",
];

fn spec(numbers: &mut Rng) -> String {
    let mut spec = numbers.choice(SOURCES).unwrap().to_owned();
    let depth = numbers.usize(..5);
    spec.push_str(numbers.choice(["/", "/", "/", "/", "", "//", r"c:\\"]).unwrap());
    let folders: Vec<_> = (0..depth).map(|_| numbers.choice(FOLDERS).unwrap()).collect();
    spec.push_str(&folders.join("/"));
    spec.push_str(numbers.choice(OPTIONS).unwrap());
    // Now and then a character is lost, or doubled.
    if numbers.usize(..10) == 0 && !spec.is_empty() {
        let at = numbers.usize(..spec.chars().count());
        let twice = numbers.usize(..2) == 0;
        let change = |(index, character)| {
            std::iter::repeat_n(character, if index == at { usize::from(twice) * 2 } else { 1 })
        };
        spec = spec.chars().enumerate().flat_map(change).collect();
    }
    spec
}

fn reader(system: OperatingSystem) -> SpecReader {
    let variables = [("NAME", "vol-1"), ("UP", "/../..")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    SpecReader::new(system).with_variables(variables)
}

fn planned(spec: VolumeSpec, scope: &Scope) -> Result<VolumePlan, PlanError> {
    let policy = Policy::default().with_host_paths(true);
    let provenance = Provenance::new("specs", SystemTime::now());
    plan(&VolumeDemand::new([spec]), scope, &provenance, &policy)
}

#[test]
fn a_hundred_thousand_specs_are_read_or_refused_without_a_panic() {
    let mut numbers = Rng::with_seed(1);
    let scope = Scope::trusted("ci", "app");
    let (mut read, mut planned_for) = (0, 0);
    for index in 0..SPECS {
        let system = if index % 4 == 3 { OperatingSystem::Windows } else { OperatingSystem::Linux };
        let text = spec(&mut numbers);
        match reader(system).read(&text) {
            Ok(spec) => {
                read += 1;
                assert!(spec.destination.depth() > 0, "{text:?}");
                let path = spec.destination.as_str();
                assert!(!path.contains("/../") && !path.chars().any(char::is_control), "{text:?}");
                planned_for += u64::from(planned(spec, &scope).is_ok());
            }
            Err(error) => {
                assert!(error.column >= 1 && error.column <= text.chars().count() + 1, "{text:?}");
                assert!(!error.to_string().contains('\n') && !error.hint().is_empty(), "{text:?}");
            }
        }
    }
    assert!(read > SPECS / 10 && planned_for > SPECS / 20, "{read} read, {planned_for} planned");
}

/// What is accepted is mounted by an engine at the same destination: three hundred of them. On Podman,
/// which takes half a second for each, sixty; those that it would misread are refused, and no others.
#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn what_is_accepted_is_accepted_by_the_engine() {
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
    let engine = BollardDocker::new(endpoint).unwrap();
    let owner = suite::owner();
    let image = suite::image();
    let project = format!("specs-{}", std::process::id());
    let scope = Scope::trusted(owner.as_str(), project.as_str());
    let is_podman = engine.version().await.unwrap().product == EngineProduct::Podman;
    let mut numbers = Rng::with_seed(2);
    let mut different = BTreeMap::new();
    while different.len() < if is_podman { 60 } else { 300 } {
        let text = spec(&mut numbers);
        let Ok(spec) = reader(OperatingSystem::Linux).read(&text) else { continue };
        // Podman's, which Docker refuses; and `vol-1` belongs to nobody.
        let is_overlay = text.contains(":O");
        let is_own = matches!(spec.source, volume_manager::VolumeSource::Named(_));
        // A folder that is not there is the engine's to refuse.
        let is_absent = matches!(&spec.source, volume_manager::VolumeSource::Host(path)
            if !std::path::Path::new(path.as_str()).exists());
        if is_overlay || is_own || is_absent {
            continue;
        }
        if let Ok(plan) = planned(spec, &scope) {
            different.entry(plan.volumes[0].destination.clone()).or_insert((text, plan));
        }
    }
    let (mut problems, mut refused) = (Vec::new(), 0);
    for (index, (destination, (text, plan))) in different.into_iter().enumerate() {
        let name = format!("{project}-{index}").parse().unwrap();
        let mut request = ContainerRequest::new(name, image.clone());
        request.arguments = vec!["true".to_owned()];
        request.labels = [(label::OWNER.to_owned(), owner.clone())].into();
        let prepared = PreparedVolumes::unprepared(&plan);
        request.mounts = prepared.mounts();
        // As a job does it: a bind string, for `Z`, would make the volume without labels.
        for managed in prepared.volumes.iter().filter_map(PreparedVolume::managed) {
            engine.create_volume(&managed.request()).await.unwrap();
        }
        let is_misread = is_podman && destination.as_str().contains([',', '"', '\n']);
        match engine.create_container(&request).await {
            Err(ApiError::Rejected { message, .. })
                if is_misread && message.starts_with("Podman cannot mount") =>
            {
                refused += 1;
            }
            Ok(_) if is_misread => problems.push(format!("{text:?} is not refused")),
            Ok(created) => {
                let details = engine.inspect_container(&created.id).await.unwrap();
                engine.remove_container(&created.id).await.unwrap();
                let at = details.mounts.iter().any(|mount| {
                    mount.destination == destination.as_str()
                        && matches!(mount.kind, MountKind::Volume | MountKind::Host)
                });
                if !at {
                    problems.push(format!("{text:?}: {:?}", details.mounts));
                }
            }
            Err(error) => problems.push(format!("{text:?}: {error:?}")),
        }
    }
    for volume in
        engine.list_volumes(&[LabelFilter::equals(label::PROJECT, &project)]).await.unwrap()
    {
        engine.remove_volume(&volume.name.parse().unwrap()).await.unwrap();
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(refused > 0, is_podman, "{refused} were refused");
}
