use std::collections::BTreeMap;

use docker_api_trait::{
    ArchiveApi as _, ContainerApi as _, ContainerRequest, Mount, MountSource, NetworkApi as _,
    NetworkRequest, VolumeApi as _, VolumeName, VolumeRequest,
};
use std::time::Duration;
use tokio::time::sleep;

use super::{Baseline, Delivered, Difference};
use crate::FakeDocker;

const NAME: &str = "berth-x";

fn volume(kind: &str, run: &str) -> VolumeRequest {
    let labels = [("dev.berth.kind", kind), ("dev.berth.run", run)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    VolumeRequest::new(NAME.parse().unwrap()).with_labels(BTreeMap::from(labels))
}

async fn engine() -> FakeDocker {
    let engine = FakeDocker::new().with_image("busybox");
    let container = ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
    engine.create_container(&container).await.unwrap();
    engine.create_network(&NetworkRequest::new(NAME.parse().unwrap())).await.unwrap();
    engine.create_volume(&volume("cache", "1")).await.unwrap();
    engine
}

#[tokio::test]
async fn what_was_removed_and_made_again_under_its_name_is_another_object() {
    let engine = engine().await;
    let baseline = Baseline::of(&engine).await.unwrap();
    assert_eq!(baseline.differences(&engine).await.unwrap(), []);
    let name: VolumeName = NAME.parse().unwrap();

    engine.remove_container(&engine.containers()[0].id).await.unwrap();
    let container = ContainerRequest::new(NAME.parse().unwrap(), "busybox".parse().unwrap());
    engine.create_container(&container).await.unwrap();
    engine.remove_network(&engine.networks()[0].id).await.unwrap();
    engine.create_network(&NetworkRequest::new(NAME.parse().unwrap())).await.unwrap();
    engine.remove_volume(&name).await.unwrap();
    engine.create_volume(&volume("cache", "2")).await.unwrap();
    let replaced = |kind| Difference::Replaced { kind, name: NAME.to_owned() };
    let expected = ["container", "network", "volume"].map(replaced);
    assert_eq!(baseline.differences(&engine).await.unwrap(), expected);
    assert_eq!(expected[0].to_string(), "the container berth-x is another one");
}

#[tokio::test]
async fn what_is_left_or_lost_is_told_and_a_new_cache_is_neither() {
    let empty = FakeDocker::new();
    let none = Baseline::of(&empty).await.unwrap();
    let full = engine().await;
    let all = Baseline::of(&full).await.unwrap();
    let name = || NAME.to_owned();
    let left = ["container", "network"].map(|kind| Difference::Left { kind, name: name() });
    assert_eq!(none.differences(&full).await.unwrap(), left);
    let kinds = ["container", "network", "volume"];
    let lost = kinds.map(|kind| Difference::Lost { kind, name: name() });
    assert_eq!(all.differences(&empty).await.unwrap(), lost);
    full.remove_volume(&NAME.parse().unwrap()).await.unwrap();
    full.create_volume(&volume("temporary", "1")).await.unwrap();
    let left = Difference::Left { kind: "volume", name: name() };
    assert!(none.differences(&full).await.unwrap().contains(&left));
}

/// A cache with this canary, put there through a container.
async fn cache(engine: &FakeDocker, canary: &str) {
    engine.create_volume(&volume("cache", "1")).await.unwrap();
    let mut request = ContainerRequest::new("writer".parse().unwrap(), "busybox".parse().unwrap());
    let source = MountSource::Volume {
        name: NAME.parse().unwrap(),
        labels: BTreeMap::new(),
        driver: None,
        options: BTreeMap::new(),
        no_copy: true,
    };
    request.mounts = vec![Mount::new("/cache", source)];
    let writer = engine.create_container(&request).await.unwrap().id;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(canary.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, "canary", canary.as_bytes()).unwrap();
    let archive = archive.into_inner().unwrap().into();
    engine.upload_archive(&writer, "/cache", archive).await.unwrap();
    engine.remove_container(&writer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_is_gone_or_another_is_told() {
    let engine = FakeDocker::new().with_image("busybox");
    cache(&engine, "yellow").await;
    let image = "busybox".parse().unwrap();
    let baseline = Baseline::of(&engine).await.unwrap();
    let baseline = baseline.with_canaries(&engine, &image).await.unwrap();
    assert_eq!(baseline.canaries(), 1);
    assert_eq!(baseline.broken(&engine).await.unwrap(), []);
    let canary = Difference::Canary { name: NAME.to_owned() };
    // The volume is like the one before in all that a list shows.
    engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
    engine.create_volume(&volume("cache", "1")).await.unwrap();
    assert_eq!(baseline.broken(&engine).await.unwrap(), std::slice::from_ref(&canary));
    cache(&engine, "yellow").await;
    assert_eq!(baseline.broken(&engine).await.unwrap(), []);
    cache(&engine, "orange").await;
    assert_eq!(baseline.broken(&engine).await.unwrap(), std::slice::from_ref(&canary));
    engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
    let lost = Difference::Lost { kind: "volume", name: NAME.to_owned() };
    assert_eq!(baseline.broken(&engine).await.unwrap(), [lost, canary]);
    assert_eq!(engine.volumes(), [], "a look makes nothing anew");
    assert_eq!(engine.containers(), []);
}

#[tokio::test(start_paused = true)]
async fn what_takes_a_moment_is_looked_at_again_and_what_takes_too_long_is_told() {
    let engine = FakeDocker::new();
    let limit = Duration::from_mins(1);
    let patience = Duration::from_secs(30);
    let baseline = Baseline::of(&engine).await.unwrap().within(limit).patient(patience);
    engine.create_volume(&volume("temporary", "1")).await.unwrap();
    let impatient = baseline.clone().patient(Duration::ZERO);
    let left = Difference::Left { kind: "volume", name: NAME.to_owned() };
    assert_eq!(impatient.broken(&engine).await.unwrap(), [left]);
    let task = tokio::spawn(sleep(Duration::from_secs(20)));
    let later = async {
        sleep(Duration::from_secs(10)).await;
        engine.remove_volume(&NAME.parse().unwrap()).await.unwrap();
    };
    let (broken, ()) = tokio::join!(baseline.broken(&engine), later);
    assert_eq!(broken.unwrap(), []);
    task.await.unwrap();
    sleep(limit).await;
    let took = baseline.begin.elapsed();
    tokio::spawn(std::future::pending::<()>());
    let tasks = Difference::Tasks { before: 0, after: 1 };
    let late = Difference::Late { took, limit };
    assert_eq!(baseline.broken(&engine).await.unwrap(), [tasks, late]);
    let took = baseline.begin.elapsed();
    let late = Difference::Late { took, limit };
    assert_eq!(baseline.ignoring_tasks().broken(&engine).await.unwrap(), [late]);
}

#[tokio::test]
async fn of_an_owner_only_what_is_its_own_counts() {
    let engine = FakeDocker::new();
    let baseline = Baseline::of_owner(&engine, "ci").await.unwrap();
    engine.create_volume(&volume("temporary", "1")).await.unwrap();
    assert_eq!(baseline.differences(&engine).await.unwrap(), []);
    let mut ours = volume("temporary", "1");
    ours.name = "berth-y".parse().unwrap();
    ours.labels.insert("dev.berth.owner".to_owned(), "ci".to_owned());
    engine.create_volume(&ours).await.unwrap();
    let left = Difference::Left { kind: "volume", name: "berth-y".to_owned() };
    assert_eq!(baseline.differences(&engine).await.unwrap(), [left]);
}

#[test]
fn a_log_is_a_true_beginning_and_whole_when_it_says_so() {
    let of = |came: &str, is_complete| {
        Delivered { came: came.as_bytes(), whole: b"one two", is_complete }.broken()
    };
    for came in ["", "one", "one two"] {
        assert_eq!(of(came, false), None);
    }
    assert_eq!(of("one two", true), None);
    let log = |agrees, came| Some(Difference::Log { agrees, came, whole: 7 });
    assert_eq!(of("one", true), log(3, 3));
    for is_complete in [false, true] {
        assert_eq!(of("two", is_complete), log(0, 3));
        assert_eq!(of("one two three", is_complete), log(7, 13));
    }
}
