//! Runs every script both ways and compares what was seen.

use std::{collections::HashMap, env, fmt::Write as _, sync::LazyLock};

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::{
    berth, groups, plain,
    script::{Script, Shell},
};

/// How many containers run at once, in all tests of this program together.
static CONTAINERS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(6));
/// The most scripts that share a container.
const SHARE: usize = 20;
/// How much of a stream a report shows.
const SHOWN: usize = 1500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i64),
    /// Without an exit code: out of time, or with an error.
    Otherwise(String),
}

/// What a script did, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) ended: Ended,
}

impl Seen {
    /// What was seen, without what differs between any two runs: the shell's name for its script, and
    /// the process ids with which bash reports children that a signal ended.
    pub(crate) fn new(stdout: &[u8], stderr: &[u8], script: &str, ended: Ended) -> Self {
        let stderr = replace(stderr, script.as_bytes());
        Self { stdout: replace(stdout, script.as_bytes()), stderr: without_ids(stderr), ended }
    }

    pub(crate) fn ended(ended: Ended) -> Self {
        Self { stdout: Vec::new(), stderr: Vec::new(), ended }
    }
}

/// Replaces a shell's name for its script by one that is the same on both sides.
fn replace(stream: &[u8], name: &[u8]) -> Vec<u8> {
    let mut rest = stream;
    let mut replaced = Vec::with_capacity(stream.len());
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(name) {
            replaced.extend_from_slice(b"SCRIPT");
            rest = after;
        } else {
            replaced.push(rest[0]);
            rest = &rest[1..];
        }
    }
    replaced
}

/// Replaces the process id in lines such as `line 1:     8 Killed    sh`.
fn without_ids(stream: Vec<u8>) -> Vec<u8> {
    const STATES: [&str; 6] = [
        " Killed ",
        " Segmentation fault ",
        " Aborted ",
        " Terminated ",
        " Done ",
        " Broken pipe ",
    ];
    let Ok(text) = str::from_utf8(&stream) else { return stream };
    let line = |line: &str| {
        let Some(end) = STATES.iter().find_map(|state| line.find(state)) else {
            return line.to_owned();
        };
        let start = line[..end].trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
        format!("{start} PID{}", &line[end..])
    };
    text.split_inclusive('\n').map(line).collect::<String>().into_bytes()
}

/// Runs all scripts for a shell both ways; fails with every script that differs.
pub(crate) async fn compare(shell: Shell) {
    let only = env::var("BERTH_PLAIN_ONLY").unwrap_or_default();
    let scripts: Vec<&Script> = groups::all()
        .filter(|script| script.runs_in(shell) && script.name.contains(&only))
        .collect();
    let groups = share(&scripts);
    let plain = scripts.iter().map(async |script| {
        let _permit = CONTAINERS.acquire().await.unwrap();
        plain::run(script, shell).await
    });
    let berth = groups.iter().map(async |group| {
        let _permit = CONTAINERS.acquire().await.unwrap();
        berth::run(group, shell).await
    });
    let (berth, plain) = tokio::join!(join_all(berth), join_all(plain));
    let berth: HashMap<&str, &Seen> = groups
        .iter()
        .zip(&berth)
        .flat_map(|(group, seen)| group.iter().map(|script| script.name).zip(seen))
        .collect();

    let mut report = String::new();
    let mut faults = 0;
    for (script, plain) in scripts.iter().zip(&plain) {
        let berth = berth[script.name];
        let is_allowed = script.differs_in(shell);
        if (plain != berth) == is_allowed {
            continue;
        }
        faults += 1;
        if is_allowed {
            let _ = writeln!(report, "=== {}: no longer differs\n", script.name);
            continue;
        }
        let text: String = script.text().chars().take(SHOWN / 3).collect();
        let _ = writeln!(report, "=== {} {:?}\n{text}", script.name, script.variables);
        for (side, seen) in [("plain", plain), ("berth", berth)] {
            let _ = writeln!(report, "--- {side}: {:?}", seen.ended);
            for (name, stream) in [("stdout", &seen.stdout), ("stderr", &seen.stderr)] {
                let _ = writeln!(report, "  {name}, {} bytes: {}", stream.len(), shown(stream));
            }
        }
        report.push('\n');
    }
    assert_eq!(faults, 0, "{faults} of {} scripts in {shell:?}:\n{report}", scripts.len());
}

/// The scripts in groups, each of which can share a container.
fn share<'a>(scripts: &[&'a Script]) -> Vec<Vec<&'a Script>> {
    let mut groups: Vec<Vec<&Script>> = Vec::new();
    for script in scripts {
        let fits = |group: &&mut Vec<&Script>| {
            let first = group[0];
            let same = first.variables == script.variables && first.setting == script.setting;
            same && !first.alone && !script.alone && group.len() < SHARE
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(script),
            None => groups.push(vec![script]),
        }
    }
    groups
}

fn shown(stream: &[u8]) -> String {
    let end = stream.len().min(SHOWN);
    String::from_utf8_lossy(&stream[..end]).escape_debug().to_string().replace("\\n", "\\n\n    ")
}

#[test]
fn process_ids_of_ended_children_are_replaced() {
    let text = "S: line 1:     8 Killed                  sh\n    12 Done                    | cat\nKilled 5\n";
    let expected =
        "S: line 1: PID Killed                  sh\n PID Done                    | cat\nKilled 5\n";
    assert_eq!(without_ids(text.into()), expected.as_bytes());
}
