//! `fuzz`: runs the targets of `fuzz/` one after the other, and sums up what they found.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};

use xtask::{failure::failure, process, workspace::Workspace};

/// The releases whose command line this is.
const VERSION: &str = "^0.13";
/// An input that takes longer is a finding.
const INPUT_LIMIT: Duration = Duration::from_secs(10);
/// So is one that takes more memory, in MiB.
const MEMORY_LIMIT: u32 = 1024;
/// The longest input, in bytes: a tar of eight headers, a page of configuration.
const LONGEST_INPUT: u32 = 4096;
/// How many lines of a failed target's log are shown.
const SHOWN: usize = 40;

/// Runs the targets, each for `seconds`; all of them when none is named.
pub(crate) fn run(workspace: &Workspace, seconds: u32, wanted: &[String]) -> Result<()> {
    ensure(workspace)?;
    let mut list = workspace.cargo(["fuzz", "list", "--fuzz-dir", "fuzz"]);
    let known = process::read(&mut list)?;
    let targets = chosen(&known.lines().map(str::to_owned).collect::<Vec<_>>(), wanted)?;
    let folder = workspace.build_directory().join("fuzz");
    let mut failed = Vec::new();
    for target in &targets {
        match fuzz(workspace, &folder, target, seconds)? {
            Ended::Well { executions } => println!("{target}: {executions} inputs, no finding"),
            Ended::Badly { log } => failed.push(format!("{target}: {}", log.display())),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(failure(
        format!("targets with a finding: {}", failed.join(", ")),
        "the inputs are in fuzz/artifacts; `cargo fuzz run TARGET INPUT` shows one again",
    ))
}

/// Sees to it that there is a `cargo fuzz`.
fn ensure(workspace: &Workspace) -> Result<()> {
    if process::succeeds(&mut workspace.cargo(["fuzz", "--version"]))? {
        return Ok(());
    }
    let mut install = workspace.cargo(["install", "cargo-fuzz", "--locked", "--version", VERSION]);
    process::run(&mut install)
}

/// The targets to run, in the order in which they were named.
fn chosen(known: &[String], wanted: &[String]) -> Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(known.to_vec());
    }
    match wanted.iter().find(|target| !known.contains(target)) {
        None => Ok(wanted.to_vec()),
        Some(target) => Err(failure(
            format!("there is no fuzz target {target:?}"),
            format!("choose among {}", known.join(", ")),
        )),
    }
}

enum Ended {
    Well { executions: u64 },
    Badly { log: PathBuf },
}

fn fuzz(workspace: &Workspace, folder: &Path, target: &str, seconds: u32) -> Result<Ended> {
    // What is found on the way stays out of the committed corpus.
    let found = folder.join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("could not make {}", found.display()))?;
    let seeds = workspace.root().join("fuzz/corpus").join(target);
    let folder_text = folder.to_string_lossy();
    let (found_text, seeds_text) = (found.to_string_lossy(), seeds.to_string_lossy());
    // The workspace has no `unsafe` of its own for a sanitizer to find, and without one every compiler
    // will do: of the nightly's, only the sanitizers are needed.
    let fixed = ["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"];
    let mut command = workspace.cargo(fixed);
    command.args([&folder_text, target, &found_text, &seeds_text, "--"]);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={}", INPUT_LIMIT.as_secs()),
        format!("-rss_limit_mb={MEMORY_LIMIT}"),
        format!("-max_len={LONGEST_INPUT}"),
        "-print_final_stats=1".to_owned(),
    ]);
    println!("$ {}", process::command_line(&command));
    let path = folder.join(format!("{target}.log"));
    let log =
        fs::File::create(&path).with_context(|| format!("could not make {}", path.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let status = command.status();
    let status = process::checked(&command, status)?;
    let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    match executions(&text) {
        Some(executions) if status.success() => Ok(Ended::Well { executions }),
        _ => {
            let lines: Vec<_> = text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
            Ok(Ended::Badly { log: path })
        }
    }
}

/// How many inputs were tried, as the final statistics say.
fn executions(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_named_with_those_that_are() {
        let known = ["spec".to_owned(), "tar".to_owned()];
        assert_eq!(chosen(&known, &[]).unwrap(), known);
        assert_eq!(chosen(&known, &known[1..]).unwrap(), ["tar"]);
        let error = chosen(&known, &["rar".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("\"rar\""), "{error}");
        assert_eq!(xtask::failure::hint(&error).unwrap(), "choose among spec, tar");
    }

    #[test]
    fn the_number_of_inputs_is_read_from_the_statistics() {
        let log = "#2\tDONE\nstat::number_of_executed_units: 123\nstat::peak_rss_mb: 40\n";
        assert_eq!(executions(log), Some(123));
        assert_eq!(executions("SUMMARY: libFuzzer: deadly signal"), None);
    }

    #[test]
    fn every_target_has_a_committed_corpus_and_all_of_it_is_small() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let targets: Vec<_> = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().collect();
        assert!(targets.len() >= 7, "{}", targets.len());
        let mut bytes = 0;
        for target in targets {
            let path = target.unwrap().path();
            let corpus = fuzz.join("corpus").join(path.file_stem().unwrap());
            let seeds: Vec<_> = fs::read_dir(&corpus).unwrap().collect();
            assert!(!seeds.is_empty(), "{}", corpus.display());
            bytes += seeds
                .iter()
                .map(|seed| seed.as_ref().unwrap().metadata().unwrap().len())
                .sum::<u64>();
        }
        assert!(bytes < 100 * 1024, "{bytes} bytes");
    }
}
