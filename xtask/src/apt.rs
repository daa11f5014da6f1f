//! Debian's package manager, without questions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::process;

/// Fetches the lists of packages.
///
/// # Errors
/// When `apt-get` fails.
pub fn update() -> Result<()> {
    process::run_quietly(apt_get().arg("update"))
}

/// Installs a package and what it needs, not what it merely recommends.
///
/// # Errors
/// When the program fails.
pub fn install(package: &str) -> Result<()> {
    let install = ["install", "--yes", "--no-install-recommends", package];
    process::run_quietly(apt_get().args(install))
}

/// Runs what needs the lists of packages; once more with new lists when it fails, since they may be
/// missing or stale. Only root can fetch them.
///
/// # Errors
/// Those of the attempt.
pub fn with_lists<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    match attempt() {
        Err(error) if rustix::process::geteuid().is_root() => {
            println!("{error:#}; fetching the lists of packages");
            update()?;
            attempt()
        }
        result => result,
    }
}

/// Downloads the packages' files into `folder`. Installs nothing, and needs no root.
///
/// # Errors
/// When the program fails.
pub fn download(packages: &[&str], folder: &Path) -> Result<()> {
    let mut command = apt_get();
    // A user of apt's own could not write into the folder, which apt warns of.
    command.args(["--option", "APT::Sandbox::User=root", "--quiet=2", "download"]);
    process::run(command.args(packages).current_dir(folder))
}

/// Unpacks the one package that was downloaded into `folder`, and returns where its files are.
///
/// # Errors
/// When the program fails.
pub fn unpack(folder: &Path) -> Result<PathBuf> {
    let package = fs::read_dir(folder)
        .with_context(|| format!("could not read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get left no package in {}", folder.display()))?;
    let unpacked = folder.join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").args([&package, &unpacked]).stdin(Stdio::null());
    process::run(&mut unpack)?;
    Ok(unpacked)
}

/// The names of the packages that would be installed, `packages` and all that they need, on a
/// machine that has none. Writes into `folder` only.
///
/// # Errors
/// When `apt-get` fails.
pub fn closure(packages: &[&str], folder: &Path) -> Result<Vec<String>> {
    let none = folder.join("installed");
    fs::write(&none, "").with_context(|| format!("could not write {}", none.display()))?;
    let mut command = apt_get();
    command.arg("--option").arg(format!("Dir::State::status={}", none.display()));
    command.args(["--simulate", "--no-install-recommends", "install"]).args(packages);
    Ok(installed(&process::read(&mut command)?))
}

/// Reads the lines `Inst NAME (VERSION …)` of a simulated installation.
fn installed(simulation: &str) -> Vec<String> {
    simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Whether a package is installed.
///
/// # Errors
/// When the program fails.
pub fn is_installed(package: &str) -> Result<bool> {
    process::succeeds(Command::new("dpkg").args(["--status", package]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // A fresh machine often upgrades itself in the background and holds the lock for a while.
    command.args(["--option", "DPkg::Lock::Timeout=120"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_installation_names_each_package_once() {
        let simulation = "Reading package lists...\n\
                          Inst libc6 (2.36-9 Debian:12 [amd64])\n\
                          Inst bash (5.2.15-2 Debian:12 [amd64])\n\
                          Conf libc6 (2.36-9 Debian:12 [amd64])\n";
        assert_eq!(installed(simulation), ["libc6", "bash"]);
    }

    #[test]
    fn a_folder_without_a_package_cannot_be_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(unpack(folder.path()).is_err());
    }
}
