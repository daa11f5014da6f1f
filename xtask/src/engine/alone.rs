//! A command alone with its processes, networks and mounts: when it ends, the kernel ends and takes
//! away all that it has made.
//!
//! Podman's service does not end with what it runs: monitors of containers, the server of their names,
//! bridges and firewall rules stay, and some of them it shares with every other Podman of the machine.

use std::{
    fs, io,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::daemon::runs;

/// The program that makes the namespaces and waits for what is in them.
const PROGRAM: &str = "unshare";
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// Hides the machine's /run but for one folder, so that no state of another Podman's is met there, and
/// exchanges itself for the command. The folder is `$1`, and `$2` an empty one elsewhere.
const SCRIPT: &str = "set -e
mount --bind \"$1\" \"$2\"
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir \"$1\"
mount --move \"$2\" \"$1\"
ip link set lo up
shift 2
exec \"$@\"";

/// A command that runs, alone, what is appended to it; of /run it sees `folder` only. `elsewhere` is
/// an empty folder that is not below /run.
pub(super) fn command(folder: &str, elsewhere: &Path) -> Command {
    // A session of its own: the terminal's interrupt and hang-up are not meant for it.
    let mut command = Command::new("setsid");
    command.args([PROGRAM, "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    // The first process has to take up those whose parents end.
    command.args(["catatonit", "--", "sh", "-c", SCRIPT, "sh", folder]).arg(elsewhere);
    command
}

/// Whether `pid` is a command of ours.
pub(super) fn is_there(pid: Pid) -> bool {
    runs(pid, PROGRAM)
}

/// Ends the command and all that it has begun.
pub(super) fn end(pid: Pid) -> Result<()> {
    // With the first process all others die. It is the child of the one that waits for it; where that is
    // not to be told, it dies with its parent.
    let first = child_of(pid).unwrap_or(pid);
    kill_process(first, Signal::KILL)
        .with_context(|| format!("could not end process {first:?}"))?;
    let deadline = Instant::now() + STOP_LIMIT;
    while is_there(pid) {
        if Instant::now() >= deadline {
            bail!("process {pid:?} has not ended after {} s", STOP_LIMIT.as_secs());
        }
        sleep(POLL);
    }
    Ok(())
}

fn child_of(pid: Pid) -> Option<Pid> {
    let process = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// Removes a folder with all that is in it. The last processes may end a moment after the first.
pub(super) fn remove(folder: &str) -> Result<()> {
    let deadline = Instant::now() + STOP_LIMIT;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("could not remove {folder}"));
            }
            Err(_) => sleep(POLL),
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_makes_is_in_namespaces_of_its_own_that_end_with_it() {
        let command = command("/run/a", Path::new("/b"));
        let words: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(words[0], PROGRAM);
        for word in ["--mount", "--net", "--pid", "--kill-child"] {
            assert!(words.contains(&word), "{word}");
        }
        assert!(words.ends_with(&["/run/a", "/b"]), "{words:?}");
    }
}
