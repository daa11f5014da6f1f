//! Whether the running toolchain is one that the workspace promises to build with.

use std::env;

use anyhow::{Context as _, Result};
use cargo_metadata::semver::Version;
use tokio::process::Command;

use crate::{failure::failure, process, workspace::Workspace};

pub(super) async fn check(workspace: &Workspace) -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text =
        process::read(Command::new(rustc).arg("--version").current_dir(workspace.root())).await?;
    let running =
        version(&text).with_context(|| format!("rustc tells no version: {}", text.trim()))?;
    let needed =
        workspace.members().iter().filter_map(|package| package.rust_version.clone()).max();
    let Some(needed) = needed else {
        return Err(failure(
            "no crate of the workspace names its rust-version",
            "inherit it: rust-version.workspace = true",
        ));
    };
    if running < needed {
        return Err(failure(
            format!("the toolchain is Rust {running}, and the workspace needs {needed}"),
            "`rustup update stable`",
        ));
    }
    println!("Rust {running}; the workspace needs {needed}");
    Ok(())
}

/// Reads `rustc 1.95.0 (hash date)`. A nightly counts as the release that it leads to: it has that
/// release's features.
fn version(text: &str) -> Option<Version> {
    let version = Version::parse(text.split_whitespace().nth(1)?).ok()?;
    Some(Version::new(version.major, version.minor, version.patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_rustc_says() {
        assert_eq!(version("rustc 1.95.0 (f2d3ce0bd 2026-03-21)\n"), Some(Version::new(1, 95, 0)));
        assert_eq!(
            version("rustc 1.97.0-nightly (f2d3ce0bd 2026-03-21)"),
            Some(Version::new(1, 97, 0))
        );
        assert_eq!(version("rustc"), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("rustc 1.100.0").unwrap() > version("rustc 1.95.0").unwrap());
    }
}
