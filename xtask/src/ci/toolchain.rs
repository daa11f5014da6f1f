//! Whether the running toolchain is one that the workspace promises to build with.

use std::{env, process::Command};

use anyhow::{Context as _, Result};

use crate::{failure::failure, process, workspace::Workspace};

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = process::read(Command::new(rustc).arg("--version").current_dir(workspace.root()))?;
    let running =
        version(&text).with_context(|| format!("rustc tells no version: {}", text.trim()))?;
    let needed = workspace
        .members()
        .iter()
        .filter_map(|package| release(package.rust_version.as_deref()?))
        .max();
    let Some(needed) = needed else {
        return Err(failure(
            "no crate of the workspace names its rust-version",
            "inherit it: rust-version.workspace = true",
        ));
    };
    if running < needed {
        return Err(failure(
            format!(
                "the toolchain is Rust {}, and the workspace needs {}",
                words(&running),
                words(&needed)
            ),
            "`rustup update stable`",
        ));
    }
    println!("Rust {}; the workspace needs {}", words(&running), words(&needed));
    Ok(())
}

/// Reads `rustc 1.95.0 (hash date)`. A nightly counts as the release that it leads to: it has that
/// release's features.
fn version(text: &str) -> Option<Vec<u64>> {
    release(text.split_whitespace().nth(1)?)
}

/// Reads the numbers of a release, such as `1.95` or `1.95.0-nightly`.
fn release(text: &str) -> Option<Vec<u64>> {
    text.split('-').next()?.split('.').map(|number| number.parse().ok()).collect()
}

fn words(release: &[u64]) -> String {
    release.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_output_of_rustc() {
        assert_eq!(version("rustc 1.95.0 (f2d3ce0bd 2026-03-21)\n"), Some(vec![1, 95, 0]));
        assert_eq!(version("rustc 1.97.0-nightly (f2d3ce0bd 2026-03-21)"), Some(vec![1, 97, 0]));
        assert_eq!(version("rustc"), None);
        assert_eq!(version("rustc unknown"), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("rustc 1.100.0") > version("rustc 1.95.0"));
        assert!(release("1.95") < release("1.95.0") && release("1.95") < release("1.96"));
        assert_eq!(words(&[1, 95]), "1.95");
    }
}
