//! What a job of unknown origin may not have, by thousands of tries: another trust's cache, a squatted
//! volume, the engine's socket, options that change the host.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use docker_api_trait::{Operation, Volume};
use testkit::FakeDocker;
use volume_manager::{
    ContainerPath, DockerVolumeManager, HostPath, KeyedCache, PlanError, Policy, PrepareContext,
    PreparedVolumes, Provenance, RealPath, Scope, Trust, VolumeDemand, VolumeError, VolumeField,
    VolumeKind, VolumeManager as _, VolumePlan, label, plan,
};

fn provenance() -> Provenance {
    Provenance::new("run", SystemTime::UNIX_EPOCH)
}

fn planned(spec: &str, policy: &Policy) -> Result<VolumePlan, PlanError> {
    let demand = VolumeDemand::new([spec.parse().unwrap()]);
    plan(&demand, &Scope::untrusted("ci", "app"), &provenance(), policy)
}

/// Ways to write a word so that it passes for another.
fn disguises(word: &str) -> Vec<String> {
    let wide: String = word
        .chars()
        .map(|letter| match letter {
            '!'..='~' => char::from_u32(u32::from(letter) + 0xfee0).unwrap(),
            other => other,
        })
        .collect();
    let mut all: Vec<String> = vec![
        word.to_owned(),
        word.to_uppercase(),
        wide,
        word.replace('-', "%2d"),
        word.replace('-', "%2D"),
        word.replace('-', "_"),
        word.replace('e', "e\u{301}"),
        word.replace('e', "\u{e9}"),
        word.replace('e', "\u{435}"),
        word.chars().rev().collect(),
    ];
    let marks =
        [".", "..", " ", "/", "//", "\\", "\u{202e}", "\u{200b}", "\u{feff}", "-", ":", "#"];
    for mark in marks {
        all.extend([
            format!("{word}{mark}"),
            format!("{mark}{word}"),
            format!("{mark}{word}{mark}"),
        ]);
    }
    all
}

/// Keys that try to name the other trust's cache: more than 10,000.
fn adversarial_keys() -> BTreeSet<String> {
    let words = [
        "",
        "main",
        "main-protected",
        "x-protected",
        "protected",
        "trusted",
        "untrusted",
        "app",
        "cache",
        "default",
    ];
    let mut keys = BTreeSet::new();
    for first in words.iter().flat_map(|word| disguises(word)) {
        for second in
            ["", "-protected", "trusted", "untrusted", "/cache", "\u{1}x", "app", "1", "7", "8"]
        {
            for joint in ["", "-", "_", "/", "."] {
                keys.insert(format!("{first}{joint}{second}"));
            }
        }
    }
    keys.extend((1..=64).map(|times| "x".repeat(times * 16)));
    keys
}

#[test]
fn trusted_and_untrusted_never_share_a_volume_whatever_their_keys_are() {
    let keys = adversarial_keys();
    assert!(keys.len() > 10_000, "{}", keys.len());
    let destination: ContainerPath = "/cache".parse().unwrap();
    let mut names: BTreeMap<String, (Trust, &str)> = BTreeMap::new();
    let mut accepted = 0;
    for trust in [Trust::Trusted, Trust::Untrusted] {
        let scope = Scope::new("ci", "app", trust);
        for key in &keys {
            let demand = VolumeDemand::new([])
                .with_keyed([KeyedCache::new(key.clone(), destination.clone())]);
            let plan = match plan(&demand, &scope, &provenance(), &Policy::default()) {
                Ok(plan) => plan,
                Err(PlanError::Text { field: "key", .. }) => continue,
                Err(error) => panic!("{key:?}: {error:?}"),
            };
            assert_eq!(plan.volumes[0].source.kind(), VolumeKind::Cache, "{plan:?}");
            let prepared = PreparedVolumes::unprepared(&plan);
            let cache = prepared.volumes[0].managed().unwrap();
            assert_eq!(cache.labels[label::TRUST], trust.as_str(), "{key:?}");
            let other = names.insert(cache.name.to_string(), (trust, key));
            assert_eq!(other, None, "{key:?} and another have the name {}", cache.name);
            accepted += 1;
        }
    }
    assert!(accepted > 20_000, "{accepted}");
}

