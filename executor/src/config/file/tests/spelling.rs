//! Names of keys in another case, and files as editors on Windows write them.

use super::fixture::{docker, in_section, read, read_named};
use crate::config::file::{ConfigError, ConfigNoteKind, RunnerConfig};

/// The keys that are read under another spelling, and their canonical names.
fn spellings(runner: &RunnerConfig) -> Vec<(&str, &str)> {
    let notes = runner.notes.iter().filter(|note| note.kind == ConfigNoteKind::Spelling);
    notes.map(|note| (note.key.as_str(), note.suggestion.as_deref().unwrap_or_default())).collect()
}

#[test]
fn names_of_keys_may_be_in_any_case() {
    let runner = read(&docker("Memory = \"1g\"\nDNS = [\"192.0.2.1\"]\nPull_Policy = \"never\""));
    let runner = runner.unwrap();
    assert_eq!(runner.config.containers.host.memory, Some(1 << 30));
    assert_eq!(runner.config.containers.host.dns, ["192.0.2.1"]);
    assert_eq!(
        spellings(&runner),
        [
            ("runners.docker.Memory", "memory"),
            ("runners.docker.DNS", "dns"),
            ("runners.docker.Pull_Policy", "pull_policy"),
        ]
    );
    assert!(runner.notes[0].to_string().ends_with("runners.docker.Memory: is read as memory"));
    runner.check_strict().unwrap();
}

#[test]
fn tables_and_the_runners_own_keys_may_be_in_any_case() {
    let text = "[[Runners]]\nNAME = \"r\"\nExecutor = \"docker\"\n[Runners.Docker]\nimage = \"a\"\n\
                [[Runners.Docker.Services]]\nName = \"redis:7\"\n[Runners.Berth]\nStop_Grace = \"3s\"\n";
    for runner in [read(text), read_named(text, "r")] {
        let runner = runner.unwrap();
        assert_eq!(runner.name, "r");
        assert_eq!(runner.config.images.default.as_ref().unwrap().name.as_str(), "a");
        assert_eq!(runner.config.services.definitions.len(), 1);
        assert_eq!(runner.config.stop_grace.as_secs(), 3);
        assert_eq!(spellings(&runner).len(), 8, "{:?}", runner.notes);
    }
}

#[test]
fn names_that_are_values_keep_their_case() {
    let runner = read(&docker("container_labels = { Team = \"a\", team = \"b\" }")).unwrap();
    assert_eq!(runner.config.containers.labels.len(), 2);
    assert!(spellings(&runner).is_empty());
}

#[test]
fn two_spellings_of_one_key_are_an_error() {
    for (section, lines, written) in [
        ("runners.docker", "memory = \"1g\"\nMemory = \"2g\"", "memory"),
        ("runners.docker", "Memory = \"1g\"\nmemory = \"2g\"", "Memory"),
        ("runners", "Limit = 1\nLIMIT = 1", "Limit"),
    ] {
        match read(&in_section(section, lines)) {
            Err(error @ ConfigError::DuplicateKey { .. }) => {
                assert!(error.to_string().contains(written), "{error}");
                assert!(!error.hint().is_empty());
            }
            other => panic!("{lines}: {other:?}"),
        }
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_are_accepted() {
    let text = docker("image = \"a\"\nmemory = \"12x\"").replace('\n', "\r\n");
    for text in
        [text.clone(), format!("\u{feff}{text}"), format!("\u{feff}{}", docker("memory = 1"))]
    {
        let error = read(&text).unwrap_err();
        assert!(
            matches!(
                error,
                ConfigError::Value { line: 5, .. } | ConfigError::WrongType { line: 4, .. }
            ),
            "{error:?}"
        );
    }
    let fine = docker("image = \"a\"\n# a comment").replace('\n', "\r\n");
    assert!(read(&format!("\u{feff}{fine}")).unwrap().config.images.default.is_some());
}
