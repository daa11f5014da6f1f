//! A Podman of our own beside Docker's engine: `engine up --podman` and `engine down --podman`.
//!
//! Its images, containers and volumes are in a folder of their own, its processes, networks and mounts in
//! namespaces of their own, so that nobody's Podman is touched and nothing is left. It
//! reaches no registry: `docker save IMAGE | docker --host unix:///… load` gives it an image.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, getrlimit};

use super::{
    address::Address,
    alone,
    answer::{Answer, Engine, ask_at},
    client::Client,
    daemon::{last_lines, read_pid},
    os_release::OsRelease,
};
use crate::{apt, failure::failure, process};

/// Where our Podman listens.
pub const SOCKET: &str = "/run/berth-podman/podman.sock";
const FOLDER: &str = "/run/berth-podman";
/// Outlives a start of the machine, as the layers of images are large.
const STORAGE: &str = "/var/lib/berth-podman";
const LOG: &str = "/run/berth-podman/podman.log";
const PID_FILE: &str = "/run/berth-podman/podman.pid";
const CONFIG: &str = "/run/berth-podman/containers.conf";
const REGISTRIES: &str = "/run/berth-podman/registries.conf";
const PROGRAM: &str = "podman";
/// Podman, the networks of its containers with their names, the first process of those, how a network is
/// switched on, and root's name where there is no list of users: without, Podman's archives name no owner.
const PACKAGES: [&str; 6] =
    ["podman", "netavark", "aardvark-dns", "catatonit", "iproute2", "libnss-systemd"];
const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Makes sure that our Podman answers, and returns it.
///
/// # Errors
/// When it cannot be provided here, or does not start.
pub fn up() -> Result<Engine> {
    if let Answer::Engine(engine) = ask_at(client()) {
        println!("Podman {engine} answers: nothing to do");
        return Ok(engine);
    }
    if !can_be_provided() {
        return Err(failure(
            "Podman can be provided only on Debian or Ubuntu, as root",
            "start one with `podman system service --time=0 unix:///PATH`, and test it with \
             `DOCKER_HOST=unix:///PATH cargo xtask e2e`",
        ));
    }
    install()?;
    start()?;
    match ask_at(client()) {
        Answer::Engine(engine) => {
            println!("Podman {engine} answers");
            Ok(engine)
        }
        Answer::Silence(silence) => Err(silence.into_error()),
    }
}

/// Whether [`up`] can provide one: it installs Debian's packages, and needs namespaces.
pub fn can_be_provided() -> bool {
    OsRelease::of_this_machine().is_debian() && rustix::process::geteuid().is_root()
}

/// Ends the Podman that [`up`] started, and removes all that it has.
///
/// # Errors
/// When it does not end.
pub fn down() -> Result<()> {
    if let Some(pid) = read_pid(PID_FILE).filter(|pid| alone::is_there(*pid)) {
        // Their control groups are no namespace's.
        if let Err(error) = remove_containers() {
            println!("Podman does not remove its containers, and is ended all the same: {error:#}");
        }
        alone::end(pid)?;
    } else {
        println!("no Podman of ours runs; any other is left alone");
    }
    for folder in [FOLDER, STORAGE] {
        alone::remove(folder)?;
    }
    println!("our Podman and all that it had are gone");
    Ok(())
}

fn client() -> Client {
    Client { address: Address::Unix(SOCKET.into()) }
}

fn install() -> Result<()> {
    for package in PACKAGES {
        if !apt::is_installed(package)? {
            apt::with_lists(|| apt::install(package))?;
        }
    }
    if process::find(PROGRAM).is_none() {
        bail!("the package podman is installed, but there is no `podman`");
    }
    Ok(())
}

