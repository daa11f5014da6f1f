//! Job files and configurations that are wrong or ask for too much: each is refused with what is
//! wrong and what to do, before the engine hears of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    process::{Command, Output},
};

/// Runs `berth` on these files, at an engine that nobody could reach.
fn berth(subcommand: &str, name: &str, job: &[u8], config: Option<&str>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, job).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args([subcommand, "--host", "unix:///nonexistent", "--file"]).arg(&path);
    if let Some(config) = config {
        let path = folder.path().join("config.toml");
        fs::write(&path, config).unwrap();
        command.arg("--config").arg(path);
    }
    let output = command.output().unwrap();
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1 + usize::from(config.is_some()), "nothing was left beside the files");
    output
}

/// One line of error with all `parts` in it and one of hint, and it is not about the engine.
#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{errors}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].starts_with("berth: error: "), "{errors}");
    assert!(lines[1].starts_with("hint: "), "{errors}");
    assert!(!errors.contains("/nonexistent"), "the engine was asked: {errors}");
    for part in parts {
        assert!(lines[0].contains(part), "{part:?} is not in {errors}");
    }
}

const HEAD: &str = "project = \"app\"\ntrust = \"trusted\"\n";
const REST: &str = "image = \"busybox\"\n[[steps]]\nname = \"build\"\nscript = \"true\"\n";

#[track_caller]
fn assert_job_refused(job: &str, parts: &[&str]) {
    for subcommand in ["run", "plan"] {
        assert_refused(&berth(subcommand, "job.toml", job.as_bytes(), None), parts);
    }
}

/// A good job with more of its top-level keys.
#[track_caller]
fn assert_key_refused(more: &str, parts: &[&str]) {
    assert_job_refused(&format!("{HEAD}{more}\n{REST}"), parts);
}

#[track_caller]
fn assert_config_refused(docker: &str, parts: &[&str]) {
    let config = format!("[[runners]]\nexecutor = \"docker\"\n[runners.docker]\n{docker}\n");
    let output = berth("run", "job.toml", format!("{HEAD}{REST}").as_bytes(), Some(&config));
    assert_refused(&output, parts);
}

/// A job that is fine, held against a configuration.
#[track_caller]
fn assert_not_allowed(job: &str, docker: &str, parts: &[&str]) {
    let config = format!("[[runners]]\nexecutor = \"docker\"\n[runners.docker]\n{docker}\n");
    // Without what the configuration says, it is only the engine that is missing.
    let plan = berth("plan", "job.toml", job.as_bytes(), None);
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    assert_refused(&berth("run", "job.toml", job.as_bytes(), Some(&config)), parts);
}

#[test]
fn the_job_that_the_others_are_made_of_is_fine() {
    let job = format!("{HEAD}{REST}");
    assert!(berth("plan", "job.toml", job.as_bytes(), None).status.success());
    let output = berth("run", "job.toml", job.as_bytes(), None);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent"));
}

#[test]
fn wrong_types_are_refused_by_line() {
    for (more, parts) in [
        ("id = 3", &["line 3", "integer"][..]),
        ("volumes = \"/cache\"", &["line 3", "sequence"]),
        ("volumes = [1]", &["line 3", "integer"]),
        ("timeout = 90", &["line 3", "integer"]),
        ("timeout = \"soon\"", &["line 3", "\"soon\""]),
        ("timeout = \"-5s\"", &["line 3", "\"-5s\""]),
        ("services = \"redis\"", &["line 3", "sequence"]),
        ("services = [\"redis\"]", &["line 3"]),
        ("after_script = 1", &["line 3", "script"]),
        ("variables = [\"A=b\"]", &["line 3", "map"]),
        ("variables.A = 1", &["line 3", "text"]),
        ("registries = [{ registry = \"a\" }]", &["line 3", "username"]),
        ("caches = [{ paths = \"/c\" }]", &["line 3", "sequence"]),
    ] {
        assert_key_refused(more, parts);
    }
}

#[test]
fn unknown_keys_are_refused_by_name() {
    for (more, key) in [
        ("volume = [\"/cache\"]", "`volume`"),
        ("services = [{ image = \"redis\", alias = \"x\" }]", "`alias`"),
        ("caches = [{ paths = [\"/c\"], polcy = \"pull\" }]", "`polcy`"),
        ("helper_image = { name = \"busybox\", usr = \"1\" }", "`usr`"),
        ("registries = [{ registry = \"a\", username = \"b\", pasword = \"c\" }]", "`pasword`"),
        ("build = { folder = \"/builds\", strategie = \"clone\" }", "`strategie`"),
    ] {
        assert_key_refused(more, &["line 3", key]);
    }
    assert_job_refused(&format!("{HEAD}{REST}scrpt = \"x\""), &["`scrpt`"]);
}

