//! Which runner is read.

use super::fixture::{docker, read, read_named};
use crate::config::file::{ConfigError, ConfigNoteKind};

const SEVERAL: &str = "
[[runners]]
name = \"shell\"
executor = \"shell\"
future_key = 1
[[runners]]
name = \"one\"
executor = \"docker\"
[runners.docker]
image = \"one\"
[[runners]]
name = \"two\"
executor = \"docker\"
[runners.docker]
image = \"two\"
";

#[test]
fn a_runner_is_chosen_by_its_name() {
    for name in ["one", "two"] {
        let runner = read_named(SEVERAL, name).unwrap();
        assert_eq!(runner.name, name);
        assert_eq!(runner.config.images.default.unwrap().name.as_str(), name);
    }
}

#[test]
fn without_a_name_the_only_docker_runner_is_chosen() {
    let (before, _) = SEVERAL.split_once("[[runners]]\nname = \"two\"").unwrap();
    assert_eq!(read(before).unwrap().name, "one");
}

#[test]
fn several_that_could_be_meant_are_an_error_that_lists_them() {
    match read(SEVERAL) {
        Err(ConfigError::ManyRunners { names }) => assert_eq!(names, ["one", "two"]),
        other => panic!("{other:?}"),
    }
    let twins = format!("{SEVERAL}[[runners]]\nname = \"one\"\nexecutor = \"docker\"");
    match read_named(&twins, "one") {
        Err(ConfigError::ManyRunners { names }) => assert_eq!(names, ["one", "one"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn none_that_could_be_meant_is_an_error_that_lists_all() {
    match read_named(SEVERAL, "three") {
        Err(ConfigError::NoRunner { wanted, names }) => {
            assert_eq!(wanted.as_deref(), Some("three"));
            assert_eq!(names, ["shell", "one", "two"]);
        }
        other => panic!("{other:?}"),
    }
    for text in ["", "concurrent = 1", "[[runners]]\nexecutor = \"shell\"", "runners = []"] {
        assert!(matches!(read(text), Err(ConfigError::NoRunner { wanted: None, .. })), "{text}");
    }
}

#[test]
fn an_executor_of_another_sort_is_refused_by_name_too() {
    for executor in ["shell", "kubernetes", "docker-windows", "Docker", "docker-ssh"] {
        let text = format!("[[runners]]\nname = \"r\"\nexecutor = \"{executor}\"");
        match read_named(&text, "r") {
            Err(ConfigError::Value { key, line: 3, .. }) => assert_eq!(key, "runners.executor"),
            other => panic!("{executor}: {other:?}"),
        }
    }
    for text in ["[[runners]]\nname = \"r\"", "[[runners]]\nname = \"r\"\nexecutor = \"\""] {
        let read = read_named(text, "r");
        assert!(
            matches!(read, Err(ConfigError::Value { ref key, .. }) if key == "runners.executor"),
            "{read:?}"
        );
    }
}

#[test]
fn runners_with_machines_are_read_and_the_machines_noted() {
    for executor in ["docker+machine", "docker-autoscaler"] {
        let text = docker("").replace("\"docker\"", &format!("\"{executor}\""));
        let runner = read(&format!("{text}[runners.machine]\nIdleCount = 1\n")).unwrap();
        for key in ["runners.executor", "runners.machine"] {
            assert!(runner.notes.iter().any(|note| note.key == key), "{executor} {key}");
        }
        assert_eq!(runner.notes[0].kind, ConfigNoteKind::Differs);
    }
}

#[test]
fn the_owner_is_the_callers() {
    assert_eq!(read(&docker("")).unwrap().config.owner, "me");
}
