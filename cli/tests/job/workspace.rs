//! Files: a project into a job, artifacts out of it.

use std::{fs, path::Path, process::Command, time::Duration};

use tokio::time::Instant;

use crate::project::{Project, stderr, stdout, text};

/// A project under Git: tracked, ignored and new files. They are old: what has just changed is sent
/// again, since it could change within its second.
fn checkout(project: &Project) -> String {
    let folder = project.path("checkout");
    fs::create_dir_all(folder.join("src/deep")).unwrap();
    fs::create_dir_all(folder.join("target")).unwrap();
    for (name, content) in [
        ("a.txt", "a\n"),
        ("b.txt", "b\n"),
        ("src/deep/c.txt", "c\n"),
        (".gitignore", "target/\n*.log\n"),
        ("target/big", "ignored\n"),
        ("x.log", "ignored\n"),
        ("tracked.log", "tracked\n"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    let run = "git init -q . && git add . && git add -f tracked.log && printf 'new\\n' >new.txt \
               && printf '#!/bin/sh\\necho it runs\\n' >run && chmod 755 run && ln -s a.txt link \
               && find . -exec touch -h -d '1 hour ago' {} +";
    let made = Command::new("sh").args(["-ec", run]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    text(&folder).to_owned()
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_git_knows_is_copied_and_later_only_what_changed() {
    let project = Project::new("copied");
    let folder = checkout(&project);
    let more = ["--quiet", "--workspace", &folder];
    let list =
        "find . -type f -o -type l | grep -v '/\\.berth' | sort | tr '\\n' ' '; ./run; cat link";
    let (output, report) = project.report(&mut project.script(&more, list));
    let all = "./.gitignore ./a.txt ./b.txt ./link ./new.txt ./run ./src/deep/c.txt ./tracked.log ";
    assert_eq!(stdout(&output), format!("{all}it runs\na\n"), "{}", stderr(&output));
    let sent = report["upload"]["files"].as_u64().unwrap();
    assert!((7..=8).contains(&sent), "{report}");

    let (output, report) = project.report(&mut project.script(&more, "cat a.txt; touch made"));
    assert_eq!(stdout(&output), "a\n", "{}", stderr(&output));
    assert_eq!(report["upload"]["files"], 0, "nothing has changed: {report}");
    assert_eq!(report["volumes"][0]["state"], "reused", "{report}");

    fs::write(Path::new(&folder).join("a.txt"), "changed\n").unwrap();
    fs::remove_file(Path::new(&folder).join("b.txt")).unwrap();
    let (output, report) =
        project.report(&mut project.script(&more, "cat a.txt; ls b.txt made || true"));
    assert_eq!(stdout(&output), "changed\nmade\n", "{}", stderr(&output));
    assert_eq!(report["upload"]["files"], 1, "{report}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_a_job_did_to_the_projects_files_is_repaired_before_the_next_one() {
    let project = Project::new("repaired");
    let folder = checkout(&project);
    let more = ["--quiet", "--workspace", &folder];
    for damage in [
        "echo bad >a.txt",
        "rm -r src",
        "rm -r src; echo file >src",
        "rm a.txt; mkdir -p a.txt/b",
        "chmod 600 run; rm link; ln -s /etc/passwd link",
        "rm -r src; ln -s /etc src",
    ] {
        let script = format!("cat a.txt src/deep/c.txt; ./run; readlink link; {damage}");
        let output = project.script(&more, &script).output().unwrap();
        assert_eq!(stdout(&output), "a\nc\nit runs\na.txt\n", "{damage}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{damage}");
    }
    let output = project.script(&more, "cat a.txt src/deep/c.txt; test ! -e /etc/deep").output();
    assert_eq!(stdout(&output.unwrap()), "a\nc\n");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn whoever_the_image_runs_as_can_write() {
    let project = Project::new("owner");
    let folder = checkout(&project);
    for user in ["1234", "1234:4321", "0"] {
        let project = Project::new("owner");
        let more = ["--quiet", "--user", user, "--workspace", &folder];
        let script =
            "echo x >>a.txt; echo y >src/deep/new; mkdir m; mv b.txt m/; ls m; tail -n 1 a.txt";
        for _ in 0..2 {
            let output = project.script(&more, &format!("{script}; rm -r m")).output().unwrap();
            assert_eq!(stdout(&output), "b.txt\nx\n", "as {user}: {}", stderr(&output));
        }
        project.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_bound_folder_is_the_folder_itself() {
    let project = Project::new("bind");
    let folder = checkout(&project);
    let more = ["--quiet", "--workspace", &folder, "--bind", "--allow-host-paths"];
    let output = project.script(&more, "cat a.txt; echo made >target/made").output().unwrap();
    assert_eq!(stdout(&output), "a\n", "{}", stderr(&output));
    assert_eq!(fs::read_to_string(format!("{folder}/target/made")).unwrap(), "made\n");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn artifacts_are_what_was_asked_for_and_stay_in_their_folder() {
    let project = Project::new("artifacts");
    let folder = checkout(&project);
    let output_folder = project.path("out");
    let outside = project.path("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "mine\n").unwrap();
    fs::create_dir_all(&output_folder).unwrap();
    // Where artifacts belong, somebody has put a link.
    std::os::unix::fs::symlink(&outside, output_folder.join("dist")).unwrap();
    std::os::unix::fs::symlink(outside.join("file"), output_folder.join("single")).unwrap();
    let more = [
        "--workspace",
        &folder,
        "--artifact",
        "dist/**",
        "--artifact",
        "!**/*.tmp",
        "--artifact",
        "single",
        "--artifact",
        "tree",
        "--artifact",
        "no-such/*",
        "--output",
        text(&output_folder),
    ];
    let script =
        "mkdir -p dist/sub tree; echo 1 >dist/file; echo 2 >dist/sub/two; echo 3 >dist/x.tmp
        echo s >single; echo t >tree/t; ln -s /etc/passwd tree/absolute; ln -s ../../../x tree/up
        ln -s t tree/good; echo n >not-asked; exit 3";
    let (output, report) = project.report(&mut project.script(&more, script));
    assert_eq!(output.status.code(), Some(3), "the script's own end: {}", stderr(&output));
    let read = |name: &str| fs::read_to_string(output_folder.join(name)).ok();
    assert_eq!(read("single").as_deref(), Some("s\n"), "{report}");
    assert_eq!(read("tree/t").as_deref(), Some("t\n"));
    assert_eq!(read("tree/good").as_deref(), Some("t\n"));
    for absent in ["tree/absolute", "tree/up", "not-asked", "a.txt", "dist/x.tmp"] {
        assert!(fs::symlink_metadata(output_folder.join(absent)).is_err(), "{absent}");
    }
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "mine\n", "never touched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "never touched");
    assert!(stderr(&output).contains("no artifact matches"), "{}", stderr(&output));
    assert!(stderr(&output).contains("tree/absolute"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn twenty_thousand_small_files_take_seconds() {
    let project = Project::new("many");
    let folder = project.path("many");
    for part in 0..100 {
        let part = folder.join(format!("part-{part}"));
        fs::create_dir_all(&part).unwrap();
        for file in 0..200 {
            fs::write(part.join(format!("file-{file}")), format!("{file}\n")).unwrap();
        }
    }
    let more = ["--quiet", "--workspace", text(&folder)];
    let count = "find . -name 'file-*' | wc -l";
    for (run, limit) in [("first", 300), ("second", 150)] {
        let begin = Instant::now();
        let (output, report) = project.report(&mut project.script(&more, count));
        let took = begin.elapsed();
        assert_eq!(stdout(&output), "20000\n", "{}", stderr(&output));
        println!("the {run} run took {took:?}: {}", report["upload"]);
        assert!(took < Duration::from_secs(limit), "the {run} run took {took:?}");
    }
    project.assert_nothing_left();
}