#[test]
fn what_is_missing_is_named() {
    for (job, part) in [
        (REST.to_owned(), "`project`"),
        (format!("project = \"app\"\n{REST}"), "`trust`"),
        (format!("{HEAD}[[steps]]\nname = \"a\"\nscript = \"b\""), "`image`"),
        (format!("{HEAD}image = \"busybox\""), "`steps`"),
        (format!("{HEAD}image = \"busybox\"\nsteps = []"), "nothing to run"),
        (format!("{HEAD}image = \"busybox\"\n[[steps]]\nscript = \"b\""), "`name`"),
        (format!("{HEAD}image = \"busybox\"\n[[steps]]\nname = \"a\""), "\"a\""),
        (String::new(), "`project`"),
    ] {
        assert_job_refused(&job, &[part]);
    }
}

#[test]
fn words_that_mean_nothing_are_refused() {
    for (more, part) in [
        ("helper_image = \"../x\"", "image reference"),
        ("helper_image = { name = \"x\", pull_policy = \"sometimes\" }", "if-not-present"),
        ("volumes = [\"relative\"]", "relative"),
        ("volumes = [\"/proc\"]", "/proc"),
        ("volumes = [\"/etc:/etc\"]", "/etc"),
        ("working_directory = \"relative\"", "relative"),
        ("caches = [{ paths = [\"/c:ro\"] }]", "\"/c:ro\""),
        ("caches = [{ paths = [\"/c\"], policy = \"push\" }]", "push"),
        ("services = [{ image = \"redis\", aliases = [\"a:b\"] }]", "\"a:b\""),
        ("variables.\"A B\" = \"x\"", "\"A B\""),
        ("variables.\"a-b\" = { value = \"x\", masked = true }", "\"a-b\""),
        ("variables.\"../x\" = { value = \"x\", file = true }", "\"../x\""),
    ] {
        assert_key_refused(more, &[part]);
    }
    let port =
        "services = [{ image = \"redis\", variables = { HEALTHCHECK_TCP_PORT = \"70000\" } }]";
    assert_key_refused(port, &["HEALTHCHECK_TCP_PORT"]);
    assert_job_refused(
        &format!("project = \"app\"\ntrust = \"half\"\n{REST}"),
        &["line 2", "half"],
    );
    let when = format!("{HEAD}{REST}when = \"sometimes\"");
    assert_job_refused(&when, &["sometimes"]);
    let twice = format!("{HEAD}{REST}[[steps]]\nname = \"build\"\nscript = \"true\"");
    assert_job_refused(&twice, &["\"build\""]);
    let reserved = format!("{HEAD}{REST}[[steps]]\nname = \"after_script\"\nscript = \"true\"");
    assert_job_refused(&reserved, &["\"after_script\""]);
}

#[test]
fn undefined_variables_are_named_with_what_they_are_in() {
    for (more, part) in [
        ("volumes = [\"/cache/$NOWHERE\"]", "NOWHERE"),
        ("working_directory = \"/builds/${NOWHERE}\"", "NOWHERE"),
        ("caches = [{ key = \"$NOWHERE\", paths = [\"/c\"] }]", "NOWHERE"),
        ("services = [{ image = \"redis\", aliases = [\"$NOWHERE\"] }]", "NOWHERE"),
        ("services = [{ image = \"redis\", variables = { A = \"$NOWHERE\" } }]", "NOWHERE"),
        ("build = { folder = \"/builds/$NOWHERE\", strategy = \"clone\" }", "NOWHERE"),
    ] {
        assert_key_refused(more, &[part]);
    }
    let job = format!(
        "{HEAD}image = {{ name = \"busybox\", user = \"$NOWHERE\" }}\n\
         [[steps]]\nname = \"a\"\nscript = \"b\""
    );
    assert_job_refused(&job, &["user", "NOWHERE"]);
}

#[test]
fn nul_reaches_no_script_and_no_variable() {
    let nul = "\\u0000";
    let job = format!("{HEAD}image = \"busybox\"\n[[steps]]\nname = \"a\"\nscript = \"b{nul}\"");
    assert_job_refused(&job, &["NUL"]);
    assert_key_refused(&format!("after_script = \"b{nul}\""), &["NUL"]);
    assert_key_refused(&format!("variables.A = \"b{nul}\""), &["NUL"]);
    assert_key_refused(&format!("volumes = [\"/c{nul}\"]"), &["/c"]);
    let steps =
        format!("{HEAD}image = \"busybox\"\nsteps = [{{ name = \"a\", command = [\"{nul}\"] }}]");
    assert_job_refused(&steps, &["NUL"]);
}

#[test]
fn files_that_are_no_text_or_no_such_language_are_refused() {
    for (name, text) in [
        ("job.toml", &b"project = \"app"[..]),
        ("job.toml", b"{}"),
        ("job.toml", b"\xff\xfe"),
        ("job.json", b"{"),
        ("job.json", b"[]"),
        ("job.json", b"project = 1"),
        ("job.json", b"{\"project\": 3}"),
        ("job.json", b"\xff"),
    ] {
        assert_refused(&berth("run", name, text, None), &["job file"]);
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["run", "--host", "unix:///nonexistent", "--file", "/no/such/file"])
        .output();
    assert_refused(&missing.unwrap(), &["/no/such/file"]);
}