#[test]
fn trust_cannot_be_imitated_by_project_owner_or_destination_either() {
    let mut trusted = BTreeSet::new();
    let mut untrusted = BTreeSet::new();
    let words = disguises("app-trusted").into_iter().chain(disguises("untrusted"));
    let demand = VolumeDemand::new(["/cache".parse().unwrap(), "/cache/trusted".parse().unwrap()]);
    for word in words.filter(|word| !word.chars().any(char::is_control)) {
        for (owner, project) in [("ci", word.as_str()), (word.as_str(), "app")] {
            for (scope, names) in [
                (Scope::trusted(owner, project), &mut trusted),
                (Scope::untrusted(owner, project), &mut untrusted),
            ] {
                let plan = plan(&demand, &scope, &provenance(), &Policy::default()).unwrap();
                let volumes = PreparedVolumes::unprepared(&plan).volumes;
                names.extend(volumes.iter().map(|volume| volume.name().to_owned()));
            }
        }
    }
    assert!(trusted.len() > 150 && trusted.is_disjoint(&untrusted), "{}", trusted.len());
}

/// Makes a volume another one under its name.
type Squat = Box<dyn Fn(&mut Volume)>;

/// Mount options that make a local volume show something else.
const SQUATTED_OPTIONS: [&[(&str, &str)]; 22] = [
    &[("type", "none"), ("o", "bind"), ("device", "/")],
    &[("type", "none"), ("o", "bind"), ("device", "/etc")],
    &[("type", "none"), ("o", "bind"), ("device", "/var/run")],
    &[("type", "none"), ("o", "bind"), ("device", "/var/run/docker.sock")],
    &[("type", "none"), ("o", "bind"), ("device", "/var/lib/docker")],
    &[("type", "none"), ("o", "bind"), ("device", "/root/.ssh")],
    &[("type", "none"), ("o", "rbind"), ("device", "/")],
    &[("type", "none"), ("o", "bind,ro"), ("device", "/etc")],
    &[("type", "none"), ("o", "bind"), ("device", "/proc/1/root")],
    &[("type", "bind"), ("device", "/etc")],
    &[("o", "bind"), ("device", "/etc")],
    &[("device", "/etc")],
    &[("type", "tmpfs"), ("device", "tmpfs")],
    &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1")],
    &[("type", "nfs"), ("device", ":/"), ("o", "addr=192.0.2.1")],
    &[("type", "cifs"), ("device", "//192.0.2.1/x"), ("o", "username=a,password=b")],
    &[("type", "overlay"), ("device", "overlay"), ("o", "lowerdir=/etc,upperdir=/u,workdir=/w")],
    &[("type", "overlay"), ("device", "overlay"), ("o", "lowerdir=/:/etc")],
    &[("type", "ext4"), ("device", "/dev/sda1")],
    &[("type", "proc"), ("device", "proc")],
    &[("size", "1")],
    &[("", "")],
];

/// A change that a squatter makes to a volume, and what of it is noticed first.
fn squatters() -> Vec<(VolumeField, Squat)> {
    let mut all: Vec<(VolumeField, Squat)> = Vec::new();
    for options in SQUATTED_OPTIONS {
        all.push((
            VolumeField::Options,
            Box::new(move |volume: &mut Volume| {
                let pairs = options.iter().map(|(key, value)| ((*key).into(), (*value).into()));
                volume.options = pairs.collect();
            }),
        ));
    }
    for driver in ["nfs", "local2", "LOCAL", "local ", "", "local:other", "vieux/sshfs"] {
        all.push((VolumeField::Driver, Box::new(move |volume| volume.driver = driver.into())));
    }
    for scope in ["global", "", "Local"] {
        all.push((VolumeField::Scope, Box::new(move |volume| volume.scope = scope.into())));
    }
    let labels = [
        (label::SCHEMA, "0"),
        (label::KIND, "temporary"),
        (label::OWNER, "another"),
        (label::PROJECT, "other"),
        (label::TRUST, "untrusted"),
        (label::DESTINATION, "/other"),
        (label::KEY, "other"),
        (label::CONFIG_HASH, "0"),
    ];
    for (key, value) in labels {
        // Another value, and none. A key of ours is empty: as good as none.
        all.push((
            VolumeField::Label(key),
            Box::new(move |volume| drop(volume.labels.insert(key.into(), value.into()))),
        ));
        if key != label::KEY {
            all.push((
                VolumeField::Label(key),
                Box::new(move |volume| drop(volume.labels.remove(key))),
            ));
        }
    }
    all.push((VolumeField::Label(label::SCHEMA), Box::new(|volume| volume.labels.clear())));
    all.push((
        VolumeField::Label(label::TRUST),
        Box::new(|volume| drop(volume.labels.insert(label::TRUST.into(), "Trusted".into()))),
    ));
    all.push((
        VolumeField::Label(label::OWNER),
        Box::new(|volume| drop(volume.labels.insert(label::OWNER.into(), "ci ".into()))),
    ));
    all
}

