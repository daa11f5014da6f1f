//! Each library crate with each of its features alone: what a user with few features compiles.

use anyhow::Result;
use cargo_metadata::Package;

use crate::{process, workspace::Workspace};

pub(super) async fn check(workspace: &Workspace) -> Result<()> {
    for package in workspace.libraries() {
        for selection in selections(package) {
            let mut command = workspace.cargo(["check", "--quiet", "--locked", "--package"]);
            process::run(command.arg(package.name.as_str()).args(selection)).await?;
        }
    }
    Ok(())
}

/// None, each one alone, and all; cargo's arguments for them.
fn selections(package: &Package) -> Vec<Vec<&str>> {
    let alone = package
        .features
        .keys()
        .filter(|feature| *feature != "default")
        .map(|feature| vec!["--no-default-features", "--features", feature]);
    let mut selections = vec![vec!["--no-default-features"]];
    selections.extend(alone);
    if !package.features.is_empty() {
        selections.push(vec!["--all-features"]);
    }
    selections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(features: &str) -> Package {
        let text = format!(
            r#"{{"name":"x","version":"0.1.0","id":"x","dependencies":[],"targets":[],
                "manifest_path":"/x/Cargo.toml","features":{features}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_feature_is_checked_alone_between_none_and_all() {
        let package = package(r#"{"default":["a"],"a":[],"b":["dep:y"]}"#);
        assert_eq!(
            selections(&package),
            [
                vec!["--no-default-features"],
                vec!["--no-default-features", "--features", "a"],
                vec!["--no-default-features", "--features", "b"],
                vec!["--all-features"],
            ]
        );
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(selections(&package("{}")), [["--no-default-features"]]);
    }
}
