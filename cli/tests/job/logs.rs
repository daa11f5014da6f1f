//! Logs: what a job writes is what its user reads, but for secrets.

use std::{io::Read as _, process::Stdio, time::Duration};

use rustix::process::Signal;
use tokio::time::Instant;

use crate::project::{Project, Running, stderr, stdout};

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn both_outputs_arrive_apart_and_byte_for_byte() {
    let project = Project::new("apart");
    let script = "seq 1 7000000 & seq 7000001 13000000 >&2; wait";
    let output = project.script(&["--quiet"], script).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let numbers = |from: u32, to: u32| {
        let lines = (from..=to).map(|number| format!("{number}\n"));
        lines.collect::<String>().into_bytes()
    };
    assert!(output.stdout.len() > 50_000_000, "{}", output.stdout.len());
    // Without a message of 50 MB each.
    assert!(output.stdout == numbers(1, 7_000_000), "standard output");
    assert!(output.stderr == numbers(7_000_001, 13_000_000), "standard error");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_line_of_200_mb_passes_in_little_memory() {
    let project = Project::new("line");
    let script = "dd if=/dev/zero bs=1M count=200 2>/dev/null | tr '\\0' x; echo; sleep 1";
    let mut command = project.script(&["--quiet", "--secret", "TOKEN=xy-hush"], script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut output = child.stdout.take().unwrap();
    let (mut length, mut piece) = (0, vec![0; 1 << 20]);
    let mut peak = String::new();
    while let Ok(more @ 1..) = output.read(&mut piece) {
        length += more;
        // Not at the end alone: of a process that has ended nothing is said but its name.
        if length > 190 << 20 {
            let status = std::fs::read_to_string(&status).unwrap();
            let said = status.lines().find(|line| line.starts_with("VmHWM"));
            peak = said.map_or(peak, ToOwned::to_owned);
        }
    }
    assert_eq!((child.wait().unwrap().code(), length), (Some(0), (200 << 20) + 1));
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 64 << 10, "{peak}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_is_no_text_passes_unchanged() {
    let project = Project::new("bytes");
    let script = r"printf '\377\376\000\201\r\n\033[1m\303'; printf '\200\n\n' >&2";
    let output = project.script(&["--quiet", "--secret", "A=hush"], script).output().unwrap();
    assert_eq!(output.stdout, b"\xff\xfe\0\x81\r\n\x1b[1m\xc3");
    assert_eq!(output.stderr, b"\x80\n\n");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_secret_is_masked_however_it_is_written() {
    let project = Project::new("masked");
    let more = ["--quiet", "--secret", "TOKEN=hush-token", "--secret", "KEY=one\ntwo"];
    for (script, out, err, after_pause) in [
        ("echo \"<$TOKEN>\"; echo \"<$TOKEN>\" >&2", "<[MASKED]>\n", "<[MASKED]>\n", &[][..]),
        (
            "printf hush; printf -- -tok; printf 'en|'",
            "[MASKED]|",
            "",
            &["hush[MASKED]|", "hush-tok[MASKED]|"],
        ),
        ("printf hush; sleep 0.05; printf -- -token", "[MASKED]", "", &["hush[MASKED]"]),
        (
            "echo \"$KEY\"; echo one; echo two",
            "[MASKED]\n[MASKED]\n",
            "",
            &["[MASKED]\none\n[MASKED]\n"],
        ),
        // Each output is a stream of its own.
        (
            "printf hush; printf hush >&2; printf -- -token; printf -- -to >&2",
            "[MASKED]",
            "hush-to",
            &["hush[MASKED]"],
        ),
        ("printf hush-to", "hush-to", "", &[]),
        ("set -x; : $TOKEN", "", "+ : [MASKED]\n", &[]),
    ] {
        // What may begin a secret is not held for ever: on a machine that is busy with other work even
        // two `printf` may have a longer pause between them. The rest is masked all the same, and one
        // that pauses of its own accord may always be late.
        let is_whole = (0..10).any(|_| {
            let output = project.script(&more, script).output().unwrap();
            let written = stdout(&output);
            let paused = after_pause.contains(&written.as_str());
            let written = if paused { out } else { &written };
            assert_eq!((written, stderr(&output).as_str()), (out, err), "{script}");
            !paused || script.contains("sleep")
        });
        assert!(is_whole, "{script}: what it wrote in parts was never masked as a whole");
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_line_without_end_appears_at_once_although_it_could_begin_a_secret() {
    let project = Project::new("live");
    let script = "echo ready; printf 'prompt: hush-'; sleep 300";
    let mut command = project.script(&["--quiet", "--secret", "TOKEN=hush-token"], script);
    let mut running = Running::start(&mut command, "ready\n");
    let begin = Instant::now();
    let mut prompt = [0; 13];
    running.child().stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    let took = begin.elapsed();
    assert_eq!(&prompt, b"prompt: hush-");
    // Not when the script ends.
    assert!(took < Duration::from_mins(1), "{took:?}");
    running.signal(Signal::TERM);
    assert_eq!(running.end().status.code(), Some(130));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_log_that_reaches_its_limit_ends_and_says_so_and_the_job_goes_on() {
    let project = Project::new("limit");
    for code in [0, 7] {
        let script = format!("seq 1 20000; sleep 1; echo end; exit {code}");
        let more = ["--log-limit", "10KB"];
        let (output, report) = project.report(&mut project.script(&more, &script));
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(output.stdout.len(), 10_000);
        assert!(stderr(&output).contains("the log is not complete"), "{}", stderr(&output));
        assert_eq!(report["log"]["complete"], false);
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_reader_that_goes_away_does_not_end_the_job() {
    let project = Project::new("reader");
    let script = "echo ready; seq 1 200000; echo end >&2; exit 5";
    let mut running = Running::start(&mut project.script(&["--quiet"], script), "ready\n");
    drop(running.child().stdout.take());
    assert_eq!(running.end().status.code(), Some(5));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn lines_begin_with_the_time_and_steps_are_sections() {
    let project = Project::new("marks");
    let keys = "after_script = \"echo after\"\n[[steps]]\nname = \"Build it\"
        script = \"echo one; echo two >&2; printf three\"\n";
    let more = ["--quiet", "--timestamps", "--sections"];
    let output = project.job(&more, keys).output().unwrap();
    let out = stdout(&output);
    let time = |line: &str| {
        let (time, rest) = line.split_at(28);
        assert!(time.starts_with("20") && time.ends_with("Z "), "{line:?}");
        rest.to_owned()
    };
    assert_eq!(time(&stderr(&output)), "two\n");
    // A line end, also the one that a script left out, and what a terminal does not show.
    let parts: Vec<&str> = out.split("\r\x1b[0K").collect();
    assert!(parts[0].starts_with("\x1b[0Ksection_start:"), "{out:?}");
    assert!(parts[0].ends_with(":build_it"), "{out:?}");
    let (lines, end) = parts[1].split_once("\n\x1b[0Ksection_end:").unwrap();
    let lines: Vec<String> = lines.lines().map(time).collect();
    assert_eq!(lines, ["one", "three"]);
    assert!(end.ends_with(":build_it"), "{out:?}");
    assert!(parts[2].ends_with(":after_script"), "{out:?}");
    assert_eq!(parts.len(), 5, "{out:?}");
    project.assert_nothing_left();
}
