//! `api`: the public items of each library crate, compared with a list in the repository, so that a
//! change of the API is seen in review.
//!
//! The list has every public item with its signature, and every trait that a type implements, also by
//! `derive`. The methods of an implementation are left out, because the trait says what they are; mocks
//! are left out for the same reason.

use std::{
    collections::BTreeSet,
    env, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::{
    failure::failure,
    process,
    workspace::{Package, Workspace},
};

/// Where the lists are.
const DIRECTORY: &str = "docs/api";
/// The feature with the mocks.
const MOCKS: &str = "mock";
/// The version of rustdoc's JSON that the crate `public-api` reads.
const FORMAT: u64 = 57;
/// JSON is an unstable output of rustdoc. Only rustdoc gets the variable that allows it: build scripts
/// that see it would be run again, and their crates compiled again.
const WRAPPER: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec \"$BERTH_RUSTDOC\" \"$@\"\n";

/// Compares the lists, or writes them.
pub(crate) fn run(workspace: &Workspace, update: bool) -> Result<()> {
    let wrapper = write_wrapper(workspace)?;
    let mut differences = 0;
    for package in workspace.libraries() {
        let Some(items) = items(workspace, package, &wrapper)? else {
            println!("NOT compared: this toolchain's rustdoc writes another format than {FORMAT}");
            return Ok(());
        };
        let list = workspace.root().join(DIRECTORY).join(format!("{}.txt", package.name));
        if update {
            fs::write(&list, items.join("\n") + "\n")
                .with_context(|| format!("could not write {}", list.display()))?;
            println!("{}: {} items", package.name, items.len());
            continue;
        }
        let listed = match fs::read_to_string(&list) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("could not read {}", list.display()))?,
        };
        for difference in compare(listed.lines(), items.iter().map(String::as_str)) {
            println!("{}: {difference}", package.name);
            differences += 1;
        }
    }
    if differences > 0 {
        return Err(failure(
            format!("the public API differs from {DIRECTORY} in {differences} items"),
            "if that is intended: `cargo xtask api --update`, and name what was removed or changed in \
             CHANGELOG.md",
        ));
    }
    Ok(())
}

fn write_wrapper(workspace: &Workspace) -> Result<PathBuf> {
    let wrapper = workspace.build_directory().join("rustdoc-json");
    let written = fs::write(&wrapper, WRAPPER)
        .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)));
    written.with_context(|| format!("could not write {}", wrapper.display()))?;
    Ok(wrapper)
}

/// The public items of a crate, in order; `None` when the format cannot be read.
fn items(workspace: &Workspace, package: &Package, wrapper: &Path) -> Result<Option<Vec<String>>> {
    let features: Vec<_> =
        package.features.iter().filter(|feature| *feature != MOCKS).map(String::as_str).collect();
    let mut command = workspace.cargo(["rustdoc", "--quiet", "--locked", "--lib", "--package"]);
    command.args([&package.name, "--no-default-features", "--features", &features.join(",")]);
    command.args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    command.env("BERTH_RUSTDOC", env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into()));
    process::run(command.env("RUSTDOC", wrapper))?;
    let file = format!("{}.json", package.name.replace('-', "_"));
    let file = workspace.build_directory().join("doc").join(file);
    let text =
        fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
    if format_of(&text)? != FORMAT {
        return Ok(None);
    }
    let api = public_api::Builder::from_rustdoc_json(&file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .with_context(|| format!("could not read {}", file.display()))?;
    Ok(Some(without_implementations(api.items().map(ToString::to_string))))
}

/// Leaves out what follows the line `impl TRAIT for TYPE` and belongs to that implementation.
fn without_implementations(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut implementer: Option<String> = None;
    items
        .filter(|item| {
            if item.starts_with("impl") {
                implementer = item.split_once(" for ").map(|(_, rest)| {
                    rest.split(" where ").next().unwrap_or(rest).to_owned() + "::"
                });
                return !item.contains("::StructuralPartialEq for ");
            }
            let is_member = ["pub fn ", "pub async fn ", "pub type ", "pub const "]
                .iter()
                .any(|keyword| item.starts_with(keyword));
            !(is_member && implementer.as_ref().is_some_and(|name| item.contains(name)))
        })
        .collect()
}

fn format_of(json: &str) -> Result<u64> {
    let json: Value = serde_json::from_str(json).context("rustdoc's output is not JSON")?;
    json["format_version"].as_u64().context("rustdoc's output has no format version")
}

/// The lines that only one of two lists has.
fn compare<'a>(
    listed: impl Iterator<Item = &'a str>,
    found: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let (listed, found): (BTreeSet<_>, BTreeSet<_>) = (listed.collect(), found.collect());
    let removed = listed.difference(&found).map(|item| format!("- {item}"));
    let added = found.difference(&listed).map(|item| format!("+ {item}"));
    removed.chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_added_items_are_found() {
        let differences = compare(["a", "b"].into_iter(), ["b", "c"].into_iter());
        assert_eq!(differences, ["- a", "+ c"]);
        assert_eq!(compare(["a"].into_iter(), ["a"].into_iter()), Vec::<String>::new());
    }

    #[test]
    fn methods_of_implementations_are_left_out() {
        let items = [
            "pub struct k::S",
            "impl k::S",
            "pub fn k::S::new() -> Self",
            "impl core::clone::Clone for k::S",
            "pub fn k::S::clone(&self) -> k::S",
            "impl core::marker::StructuralPartialEq for k::S",
            "impl<T> k::Api for &T where T: k::Api",
            "pub fn &T::call(&self)",
            "pub trait k::Api",
            "pub fn k::Api::call(&self)",
            "pub fn k::plan(&k::S)",
        ];
        let kept = without_implementations(items.iter().map(|item| (*item).to_owned()));
        let left_out = [items[4], items[5], items[7]];
        let expected: Vec<_> = items.into_iter().filter(|item| !left_out.contains(item)).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn format_is_read_before_anything_else() {
        assert_eq!(format_of(r#"{"root":1,"format_version":57}"#).unwrap(), 57);
        assert!(format_of("{}").is_err());
    }
}