fn start() -> Result<()> {
    for folder in [FOLDER, STORAGE] {
        fs::create_dir_all(folder).with_context(|| format!("could not create {folder}"))?;
    }
    let write = |path: &str, text: &str| {
        fs::write(path, text).with_context(|| format!("could not write {path}"))
    };
    let identifiers = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    let (files, processes) = (getrlimit(Resource::Nofile), getrlimit(Resource::Nproc));
    let most = identifiers.trim().parse().ok();
    write(CONFIG, &configuration(files.maximum, at_most(processes.maximum, most)))?;
    write(REGISTRIES, "unqualified-search-registries = [\"docker.io\"]\n")?;
    let log = File::create(LOG).with_context(|| format!("could not write {LOG}"))?;
    let errors = log.try_clone().with_context(|| format!("could not write {LOG}"))?;
    let elsewhere = Path::new(STORAGE).join("run");
    fs::create_dir_all(&elsewhere)
        .with_context(|| format!("could not create {}", elsewhere.display()))?;
    let mut command = alone::command(FOLDER, &elsewhere);
    command.arg(PROGRAM);
    settings(&mut command).args(["system", "service", "--time=0"]).arg(format!("unix://{SOCKET}"));
    command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
    println!("$ {}  (log: {LOG})", process::command_line(&command));
    let spawned = command.spawn();
    let mut child = process::checked(&command, spawned)?;
    write(PID_FILE, &format!("{}\n", child.id()))?;
    let client = client();
    let deadline = Instant::now() + START_LIMIT;
    while client.version().is_err() {
        let ended = child.try_wait().context("could not wait for Podman")?;
        if ended.is_some() || Instant::now() >= deadline {
            let log = fs::read_to_string(LOG).unwrap_or_default();
            bail!("Podman does not answer; its last words:\n{}", last_lines(&log));
        }
        sleep(POLL);
    }
    Ok(())
}

/// What every call of ours says, so that it meets our folders and nobody else's.
fn settings(command: &mut Command) -> &mut Command {
    command.env("CONTAINERS_CONF", CONFIG).env("CONTAINERS_REGISTRIES_CONF", REGISTRIES);
    let place = |name: &str| Path::new(STORAGE).join(name);
    command.arg("--root").arg(place("storage")).arg("--volumepath").arg(place("volumes"));
    command.arg("--network-config-dir").arg(place("networks"));
    command.args(["--runroot", "/run/berth-podman/run", "--tmpdir", "/run/berth-podman/tmp"]);
    // There may be no systemd to ask.
    command.args(["--cgroup-manager", "cgroupfs", "--network-backend", "netavark"])
}

/// Podman lowers its own limit of processes to the number of process ids there are, for good.
fn at_most(limit: Option<u64>, most: Option<u64>) -> Option<u64> {
    limit.into_iter().chain(most).min()
}

/// The limits are those that we have: Podman would ask for more, and fail where the kernel says no.
fn configuration(files: Option<u64>, processes: Option<u64>) -> String {
    let mut limits = String::new();
    for (name, limit) in [("nofile", files), ("nproc", processes)] {
        if let Some(most) = limit {
            // Writing to a string cannot fail.
            let _ = write!(limits, "\"{name}={most}:{most}\",");
        }
    }
    // Without an init system there is no journal to write events to.
    format!("[containers]\ndefault_ulimits = [{limits}]\n[engine]\nevents_logger = \"file\"\n")
}

fn remove_containers() -> Result<()> {
    let client = client();
    client.containers()?.iter().try_for_each(|id| client.remove_container(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_given_the_limits_that_there_are() {
        let text = configuration(Some(20_000), None);
        assert!(text.contains("default_ulimits = [\"nofile=20000:20000\",]\n"), "{text}");
        assert!(configuration(None, None).contains("default_ulimits = []"));
        assert_eq!(at_most(Some(9), Some(5)), Some(5));
        assert_eq!(at_most(None, Some(5)), Some(5));
        assert_eq!(at_most(Some(9), None), Some(9));
    }

    #[test]
    fn every_folder_is_one_of_ours() {
        let mut command = Command::new(PROGRAM);
        settings(&mut command);
        let words: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
        let paths = words.iter().filter(|word| word.starts_with('/'));
        assert_eq!(paths.clone().count(), 5);
        assert!(
            paths.into_iter().all(|path| path.starts_with(STORAGE) || path.starts_with(FOLDER))
        );
    }
}