#[test]
fn a_secret_beside_an_error_is_not_repeated() {
    let secret = "s3cret-of-all";
    for more in [
        format!("variables.A = {{ value = \"{secret}\", maskd = true }}"),
        format!("variables.A = {{ value = [\"{secret}\"], masked = true }}"),
        format!(
            "registries = [{{ registry = \"a\", username = \"b\", password = \"{secret}\", x = 1 }}]"
        ),
        format!("registries = [{{ registry = \"a\", password = \"{secret}\" }}]"),
        format!("variables.\"A B\" = {{ value = \"{secret}\", masked = true }}"),
        format!("variables.A = {{ value = \"{secret}\""),
    ] {
        let job = format!("{HEAD}{more}\n{REST}");
        let output = berth("run", "job.toml", job.as_bytes(), None);
        assert_refused(&output, &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains(secret), "{errors}");
    }
}

#[test]
fn wrong_configurations_are_refused_by_key() {
    for (docker, parts) in [
        ("memory = \"12x\"", &["memory", "12x"][..]),
        ("memory = \"-1m\"", &["memory", "negative"]),
        ("memory = 5", &["memory"]),
        ("service_memory = \"-5\"", &["service_memory"]),
        ("memory = \"64m\"\nmemory_swap = \"32m\"", &["memory_swap"]),
        ("memory_swap = \"-2\"", &["memory_swap"]),
        ("cpus = \"-1\"", &["cpus"]),
        ("cpu_shares = -1", &["cpu_shares"]),
        ("shm_size = -1", &["shm_size"]),
        ("oom_score_adjust = 5000", &["oom_score_adjust"]),
        ("cpuset_cpus = \"a\"", &["cpuset_cpus"]),
        ("ulimit = { nofile = \"9:1\" }", &["ulimit"]),
        ("ulimit = { nofiles = \"1\" }", &["nofiles"]),
        ("network_mtu = -1", &["network_mtu"]),
        ("mac_address = \"x\"", &["mac_address"]),
        ("extra_hosts = [\"nowhere\"]", &["extra_hosts"]),
        ("devices = [\"\"]", &["devices"]),
        ("volumes = [\"relative\"]", &["volumes"]),
        ("privileged = \"yes\"", &["privileged"]),
        ("[runners.berth]\nprivilegd = true", &["privilegd"]),
        ("pull_policy = \"sometimes\"", &["pull_policy"]),
        ("pull_policy = \"always\"\nallowed_pull_policies = [\"never\"]", &["pull_polic"]),
        ("isolation = \"hyperv\"", &["isolation"]),
        ("container_labels = { \"dev.berth.kind\" = \"x\" }", &["dev.berth."]),
        ("security_opt = [\"seccomp=/no/such/file\"]", &["/no/such/file"]),
        ("[runners.berth]\nstop_grace = \"10\"", &["stop_grace"]),
        ("[runners.berth]\npids_limit = 0", &["pids_limit"]),
        ("memory = \"64m", &["line 4"]),
    ] {
        assert_config_refused(docker, parts);
    }
}

#[test]
fn a_configuration_without_the_runner_is_refused() {
    let job = format!("{HEAD}{REST}");
    for config in ["", "[[runners]]\nexecutor = \"shell\"", "concurrent = \"x\""] {
        assert_refused(&berth("run", "job.toml", job.as_bytes(), Some(config)), &[]);
    }
}

#[test]
fn what_a_configuration_does_not_allow_is_refused() {
    let job = format!("{HEAD}{REST}");
    let image = |more: &str| {
        let image = format!("image = {{ name = \"busybox\", {more} }}");
        job.replace("image = \"busybox\"", &image)
    };
    assert_job_refused(&image("pull_policy = \"always\""), &["always", "if-not-present"]);
    assert_not_allowed(
        &image("pull_policy = \"if-not-present\""),
        "pull_policy = \"never\"",
        &["if-not-present", "never"],
    );
    assert_not_allowed(
        &image("user = \"root\""),
        "allowed_users = [\"1000\", \"nobody\"]",
        &["root"],
    );
    assert_not_allowed(&job, "allowed_images = [\"debian:*\"]", &["busybox"]);
    let service = format!("{HEAD}services = [{{ image = \"redis\" }}]\n{REST}");
    assert_not_allowed(&service, "allowed_services = [\"postgres:*\"]", &["redis"]);
    assert_not_allowed(&service, "network_mode = \"none\"", &["none"]);
    let named = format!("{HEAD}volumes = [\"data:/data\"]\n{REST}");
    assert_not_allowed(&named, "[runners.berth]\nallow_named_volumes = false", &["data"]);
}

#[test]
fn two_hundred_services_are_more_than_a_job_may_have() {
    let services: Vec<String> = (0..200)
        .map(|n| format!("[[services]]\nimage = \"redis\"\naliases = [\"s{n}\"]\n"))
        .collect();
    let services = services.concat();
    let job = format!("{HEAD}{REST}{services}");
    assert_job_refused(&job, &["200", "50"]);
    let docker = "services_limit = 10";
    let config = format!("[[runners]]\nexecutor = \"docker\"\n[runners.docker]\n{docker}\n");
    let output = berth("run", "job.toml", job.as_bytes(), Some(&config));
    assert_refused(&output, &["200", "10"]);
}
