//! Debian's package manager, without questions.

use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use crate::process;

/// Fetches the lists of packages.
pub(crate) async fn update() -> Result<()> {
    process::run(apt_get().arg("update")).await
}

/// Installs a package and what it needs, not what it merely recommends.
pub(crate) async fn install(package: &str) -> Result<()> {
    process::run(apt_get().args(["install", "--yes", "--no-install-recommends", package])).await
}

/// Downloads a package's file into `folder`. Installs nothing, and needs no root.
pub(crate) async fn download(package: &str, folder: &Path) -> Result<()> {
    process::run(apt_get().args(["download", package]).current_dir(folder)).await
}

/// Whether a package is installed.
pub(crate) async fn is_installed(package: &str) -> Result<bool> {
    process::succeeds(Command::new("dpkg").args(["--status", package])).await
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // A fresh machine often upgrades itself in the background and holds the lock for a while.
    command.args(["--option", "DPkg::Lock::Timeout=120"]);
    command
}
