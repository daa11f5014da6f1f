//! Whole sweeps, on the fake engine.

use super::*;

/// What a run leaves that is killed at the worst moment, made by `instance`.
async fn leave(engine: &FakeDocker, run: &str, instance: &str) {
    let of = |kind: &str| {
        let mut labels = labels(kind);
        labels.insert(label::RUN.to_owned(), run.to_owned());
        labels.insert(label::INSTANCE.to_owned(), instance.to_owned());
        labels
    };
    let volume = format!("berth-t1-{run}").parse().unwrap();
    engine.create_volume(&VolumeRequest::new(volume).with_labels(of("temporary"))).await.unwrap();
    let cache = format!("berth-c1-{run}").parse().unwrap();
    engine.create_volume(&VolumeRequest::new(cache).with_labels(of("cache"))).await.unwrap();
    let mut network = NetworkRequest::new(format!("berth-n1-{run}").parse().unwrap());
    network.labels = of("network");
    engine.create_network(&network).await.unwrap();
    let name: ContainerName = format!("berth-b1-{run}").parse().unwrap();
    let mut container = ContainerRequest::new(name, "busybox".parse().unwrap());
    container.labels = of("build");
    container.mounts.push(Mount::new(
        "/t",
        MountSource::Volume {
            name: format!("berth-t1-{run}").parse().unwrap(),
            labels: of("temporary"),
            driver: None,
            options: BTreeMap::new(),
            no_copy: true,
        },
    ));
    engine.create_container(&container).await.unwrap();
}

struct Lab {
    engine: FakeDocker,
    instances: Instances,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instances = Instances::open(folder.path()).unwrap();
        Self { engine: FakeDocker::new().with_image("busybox"), instances, _folder: folder }
    }

    fn sweep(&self) -> Sweep {
        let docker: Arc<dyn DockerApi> = Arc::new(self.engine.clone());
        Sweep::new(docker).with_instances(self.instances.clone())
    }

    fn counts(&self) -> [usize; 3] {
        let volumes = self.engine.volume_names();
        let temporary = volumes.iter().filter(|name| name.starts_with("berth-t1-")).count();
        [self.engine.containers().len(), self.engine.networks().len(), temporary]
    }
}

