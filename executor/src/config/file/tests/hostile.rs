//! Files that nobody should have written.

use proptest::prelude::*;

use super::fixture::{all_keys, docker, in_section, path, read, sample};
use super::full::FULL;
use crate::config::file::{
    ConfigError, ConfigNote, ConfigNoteKind,
    key::{Kind, Treatment},
};

/// Values of every type of TOML.
const VALUES: [(&str, &str); 9] = [
    ("string", "\"x\""),
    ("integer", "7"),
    ("float", "1.5"),
    ("boolean", "true"),
    ("datetime", "2026-11-25T10:00:00Z"),
    ("array", "[7]"),
    ("array", "[[\"x\"]]"),
    ("table", "{ x = 7 }"),
    ("table", "{ x = { y = \"z\" } }"),
];

/// Whether a value of that sort is no wrong type.
fn fits(kind: Kind, found: &str) -> bool {
    match kind {
        Kind::Text | Kind::TextOrTexts => found == "string",
        Kind::Integer => found == "integer",
        Kind::Boolean => found == "boolean",
        Kind::Moment => found == "string" || found == "datetime",
        Kind::Table => found == "table",
        Kind::Texts | Kind::TextTable | Kind::BooleanTable | Kind::TextsTable | Kind::Tables => {
            false
        }
    }
}

#[test]
fn every_key_refuses_every_other_type() {
    let mut tried = 0;
    for (section, key) in all_keys() {
        for (found, value) in VALUES {
            if fits(key.kind, found) {
                continue;
            }
            let text = in_section(section, &format!("{} = {value}", key.name));
            let error = read(&text).unwrap_err();
            let ConfigError::WrongType { key: named, expected, .. } = error else {
                panic!("{} = {value}: {error:?}", path(section, key.name));
            };
            assert!(named.starts_with(&path(section, key.name)), "{named}");
            assert!(!expected.is_empty());
            tried += 1;
        }
    }
    assert!(tried > 800, "{tried}");
}

#[test]
fn a_key_that_has_no_effect_is_never_silent() {
    for (section, key) in all_keys() {
        let text = in_section(section, &format!("{} = {}", key.name, sample(key.kind)));
        match key.treatment {
            Treatment::Supported(_) | Treatment::Section(_) | Treatment::Sections(..) => {}
            Treatment::Noted(kind, _) => {
                let notes = read(&text).unwrap().notes;
                let note = notes.iter().find(|note| note.key == path(section, key.name));
                assert_eq!(note.unwrap().kind, kind, "{}", key.name);
            }
            Treatment::Refused { .. } => {
                let error = read(&text).unwrap_err();
                assert!(matches!(error, ConfigError::Unsupported { .. }), "{error:?}");
            }
        }
    }
}

