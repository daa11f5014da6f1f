//! `berth spec`, as a user or another program runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::{Value, json};

fn spec(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth")).arg("spec").args(arguments).output().unwrap()
}

/// One object for each spec, and the exit code.
fn read(arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = spec(&[&["--json"], arguments].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (objects, output.status.code())
}

#[test]
fn a_spec_is_an_object_with_every_field() {
    let (objects, code) = read(&["/cache", "data:/d/:nocopy,RO:Z", "/h:/d:rslave"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        objects[0],
        json!({
            "spec": "/cache", "kind": "cache", "source": null, "destination": "/cache",
            "mode": null, "label": null, "propagation": null, "nocopy": null, "consistency": null,
        })
    );
    assert_eq!(
        objects[1],
        json!({
            "spec": "data:/d/:nocopy,RO:Z", "kind": "named", "source": "data", "destination": "/d",
            "mode": "ro", "label": "Z", "propagation": null, "nocopy": true, "consistency": null,
        })
    );
    assert_eq!(
        (&objects[2]["kind"], &objects[2]["propagation"]),
        (&json!("host"), &json!("rslave"))
    );
}

#[test]
fn an_invalid_spec_is_an_object_too_and_the_exit_code_is_2() {
    let (objects, code) = read(&["/ok", "/a:/b:T", ":/x", ""]);
    assert_eq!(code, Some(2));
    assert_eq!(objects.len(), 4);
    assert_eq!(objects[0]["kind"], "cache");
    let error = &objects[1]["error"];
    assert_eq!((&error["part"], &error["column"]), (&json!("option"), &json!(7)));
    assert!(error["message"].as_str().unwrap().contains("unknown"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("nocopy"), "{error}");
    assert_eq!(objects[2]["error"]["part"], "source");
    assert_eq!(objects[3]["error"]["part"], "destination");
}

#[test]
fn options_may_follow_the_specs() {
    let output = spec(&["$DIR/x", "--var", "DIR=/data", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["destination"], "/data/x");
    let (objects, _) = read(&["node_modules", "--workdir", "/builds/app"]);
    assert_eq!(objects[0]["destination"], "/builds/app/node_modules");
}

#[test]
fn windows_is_chosen_not_guessed() {
    let (objects, code) = read(&["--os", "windows", r"C:\a:c:/B:RO", r"\\.\pipe\x:\\.\pipe\x"]);
    assert_eq!(code, Some(0));
    assert_eq!(objects[0]["source"], r"C:\a");
    assert_eq!(objects[0]["destination"], r"c:\B");
    assert_eq!(objects[1]["kind"], "pipe");
    assert_eq!(read(&[r"C:\a:c:/B"]).1, Some(2));
}

/// What GitLab Runner reads and an engine carries out, by its source and destination.
#[test]
fn what_gitlab_runner_accepts_is_accepted() {
    for (spec, source, destination) in [
        ("/dst", "", "/dst"),
        ("/src:/dst", "/src", "/dst"),
        ("name:/dst", "name", "/dst"),
        ("/src with spaces:/dst with spaces:rw", "/src with spaces", "/dst with spaces"),
        ("/:/x", "/", "/x"),
        ("/src:/dst:ro", "/src", "/dst"),
        ("/src:/dst:RW", "/src", "/dst"),
        ("/src:/dst:Ro", "/src", "/dst"),
        ("/src:/dst:O", "/src", "/dst"),
        ("/src:/dst:o", "/src", "/dst"),
        ("/src:/dst:z", "/src", "/dst"),
        ("/src:/dst:ro,z", "/src", "/dst"),
        ("/src:/dst:O,Z", "/src", "/dst"),
        ("/src:/dst:rslave", "/src", "/dst"),
        ("/src:/dst:Shared", "/src", "/dst"),
        ("/src:/dst:ro,rslave", "/src", "/dst"),
        ("/src:/dst:rw:rslave", "/src", "/dst"),
        ("/src:/dst:z,shared", "/src", "/dst"),
        ("/src:/dst:ro:z:rshared", "/src", "/dst"),
        ("/src:/dst:ro,Z,RSLAVE", "/src", "/dst"),
        ("/dst:ro", "", "/dst"),
        ("/dst:z", "", "/dst"),
        ("/dst:shared", "", "/dst"),
        ("/a:/b,z", "/a", "/b,z"),
        ("/src:/some/$VAR/x", "/src", "/some/v/x"),
        ("/src:/${r/$$-t/d", "/src", "/${r/$-t/d"),
        ("/a/../b", "", "/b"),
        ("/a/.", "", "/a"),
    ] {
        let (objects, code) = read(&["--var", "VAR=v", spec]);
        assert_eq!(code, Some(0), "{spec}: {objects:?}");
        assert_eq!(objects[0]["source"].as_str().unwrap_or_default(), source, "{spec}");
        assert_eq!(objects[0]["destination"], destination, "{spec}");
    }
}

#[test]
fn a_table_is_for_people_and_errors_go_to_standard_error() {
    let output = spec(&["/cache:ro", "/a\u{1b}[2J:/b", "/proc\n"]);
    assert_eq!(output.status.code(), Some(2));
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("SPEC") && lines[1].contains("cache"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 4, "{errors}");
    assert!(
        errors.lines().all(|line| line.starts_with("berth: error") || line.starts_with("hint"))
    );
}

#[test]
fn bad_arguments_are_not_bad_specs() {
    for arguments in
        [&["--var", "A", "/x"][..], &["--workdir", "rel", "/x"], &["--os", "bsd", "/x"], &[]]
    {
        assert_eq!(spec(arguments).status.code(), Some(125), "{arguments:?}");
    }
}
