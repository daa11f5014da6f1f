//! Each library crate with each of its features alone: what a user with few features compiles; and the
//! program alone.

use anyhow::Result;

use crate::{
    failure::failure,
    process,
    workspace::{Package, Workspace},
};

/// What is built alone to be used.
const PROGRAM: &str = "berth";
/// The crate that must stay light, and what would make it heavy.
const LIGHT: &str = "volume-manager";
const HEAVY: [&str; 6] = ["async-std", "bollard", "hyper", "mio", "socket2", "tokio"];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    for package in workspace.libraries() {
        for selection in selections(package) {
            let mut command = workspace.cargo(["check", "--quiet", "--locked", "--package"]);
            process::run(command.arg(&package.name).args(selection))?;
        }
    }
    let mut program = workspace.cargo(["check", "--quiet", "--locked", "--package", PROGRAM]);
    process::run(&mut program)?;
    let mut tree = workspace.cargo(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}", "--no-default-features", "--package", LIGHT]);
    let tree = process::read(&mut tree)?;
    let heavy = heavy_in(&tree);
    if !heavy.is_empty() {
        return Err(failure(
            format!("{LIGHT} depends on {}", heavy.join(", ")),
            "people take it without a runtime, a client library and the network; put what needs \
             them behind docker-api-trait",
        ));
    }
    Ok(())
}

/// The packages in a dependency tree that bring a runtime, the network or the client library.
fn heavy_in(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let mut heavy: Vec<_> = names.filter(|name| HEAVY.contains(name)).collect();
    heavy.dedup();
    heavy
}

/// None, each one alone, and all; cargo's arguments for them.
fn selections(package: &Package) -> Vec<Vec<&str>> {
    let alone = package
        .features
        .iter()
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

    #[test]
    fn a_heavy_dependency_is_found_by_its_whole_name() {
        let tree = "volume-manager v0.1.0 (x)\ntokio-util v0.7.0\nserde v1.0.0\n";
        assert!(heavy_in(tree).is_empty());
        assert_eq!(heavy_in(&format!("{tree}tokio v1.0.0\ntokio v1.0.0 (*)\n")), ["tokio"]);
    }

    fn package(features: &[&str]) -> Package {
        Package {
            name: "x".to_owned(),
            directory: "/x".into(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
            rust_version: None,
            is_library: true,
        }
    }

    #[test]
    fn each_feature_is_checked_alone_between_none_and_all() {
        let package = package(&["default", "a", "b"]);
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
        assert_eq!(selections(&package(&[])), [["--no-default-features"]]);
    }
}
