//! `berth volumes`, on the engine in memory and on a real one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::{SystemTime, UNIX_EPOCH},
};

use docker_api_trait::{
    BollardDocker, ContainerApi as _, ContainerRequest, Endpoint, EndpointSources, Mount,
    MountSource, VolumeApi as _, VolumeName, VolumeRequest,
};
use serde_json::Value;
use testkit::suite;

/// Where the volumes of a test are, and whose.
struct Place {
    engine: Vec<String>,
    owner: String,
    project: String,
    image: String,
    _folder: tempfile::TempDir,
}

impl Place {
    fn in_memory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state: PathBuf = folder.path().join("state.json");
        let engine = ["--engine", "memory", "--memory-state", state.to_str().unwrap()];
        Self {
            engine: engine.map(str::to_owned).into(),
            owner: "ci".to_owned(),
            project: "app".to_owned(),
            image: "busybox".to_owned(),
            _folder: folder,
        }
    }

    fn on_a_real_engine(test: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Self {
            engine: Vec::new(),
            owner: suite::owner(),
            project: format!("{test}-{}-{now}", std::process::id()),
            image: suite::image().to_string(),
            _folder: tempfile::tempdir().unwrap(),
        }
    }

    fn berth(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(arguments).env("BERTH_OWNER", &self.owner).output().unwrap()
    }

    fn volumes(&self, arguments: &[&str]) -> Output {
        let engine = self.engine.iter().map(String::as_str);
        self.berth(
            &["volumes"]
                .into_iter()
                .chain(arguments.iter().copied())
                .chain(engine)
                .collect::<Vec<_>>(),
        )
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.volumes(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a job with these volumes.
    fn run(&self, more: &[&str], script: &str) {
        let engine = self.engine.iter().map(String::as_str);
        let fixed = ["run", "--quiet", "--image", &self.image, "--project", &self.project];
        let all: Vec<&str> = fixed
            .into_iter()
            .chain(more.iter().copied())
            .chain(engine)
            .chain(["--", script])
            .collect();
        let output = self.berth(&all);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }

    fn list(&self) -> Vec<Value> {
        self.json(&["ls", "--project", &self.project]).as_array().unwrap().clone()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A volume's way, by the program alone: explained cold, made, listed, explained warm, removed.
fn a_volumes_way(place: &Place) {
    let explain = || place.json(&["explain", "/cache", "--project", &place.project]);
    let cold = explain();
    assert_eq!(cold["state"]["is"], "cold");
    let name = cold["name"].as_str().unwrap().to_owned();
    assert!(place.list().is_empty());

    place.run(&["--volume", "/cache", "--volume", "/other:ro"], "true");
    let listed = place.list();
    assert_eq!(listed.len(), 2);
    let cache = listed.iter().find(|volume| volume["destination"] == "/cache").unwrap();
    assert_eq!(cache["name"], name.as_str());
    assert_eq!((&cache["kind"], &cache["trust"]), (&"cache".into(), &"trusted".into()));
    let warm = explain();
    assert_eq!((&warm["state"]["is"], &warm["name"]), (&"warm".into(), &name.as_str().into()));
    assert_eq!(warm["fields"].as_array().unwrap().len(), 6);
    let untrusted = ["explain", "/cache", "--untrusted", "--project", &place.project];
    assert_eq!(place.json(&untrusted)["state"]["is"], "cold");

    let inspected = place.json(&["inspect", &name]);
    assert_eq!(inspected["record"]["project"], place.project.as_str());
    assert_eq!(inspected["used_by"].as_array().unwrap().len(), 0);

    let other = listed.iter().find(|volume| volume["destination"] == "/other").unwrap();
    let refused = place.volumes(&["rm", "--owner", "somebody-else", &name]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("belongs to the owner"), "{}", stderr(&refused));
    let removed = place.volumes(&["rm", &name, "no-such-volume", other["name"].as_str().unwrap()]);
    assert_eq!(removed.status.code(), Some(1), "one of the three is not there");
    assert!(stderr(&removed).contains("there is no volume no-such-volume"));
    assert!(place.list().is_empty(), "the other two are gone");
    assert_eq!(explain()["state"]["is"], "cold");
    assert_eq!(place.volumes(&["inspect", &name]).status.code(), Some(1));
}

#[test]
fn in_memory_a_volume_is_made_listed_explained_and_removed() {
    a_volumes_way(&Place::in_memory());
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn on_an_engine_a_volume_is_made_listed_explained_and_removed() {
    a_volumes_way(&Place::on_a_real_engine("way"));
}

#[test]
fn a_list_is_of_one_owner_unless_all_are_asked_for() {
    let place = Place::in_memory();
    place.run(&["--volume", "/cache"], "true");
    place.run(&["--volume", "/cache", "--owner", "other"], "true");
    assert_eq!(place.list().len(), 1);
    assert_eq!(place.json(&["ls", "--all-owners"]).as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["ls", "--owner", "other"]).as_array().unwrap().len(), 1);
    let table = place.volumes(&["ls"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.lines().count(), 2, "{table}");
}

#[test]
fn what_is_no_cache_is_explained_too() {
    let place = Place::in_memory();
    let state = |more: &[&str]| place.json(&[&["explain", "--project", "p"], more].concat());
    assert_eq!(state(&["/cache", "--no-cache"])["state"]["is"], "temporary");
    assert_eq!(state(&["data:/d"])["state"]["is"], "foreign");
    assert_eq!(state(&["/cache", "--cache-dir", "/srv"])["kind"], "directory");
    let driver = state(&["/cache", "--volume-driver", "nfs"]);
    assert_ne!(driver["name"], state(&["/cache"])["name"]);
    let windows = state(&["--os", "windows", "C:/Cache"]);
    assert_eq!(windows["fields"][5]["value"], r"c:\cache");
    let text = place.volumes(&["explain", "/cache", "--project", "p"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("cold after") && text.contains("because of"), "{text}");
}

fn engine() -> BollardDocker {
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
    BollardDocker::new(endpoint).unwrap()
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn strangers_and_what_is_in_use_is_not_removed_and_the_user_is_named() {
    let place = Place::on_a_real_engine("in-use");
    let engine = engine();
    let stranger = VolumeName::new(format!("{}-stranger", place.project)).unwrap();
    engine.create_volume(&VolumeRequest::new(stranger.clone())).await.unwrap();
    let refused = place.volumes(&["rm", stranger.as_str()]);
    engine.remove_volume(&stranger).await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("was not made by berth"), "{}", stderr(&refused));

    place.run(&["--volume", "/cache"], "true");
    let name = place.list()[0]["name"].as_str().unwrap().to_owned();
    let user = format!("{}-user", place.project);
    let mut request = ContainerRequest::new(user.parse().unwrap(), place.image.parse().unwrap());
    request.arguments = vec!["true".to_owned()];
    request.labels = [("dev.berth.owner".to_owned(), place.owner.clone())].into();
    let source = MountSource::Volume {
        name: name.parse().unwrap(),
        labels: std::collections::BTreeMap::new(),
        driver: None,
        options: std::collections::BTreeMap::new(),
        no_copy: false,
    };
    request.mounts = vec![Mount::new("/cache", source)];
    let container = engine.create_container(&request).await.unwrap().id;
    let refused = place.volumes(&["rm", &name]);
    let inspected = place.json(&["inspect", &name]);
    engine.remove_container(&container).await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains(&format!("in use by the container {user}")),
        "{}",
        stderr(&refused)
    );
    assert_eq!(inspected["used_by"][0]["name"], user.as_str());
    assert_eq!(inspected["used_by"][0]["status"], "created");
    assert_eq!(place.volumes(&["rm", &name]).status.code(), Some(0));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn sizes_are_measured_when_asked_for() {
    let place = Place::on_a_real_engine("size");
    place.run(&["--volume", "/cache"], "head -c 100000 /dev/zero > /cache/file");
    let listed = place.json(&["ls", "--project", &place.project, "--size"]);
    let bytes = listed[0]["bytes"].as_u64().unwrap();
    assert!((100_000..200_000).contains(&bytes), "{bytes}");
    assert!(place.list()[0].get("bytes").is_none(), "not measured unless asked for");
}