#[tokio::test(start_paused = true)]
async fn the_dead_are_swept_beside_the_living_and_caches_stay() {
    let lab = Lab::new();
    let living = lab.instances.claim().unwrap();
    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "alive", living.label()).await;
    leave(&lab.engine, "dead", dead.label()).await;
    leave(&lab.engine, "elsewhere", "ffff.7").await;
    drop(dead);
    let looked = lab.sweep().look().await.unwrap();
    assert_eq!((looked.removed.len(), looked.kept.len()), (3, 6));
    assert_eq!(lab.counts(), [3, 3, 3], "a look changes nothing");
    let report = lab.sweep().run().await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.removed, looked.removed);
    assert!(report.removed.iter().all(|one| one.run == "dead"), "{report:?}");
    assert_eq!(lab.counts(), [2, 2, 2]);
    assert_eq!(lab.engine.volume_names().len(), 3 + 2);
    assert_eq!(lab.instances.dead().unwrap(), [""; 0], "the dead one is forgotten");
    // A second sweep finds nothing, in three lists and a look at the clock.
    let before = lab.engine.calls().len();
    assert!(lab.sweep().run().await.unwrap().removed.is_empty());
    assert_eq!(lab.engine.calls().len() - before, 4);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_removed_stops_nothing_and_goes_the_next_time() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    for run in ["1", "2", "3"] {
        leave(&lab.engine, run, dead.label()).await;
    }
    drop(dead);
    let operation = Operation::RemoveContainer;
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    // The first of three, and the only one of the second look.
    for nth in [0, 3] {
        let site = Site::NthOf(operation, nth);
        faulty.inject(Fault::before(site, FaultKind::Status(500)));
    }
    let sweep = Sweep::new(Arc::new(faulty)).with_instances(lab.instances.clone());
    let report = sweep.run().await.unwrap();
    // The container, and its volume, which it holds.
    assert_eq!(report.failed.len(), 2, "{report:?}");
    assert_eq!(lab.counts(), [1, 0, 1]);
    assert_eq!(lab.instances.dead().unwrap().len(), 1, "what is left is remembered");
    assert!(lab.sweep().run().await.unwrap().is_complete());
    assert_eq!(lab.counts(), [0, 0, 0]);
    assert_eq!(lab.instances.dead().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_leaves_the_others() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "1", dead.label()).await;
    drop(dead);
    let operation = Operation::ListNetworks;
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    faulty.inject(Fault::before(Site::EveryOf(operation), FaultKind::Status(500)));
    let sweep = Sweep::new(Arc::new(faulty)).with_instances(lab.instances.clone());
    let report = sweep.run().await.unwrap();
    assert_eq!(report.unlisted.len(), 1);
    assert_eq!(report.unlisted[0].0, ObjectKind::Network);
    assert_eq!(lab.counts(), [0, 1, 0]);
    assert_eq!(lab.instances.dead().unwrap().len(), 1);
    lab.sweep().run().await.unwrap();
    assert_eq!(lab.counts(), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn two_sweeps_at_once_remove_all_and_neither_fails() {
    let lab = Lab::new();
    lab.engine.take_turns();
    let dead = lab.instances.claim().unwrap();
    for run in 0..20 {
        leave(&lab.engine, &run.to_string(), dead.label()).await;
    }
    drop(dead);
    let (one_sweep, other_sweep) = (lab.sweep(), lab.sweep());
    let (one, other) = tokio::join!(one_sweep.run(), other_sweep.run());
    assert!(one.unwrap().is_complete() && other.unwrap().is_complete());
    assert_eq!(lab.counts(), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_overdue_object_of_a_stranger_host_goes_by_the_engines_clock() {
    let lab = Lab::new();
    let mut request = ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
    request.labels = with_deadline(labels("build"), 0);
    lab.engine.create_container(&request).await.unwrap();
    tokio::time::advance(Duration::from_secs(150)).await;
    assert!(lab.sweep().run().await.unwrap().removed.is_empty());
    tokio::time::advance(Duration::from_secs(20)).await;
    let report = lab.sweep().run().await.unwrap();
    assert_eq!(report.removed[0].verdict, Verdict::Remove(Death::Overdue));
    assert_eq!(lab.counts(), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_became_another_meanwhile_stays() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "1", dead.label()).await;
    drop(dead);
    let engine = lab.engine.clone();
    let name: docker_api_trait::VolumeName = "berth-t1-1".parse().unwrap();
    // Between the list and the removal: the container goes first, by its own hook.
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    faulty.on_call(move |call, side| {
        if call.operation == Operation::InspectVolume && side == Side::Before {
            engine.vanish_volume(&name);
            engine.insert_volume(docker_api_trait::Volume::local("berth-t1-1"));
        }
        Box::pin(std::future::ready(()))
    });
    let sweep = Sweep::new(Arc::new(faulty)).with_instances(lab.instances.clone());
    let report = sweep.run().await.unwrap();
    assert!(report.is_complete());
    assert!(lab.engine.volume_names().contains(&"berth-t1-1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_a_dying_process_had_asked_for_last_is_found_and_only_then_is_it_forgotten() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    let label = dead.label().to_owned();
    drop(dead);
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        leave(&lab.engine, "late", &label).await;
    };
    let sweep = lab.sweep();
    let (report, ()) = tokio::join!(sweep.run(), late);
    assert_eq!(report.unwrap().removed.len(), 3);
    assert_eq!(lab.counts(), [0, 0, 0]);
    assert_eq!(lab.instances.dead().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_after_the_lists_is_not_forgotten() {
    let lab = Lab::new();
    let before = lab.instances.claim().unwrap();
    drop(before);
    let later = lab.instances.claim().unwrap();
    let label = later.label().to_owned();
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    let (later, lists) = (std::sync::Mutex::new(Some(later)), std::sync::Mutex::new(0));
    faulty.on_call(move |call, side| {
        if call.operation == Operation::ListVolumes && side == Side::After {
            *lists.lock().unwrap() += 1;
            if *lists.lock().unwrap() == 2 {
                later.lock().unwrap().take();
            }
        }
        Box::pin(std::future::ready(()))
    });
    let sweep = Sweep::new(Arc::new(faulty)).with_instances(lab.instances.clone());
    assert!(sweep.run().await.unwrap().is_complete());
    assert_eq!(lab.instances.dead().unwrap(), [label]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_another_engine_or_owner_does_not_forget() {
    let lab = Lab::new();
    let here = lab.instances.clone().with_engine("here");
    let dead = here.claim().unwrap();
    leave(&lab.engine, "1", dead.label()).await;
    drop(dead);
    let elsewhere = Sweep::new(Arc::new(FakeDocker::new()))
        .with_instances(lab.instances.clone().with_engine("elsewhere"));
    assert!(elsewhere.run().await.unwrap().is_complete());
    assert_eq!(here.dead().unwrap().len(), 1, "another engine");
    assert!(lab.sweep().with_owner("others").run().await.unwrap().removed.is_empty());
    assert_eq!(here.dead().unwrap().len(), 1, "another owner");
    let unasked = lab.sweep().with_owner("others").with_ended_of_all_owners();
    assert_eq!(unasked.run().await.unwrap().removed.len(), 3);
    assert_eq!(here.dead().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_strangers_container_of_an_image_that_was_made_of_ours_stays_and_is_no_cue() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "1", dead.label()).await;
    let mut request = ContainerRequest::new("debug".parse().unwrap(), "busybox".parse().unwrap());
    request.labels = lab.engine.containers()[0].labels.clone();
    lab.engine.create_container(&request).await.unwrap();
    drop(dead);
    let report = lab.sweep().run().await.unwrap();
    assert_eq!(report.kept[0].verdict, Verdict::Keep(Kept::OtherName));
    let left: Vec<_> = lab.engine.containers().into_iter().map(|one| one.name).collect();
    assert_eq!(left, ["debug"]);
    assert_eq!(lab.instances.dead().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn anonymous_volumes_that_were_to_stay_do() {
    let lab = Lab::new();
    for (name, kept) in [("berth-b1-app-run-1", true), ("berth-h1-app-run-1", false)] {
        let mut request = ContainerRequest::new(name.parse().unwrap(), "busybox".parse().unwrap());
        request.labels = with_deadline(labels("build"), 0);
        if kept {
            let (key, value) = (label::ANONYMOUS_VOLUMES, label::KEPT);
            request.labels.insert(key.to_owned(), value.to_owned());
        }
        lab.engine.create_container(&request).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(200)).await;
    assert_eq!(lab.sweep().run().await.unwrap().removed.len(), 2);
    assert_eq!(lab.engine.removed_alone(), ["berth-b1-app-run-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_let_go_of_within_a_second_goes_and_one_that_is_held_stays() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "1", dead.label()).await;
    drop(dead);
    let operation = Operation::RemoveVolume;
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    faulty.inject(Fault::before(Site::FirstOf(operation, 5), FaultKind::Status(409)));
    let docker: Arc<dyn DockerApi> = Arc::new(faulty.clone());
    let sweep = Sweep::new(docker).with_instances(lab.instances.clone());
    assert!(sweep.run().await.unwrap().is_complete());
    assert_eq!(lab.counts(), [0, 0, 0]);

    let dead = lab.instances.claim().unwrap();
    leave(&lab.engine, "2", dead.label()).await;
    drop(dead);
    faulty.inject(Fault::before(Site::EveryOf(operation), FaultKind::Status(409)));
    let report = sweep.run().await.unwrap();
    let [failed] = &report.failed[..] else { panic!("{report:?}") };
    assert!(matches!(failed.error, CleanupError::Volumes(VolumeError::InUse { .. })), "{failed:?}");
    assert_eq!(lab.counts(), [0, 0, 1]);
    assert_eq!(lab.instances.dead().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_comes_to_an_end_does_not_hold_a_sweep_for_ever() {
    let lab = Lab::new();
    let dead = lab.instances.claim().unwrap();
    for run in 0..300 {
        leave(&lab.engine, &run.to_string(), dead.label()).await;
    }
    drop(dead);
    let faulty = FaultyDocker::new(Arc::new(lab.engine.clone()));
    let operation = Operation::RemoveContainer;
    faulty.inject(Fault::before(Site::EveryOf(operation), FaultKind::Hang));
    let sweep = Sweep::new(Arc::new(faulty)).with_instances(lab.instances.clone());
    let begin = tokio::time::Instant::now();
    let report = sweep.run().await.unwrap();
    assert!(begin.elapsed() <= Duration::from_secs(121), "{:?}", begin.elapsed());
    let timed_out = |failed: &crate::outcome::CleanupFailure| {
        matches!(failed.error, CleanupError::Engine(ApiError::TimedOut { .. }))
    };
    assert!(report.failed.iter().filter(|failed| timed_out(failed)).count() >= 300);
}