#[tokio::test]
async fn a_squatted_volume_is_refused_and_left_alone_in_fifty_variants() {
    let variants = squatters();
    assert!(variants.len() >= 50, "{}", variants.len());
    let demand = VolumeDemand::new(["/cache".parse().unwrap()]);
    let scope = Scope::trusted("ci", "app");
    let plan = plan(&demand, &scope, &provenance(), &Policy::default()).unwrap();
    let prepared = PreparedVolumes::unprepared(&plan);
    let wanted = prepared.volumes[0].managed().unwrap();
    for (expected, squat) in variants {
        let docker = FakeDocker::new();
        let mut volume = Volume::local(wanted.name.as_str());
        volume.labels = wanted.labels.clone();
        squat(&mut volume);
        let shown = format!("{volume:?}");
        docker.insert_volume(volume);
        let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
        let error = volumes.prepare(&plan, &PrepareContext::default()).await.unwrap_err();
        let VolumeError::Mismatch { field, volume, .. } = error else {
            panic!("{shown}: {error:?}")
        };
        assert_eq!((field, volume), (expected, wanted.name.clone()), "{shown}");
        assert_eq!(docker.calls(), [Operation::CreateVolume], "nothing else was asked: {shown}");
        assert_eq!(docker.volume_names(), [wanted.name.to_string()], "{shown}");
    }
}

/// Spellings of one path of the host that are one path to the kernel.
fn spellings(path: &str) -> Vec<String> {
    vec![
        path.to_owned(),
        format!("{path}/"),
        format!("/{path}"),
        format!("{path}//"),
        format!("{path}/."),
        format!("/.{path}"),
        format!("{path}/x/.."),
        format!("/x/..{path}"),
        path.replace('/', "//"),
        path.replace('/', "/./"),
    ]
}

#[test]
fn a_socket_and_the_folders_around_it_are_refused_in_every_spelling() {
    let host = Policy::default()
        .with_host_paths(true)
        .with_socket_at("/opt/engines/one/e.sock".parse().unwrap());
    let mut places = BTreeSet::from(["/proc".to_owned(), "/proc/1/root".to_owned()]);
    for socket in host.sockets(&[0, 1000]) {
        let socket = socket.to_string();
        let other = format!("/var{socket}");
        for path in [Some(&socket), socket.starts_with("/run").then_some(&other)] {
            let mut path = path.map(String::as_str).unwrap_or_default();
            while let Some((folder, _)) = path.rsplit_once('/') {
                places.insert(path.to_owned());
                path = folder;
            }
        }
    }
    places.extend(["/", "/proc/self/root", "/proc/self/cwd", "/proc/2/fd/3"].map(str::to_owned));
    let mut tried = BTreeSet::new();
    for place in &places {
        for spelling in spellings(place) {
            let error = planned(&format!("{spelling}:/x"), &host).unwrap_err();
            assert!(
                matches!(error, PlanError::EngineSocketRefused { .. }),
                "{spelling}: {error:?}"
            );
            let closed = planned(&format!("{spelling}:/x"), &Policy::default()).unwrap_err();
            assert!(matches!(closed, PlanError::HostPathRefused { .. }), "{spelling}: {closed:?}");
            tried.insert(spelling);
        }
    }
    assert!(tried.len() >= 200, "{}", tried.len());
}

