//! Namespaces of an engine's own: network, mounts and processes. They end, with all that is in
//! them, when their first process does; and that does when we do, however we end: it reads from a
//! pipe that we hold.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::EngineError;

/// Hides what the daemons of a machine share, mounts a data root of a limited size where one is
/// wanted, and waits for the end of its input.
const SCRIPT: &str = "set -e
for folder in /etc/docker /run/containerd /run/docker; do
    if [ -d \"$folder\" ]; then mount -t tmpfs private \"$folder\"; fi
done
if [ -n \"$2\" ]; then mount -t tmpfs -o \"size=$2\" private \"$1\"; fi
echo ready
exec cat >/dev/null";

/// The namespaces, as the process that began them.
#[derive(Debug)]
pub(super) struct Namespaces {
    unshare: Child,
    first: u32,
}

/// A program's path, as the PATH has it.
pub(super) fn program(name: &'static str) -> Result<PathBuf, EngineError> {
    // An ordinary user's PATH leaves the daemons' folders out.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut found = folders.map(|folder| folder.join(name)).filter(|path| path.is_file());
    found.next().ok_or(EngineError::Missing { program: name })
}

/// The only child of a process.
pub(super) fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn network_of(process: &str) -> Result<PathBuf, EngineError> {
    fs::read_link(Path::new("/proc").join(process).join("ns/net"))
        .map_err(EngineError::system("look at a network namespace"))
}

impl Namespaces {
    /// Begins them; `data` is mounted with so many bytes when a limit is given.
    pub(super) fn begin(data: &Path, limit: Option<u64>) -> Result<Self, EngineError> {
        // It must reap: a daemon takes a dead containerd that nobody reaped for one that still runs, and
        // waits for it in vain.
        let init = program("docker-init")?;
        let mut command = Command::new(program("unshare")?);
        command.args(["--net", "--mount", "--propagation", "private", "--pid", "--fork"]);
        command.args(["--kill-child", "--mount-proc", "--"]).arg(init).args(["--", "sh", "-c"]);
        command
            .args([SCRIPT, "sh"])
            .arg(data)
            .arg(limit.map_or_else(String::new, |bytes| bytes.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut unshare = command.spawn().map_err(EngineError::system("begin namespaces"))?;
        let mut ready = String::new();
        if let Some(output) = unshare.stdout.take() {
            // A failure to read is one to be ready.
            let _ = BufReader::new(output).read_line(&mut ready);
        }
        let first = child_of(unshare.id()).filter(|_| ready == "ready\n");
        let Some(first) = first else {
            let _ = unshare.kill();
            let output = unshare.wait_with_output();
            let detail = output.map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            );
            return Err(EngineError::Namespace { detail });
        };
        let namespaces = Self { unshare, first };
        // Looked at, not assumed: a daemon without a bridge removes that of its namespace.
        if network_of(&first.to_string())? == network_of("self")? {
            return Err(EngineError::Namespace {
                detail: "the network is the caller's".to_owned(),
            });
        }
        Ok(namespaces)
    }

    /// A program in them. It is not the command's process, which waits for it, but its child.
    pub(super) fn command(&self, program_name: &'static str) -> Result<Command, EngineError> {
        let mut command = Command::new(program("nsenter")?);
        command.arg("--target").arg(self.first.to_string());
        command.args(["--net", "--mount", "--pid", "--"]).arg(program(program_name)?);
        Ok(command)
    }

    /// Ends them, with all that is in them. Waits for the first process alone.
    pub(super) fn end(&mut self) {
        // It may have ended by itself; either way the wait sees it.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.end();
    }
}
