//! `engine up`: an engine answers afterwards, or a person knows what to do.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use super::{
    answer::{Answer, Engine, Silence, ask},
    daemon,
    os_release::OsRelease,
};
use crate::{apt, failure::failure, process};

const INSTRUCTIONS: &str = "\
get an engine in one of these ways, then run the command again:
  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install --yes docker.io
                   sudo systemctl start docker
  Fedora:          sudo dnf install --assumeyes moby-engine && sudo systemctl start docker
  macOS:           start Docker Desktop, or: brew install colima docker && colima start
  elsewhere:       https://docs.docker.com/engine/install/
or set DOCKER_HOST to the address of an engine that runs already, such as tcp://host:2375.
On Linux your user needs the right to use it: sudo usermod --append --groups docker \"$USER\",
then log in again.";

/// What can be seen of this machine without changing it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, none a state")]
#[derive(Debug, Clone, Copy)]
struct Machine {
    default_socket: bool,
    debian: bool,
    root: bool,
    daemon_installed: bool,
    systemd_runs: bool,
}

/// What is to be done about an engine that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The user named an engine, which is not ours to start.
    NotOurs,
    /// This machine or user is not one that we know how to help.
    Instruct,
    /// Start the daemon, after installing it when it is missing.
    Start { install: bool, starter: Starter },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starter {
    Systemd,
    Ourselves,
}

fn way(machine: Machine) -> Way {
    if !machine.default_socket {
        return Way::NotOurs;
    }
    if !machine.debian || !machine.root {
        return Way::Instruct;
    }
    Way::Start {
        install: !machine.daemon_installed,
        starter: if machine.systemd_runs { Starter::Systemd } else { Starter::Ourselves },
    }
}

/// Makes sure that an engine answers, and returns it.
///
/// # Errors
/// When there is none and none can be provided here.
pub fn up() -> Result<Engine> {
    match plan()? {
        Plan::Use(engine) => {
            println!("the engine {engine} answers: nothing to do");
            Ok(engine)
        }
        Plan::Start { install, starter, silence } => {
            if install {
                install_daemon()?;
            }
            start(starter, &silence)
        }
    }
}

/// Fails at once where [`up`] would fail without trying.
pub(crate) fn check() -> Result<()> {
    plan().map(drop)
}

/// What [`up`] will do.
enum Plan {
    Use(Engine),
    Start { install: bool, starter: Starter, silence: Silence },
}

fn plan() -> Result<Plan> {
    let silence = match ask()? {
        Answer::Engine(engine) => return Ok(Plan::Use(engine)),
        Answer::Silence(silence) => silence,
    };
    if !silence.nothing_listens() {
        // Something uses the socket; a second daemon would conflict with it.
        return Err(silence.into_error());
    }
    let machine = Machine {
        default_socket: silence.at_default_socket(),
        debian: OsRelease::of_this_machine().is_debian(),
        root: rustix::process::geteuid().is_root(),
        daemon_installed: process::find("dockerd").is_some(),
        systemd_runs: Path::new("/run/systemd/system").is_dir(),
    };
    match way(machine) {
        Way::NotOurs => Err(silence.into_error()),
        Way::Instruct => Err(failure(
            format!(
                "no engine answers at {}, and one can be provided only on Debian or Ubuntu, as root",
                silence.address()
            ),
            INSTRUCTIONS,
        )),
        Way::Start { install, starter } => Ok(Plan::Start { install, starter, silence }),
    }
}

fn install_daemon() -> Result<()> {
    apt::update()?;
    let installed = apt::install("docker.io");
    if process::find("dockerd").is_none() {
        installed?;
        bail!("the package docker.io is installed, but there is no `dockerd`");
    }
    if let Err(error) = installed {
        // The package starts its service, which fails where services cannot run; the daemon is
        // there all the same.
        println!("{error:#}; going on, since `dockerd` is there");
    }
    Ok(())
}

fn start(starter: Starter, silence: &Silence) -> Result<Engine> {
    // Installing the package may have started it.
    if let Answer::Engine(engine) = ask()? {
        println!("the engine {engine} answers");
        return Ok(engine);
    }
    match starter {
        Starter::Systemd => {
            process::run(Command::new("systemctl").args(["start", "docker"]))?;
            daemon::wait_for_service(&silence.client)?;
        }
        Starter::Ourselves => daemon::start(&silence.client)?,
    }
    match ask()? {
        Answer::Engine(engine) => {
            println!("the engine {engine} answers");
            Ok(engine)
        }
        Answer::Silence(silence) => Err(silence.into_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE_DEBIAN: Machine = Machine {
        default_socket: true,
        debian: true,
        root: true,
        daemon_installed: false,
        systemd_runs: false,
    };

    #[test]
    fn a_bare_debian_machine_gets_a_daemon_installed_and_started() {
        assert_eq!(way(BARE_DEBIAN), Way::Start { install: true, starter: Starter::Ourselves });
        let installed = Machine { daemon_installed: true, ..BARE_DEBIAN };
        assert_eq!(way(installed), Way::Start { install: false, starter: Starter::Ourselves });
    }

    #[test]
    fn where_systemd_runs_it_starts_the_service() {
        let machine = Machine { daemon_installed: true, systemd_runs: true, ..BARE_DEBIAN };
        assert_eq!(way(machine), Way::Start { install: false, starter: Starter::Systemd });
    }

    #[test]
    fn an_engine_that_the_user_named_is_never_replaced() {
        assert_eq!(way(Machine { default_socket: false, ..BARE_DEBIAN }), Way::NotOurs);
    }

    #[test]
    fn others_are_told_what_to_do() {
        assert_eq!(way(Machine { root: false, ..BARE_DEBIAN }), Way::Instruct);
        assert_eq!(way(Machine { debian: false, ..BARE_DEBIAN }), Way::Instruct);
    }
}