#[test]
fn unknown_keys_are_noted_with_the_closest_known_key() {
    for (section, line, similar) in [
        ("", "concurent = 1", Some("concurrent")),
        ("", "quite_other = 1", None),
        ("runners", "exectuor = \"x\"", Some("executor")),
        ("runners", "memory = \"1g\"", Some("runners.docker.memory")),
        ("runners", "disable_verbose = false", None),
        ("runners.docker", "memroy = \"1g\"", Some("memory")),
        ("runners.docker", "pull-policy = \"never\"", Some("pull_policy")),
        ("runners.docker", "pids_limit = 1", Some("runners.berth.pids_limit")),
        ("runners.docker", "concurrent = 1", Some("concurrent")),
        ("runners.docker", "future = { a = [1] }", None),
        ("runners.docker.services", "aliases = \"x\"", Some("alias")),
        ("runners.docker", "\"\" = 1", None),
        ("runners.docker", "\"m\\u0065mory\\n\" = 1", Some("memory")),
    ] {
        let runner = read(&in_section(section, line)).unwrap();
        let of_kind = |note: &&ConfigNote| note.kind == ConfigNoteKind::Unknown;
        let note = runner.notes.iter().find(of_kind).unwrap_or_else(|| panic!("{line}"));
        assert_eq!((note.suggestion.as_deref(), note.column), (similar, 1), "{line}");
        assert!(note.key.starts_with(section) && !note.to_string().contains('\n'), "{note}");
        match runner.check_strict() {
            Err(ConfigError::Strict { notes }) => assert_eq!(notes, std::slice::from_ref(note)),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn unknown_keys_of_berths_own_table_are_errors() {
    for (line, similar) in
        [("stop_graze = \"1s\"", Some("stop_grace")), ("trust = \"trusted\"", None)]
    {
        match read(&in_section("runners.berth", line)) {
            Err(ConfigError::UnknownKey { similar: nearest, line: 4, column: 1, .. }) => {
                assert_eq!(nearest.as_deref(), similar, "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn strict_reading_accepts_what_needs_no_warning() {
    let text = format!("concurrent = 1\n{}url = \"x\"\n", in_section("runners", "token = \"x\""));
    let runner = read(&text).unwrap();
    assert!(runner.notes.len() > 2);
    runner.check_strict().unwrap();
}

#[test]
fn strict_errors_list_every_line_and_stay_short() {
    let keys: Vec<_> = (0..5000).map(|number| format!("future_{number} = 1")).collect();
    let keys = keys.join("\n");
    let runner = read(&docker(&format!("memroy = \"1g\"\n{keys}"))).unwrap();
    let error = runner.check_strict().unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with("line 4: runners.docker.memroy: is unknown"), "{shown}");
    assert!(shown.contains("did you mean memory?") && shown.len() < 1000, "{shown}");
}

#[test]
fn errors_tell_line_and_column() {
    match read(&docker("image = \"a\"\nmemory = \"12x\"")) {
        Err(ConfigError::Value { key, line: 5, column: 10, value, .. }) => {
            assert_eq!(
                (key.as_str(), value.as_deref()),
                ("runners.docker.memory", Some("\"12x\""))
            );
        }
        other => panic!("{other:?}"),
    }
    match read(&docker("dns = [ \"192.0.2.1\",\n  \"ä\", 7 ]")) {
        Err(ConfigError::WrongType { line: 5, column: 8, found, .. }) => {
            assert_eq!(found, "integer");
        }
        other => panic!("{other:?}"),
    }
    match read("concurrent = 1\n[[runners]\nname = 1") {
        Err(ConfigError::Syntax { line: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_error_repeats_a_secret() {
    for text in [
        in_section("", "sentry_dsn = 'https://s3cret@x\u{1}'"),
        in_section("runners", "token = \"glrt-s3cret"),
        in_section("runners", "token = s3cret"),
        in_section("runners", "token = [\"s3cret\"]"),
        in_section("runners", "environment = [\"s3cret\"]"),
        in_section("runners", "environment = [\"A=s3cret\\u0000\"]"),
        in_section("runners", "environment = [\"A=1\", [\"s3cret\"]]"),
        in_section("runners", "pre_build_script = \"login s3cret\\u0000\""),
        in_section("runners.docker.services", "environment = [\"A B=s3cret\"]"),
        docker("volume_driver_ops = { password = \"s3cret\\u0000\" }"),
    ] {
        let error = read(&text).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.hint());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let text = in_section("runners", "token = \"s3cret\"\nenvironment = [\"A=s3cret\"]");
    let text = format!("{text}[runners.docker]\nvolume_driver_ops = {{ password = \"s3cret\" }}\n");
    let shown = format!("{:?}", read(&text).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn nul_is_refused_wherever_a_text_is_read() {
    for line in [
        "image = \"a\\u0000\"",
        "volumes = [\"/a\\u0000\"]",
        "tmpfs = { \"/a\\u0000\" = \"\", b = \"x\" }",
        "container_labels = { a = \"\\u0000\" }",
        "tls_cert_path = \"/a\\u0000b\"",
        "services = [{ name = \"a\", command = [\"\\u0000\"] }]",
    ] {
        let read = read(&docker(line));
        assert!(matches!(read, Err(ConfigError::Value { .. })), "{line}: {read:?}");
    }
    assert!(matches!(read(&docker("image = \"a\0\"")), Err(ConfigError::Syntax { .. })));
}

#[test]
fn what_is_no_toml_is_a_syntax_error() {
    let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_tables = format!("[{}]", vec!["a"; 100_000].join("."));
    let deep_inline = format!("x = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000));
    for text in [
        "[runners",
        "=",
        "a",
        "a = ",
        "a = 1\na = 2",
        "[a]\n[a]",
        "\u{feff}\u{feff}\u{feff}",
        "{\"json\": 1}",
        "runners: yaml",
        deep.as_str(),
        deep_inline.as_str(),
    ] {
        let read = read(text);
        assert!(matches!(read, Err(ConfigError::Syntax { .. })), "{:?}: {read:?}", text.get(..20));
    }
    assert!(read(&deep_tables).is_err());
}

#[test]
fn a_file_of_a_megabyte_is_read_or_refused_in_a_moment() {
    let services = "[[runners.docker.services]]\nname = \"redis:7\"\nsuspend_data_path = \"/x\"\n";
    let many = format!("{}{}", docker(""), services.repeat(15_000));
    assert!(many.len() > 1 << 20);
    let read_many = read(&many).unwrap();
    assert_eq!(read_many.config.services.definitions.len(), 15_000);
    assert_eq!(read_many.notes.len(), 2);

    let line = docker(&format!("volumes = [{}]", "\"/cache\", ".repeat(100_000)));
    assert_eq!(read(&line).unwrap().config.volumes.len(), 100_000);

    let key = docker(&format!("{} = 1", "m".repeat(1 << 20)));
    match read(&key) {
        Ok(runner) => assert!(runner.notes.iter().all(|note| note.to_string().len() < 300)),
        Err(error) => panic!("{error}"),
    }
    let keys: Vec<_> = (0..60_000).map(|number| format!("key_number_{number} = 1")).collect();
    assert_eq!(read(&docker(&keys.join("\n"))).unwrap().notes.len(), 60_001);
    let value = docker(&format!("memory = \"{}\"", "9".repeat(1 << 20)));
    match read(&value) {
        Err(error @ ConfigError::Value { .. }) => assert!(format!("{error:?}").len() < 500),
        other => panic!("{}", other.is_ok()),
    }
    let runners = "[[runners]]\nname = \"r\"\nexecutor = \"docker\"\n".repeat(20_000);
    match read(&runners) {
        Err(error @ ConfigError::ManyRunners { .. }) => assert!(error.to_string().len() < 300),
        other => panic!("{}", other.is_ok()),
    }
}

#[test]
fn two_hundred_services_are_read_and_the_limit_is_kept() {
    let list = "{ name = \"redis:7\", alias = \"a b,c\" }, ".repeat(200);
    let read = read(&docker(&format!("services_limit = 5\nservices = [{list}]"))).unwrap();
    assert_eq!(read.config.services.definitions.len(), 200);
    assert_eq!(read.config.services.limit, Some(5));
}

proptest! {
    #[test]
    fn no_file_panics(from in 0..FULL.len(), length in 0..40_usize, text in "[\\[\\]{}=\"',.a-z0-9\n -]{0,12}|\\PC{0,12}") {
        // The file is ASCII, so that every byte begins a character.
        let to = FULL.len().min(from + length);
        let changed = format!("{}{text}{}", &FULL[..from], &FULL[to..]);
        let shown = match read(&changed) {
            Ok(runner) => format!("{runner:?}"),
            Err(error) => {
                prop_assert!(!error.hint().is_empty());
                error.to_string()
            }
        };
        prop_assert!(!shown.contains('\n'), "{}", shown);
        prop_assert!(!shown.contains("t0ps3cret"), "{}", shown);
    }
}