#[test]
fn what_a_path_really_is_counts_beside_its_text() {
    let path: HostPath = "/srv/link".parse().unwrap();
    let reaches = |paths: &[&str]| {
        RealPath::Reaches(paths.iter().map(|path| path.parse().unwrap()).collect())
    };
    let policy = |real| {
        let policy = Policy::default().with_socket_at("/opt/e.sock".parse().unwrap());
        policy.with_host_paths(true).with_real_path(path.clone(), real)
    };
    for reached in [
        &["/run"][..],
        &["/"],
        &["/opt"],
        &["/opt/e.sock"],
        &["/srv/x", "/run/podman"],
        &["/proc/1"],
    ] {
        let policy = policy(reaches(reached));
        let error = planned("/srv/link:/x", &policy).unwrap_err();
        assert!(matches!(error, PlanError::EngineSocketReached { .. }), "{reached:?}: {error:?}");
        assert!(planned("/srv/link:/x", &policy.clone().with_engine_socket(true)).is_ok());
        let closed = planned("/srv/link:/x", &policy.with_host_paths(false)).unwrap_err();
        assert!(matches!(closed, PlanError::HostPathRefused { .. }), "{closed:?}");
    }
    let error = planned("/srv/link:/x", &policy(RealPath::Unknown)).unwrap_err();
    assert!(matches!(error, PlanError::HostPathUnknown { .. }), "{error:?}");
    assert!(planned("/srv/link:/x", &policy(reaches(&["/data"]))).is_ok());
    assert!(planned("/srv/other:/x", &policy(RealPath::Unknown)).is_ok(), "another path");
    let granted = VolumeDemand::new([]).with_granted(["/srv/link:/x".parse().unwrap()]);
    let scope = Scope::untrusted("ci", "app");
    let planned = |real| plan(&granted, &scope, &provenance(), &policy(real));
    let error = planned(reaches(&["/run"])).unwrap_err();
    assert!(matches!(error, PlanError::EngineSocketReached { .. }), "{error:?}");
    assert!(planned(RealPath::Unknown).is_ok(), "the operator chose the path");
}

#[test]
fn options_that_change_the_host_need_leave_of_their_own() {
    let host = Policy::default().with_host_paths(true);
    let generous = host.clone().with_host_options(true);
    let mut tried = 0;
    for source in ["/srv/a", "/srv/a/", "/home/x", "/mnt", "/data/..data"] {
        for destination in ["/x", "/x/y", "/builds"] {
            for mode in ["", "ro", "rw"] {
                for option in
                    ["shared", "rshared", "slave", "rslave", "z", "Z", "private", "rprivate", ""]
                {
                    for separator in [",", ":"] {
                        let options: Vec<_> =
                            [mode, option].into_iter().filter(|one| !one.is_empty()).collect();
                        let mut spec = format!("{source}:{destination}");
                        if !options.is_empty() {
                            spec = format!("{spec}:{}", options.join(separator));
                        }
                        let harmless = matches!(option, "private" | "rprivate" | "");
                        match planned(&spec, &host) {
                            Ok(_) => assert!(harmless, "{spec}"),
                            Err(PlanError::HostOptionRefused { option: refused, .. }) => {
                                assert_eq!(refused, option, "{spec}");
                                assert!(!harmless, "{spec}");
                            }
                            Err(error) => panic!("{spec}: {error:?}"),
                        }
                        assert!(planned(&spec, &generous).is_ok(), "{spec}");
                        let closed = planned(&spec, &Policy::default()).unwrap_err();
                        let refused = matches!(closed, PlanError::HostPathRefused { .. });
                        assert!(refused, "{spec}: {closed:?}");
                        tried += 3;
                    }
                }
            }
        }
    }
    assert!(tried >= 1000, "{tried}");
    // Of a volume the label is no matter of the host's.
    assert!(planned("/cache:Z", &Policy::default()).is_ok());
}
