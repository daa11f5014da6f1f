//! `tidy`: the rules of this workspace that no lint can check.
//!
//! Rust is read as tokens, so that comments and strings cannot break a rule. The rules are functions
//! from text to findings. What may break a rule for now is in [`exceptions`], and only that.

mod circle;
mod documents;
mod exceptions;
mod imports;
mod length;
mod rules;
mod tokens;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    slice,
    str::FromStr as _,
};

use anyhow::{Context as _, Result};
use proc_macro2::TokenStream;

use self::{
    circle::{Imports, Modules},
    exceptions::{EXCEPTIONS, Exceptions},
};
use crate::{
    failure::failure,
    workspace::{Package, Workspace},
};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

/// Checks every Rust file of the workspace, and the documents that name tests.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut files = 0;
    let mut findings = Vec::new();
    let mut functions = BTreeSet::new();
    let mut exceptions = Exceptions::new(EXCEPTIONS);
    for package in workspace.members() {
        let sources = package.directory.join("src");
        let mut modules = Modules::new();
        for file in rust_files(&package.directory)? {
            files += 1;
            let text = read(&file)?;
            let path = file.strip_prefix(workspace.root()).unwrap_or(&file);
            let place = rules::place(path, package.is_library);
            let path = path.display().to_string();
            let tokens = match TokenStream::from_str(&text) {
                Ok(tokens) => tokens,
                Err(error) => {
                    let line = error.span().start().line;
                    findings.push(format!("{path}:{line}: not Rust: {error}"));
                    continue;
                }
            };
            documents::functions(tokens.clone(), &mut functions);
            findings.extend(
                rules::check(tokens.clone(), place)
                    .into_iter()
                    .map(|rules::Finding { line, fault }| format!("{path}:{line}: {fault}")),
            );
            findings.extend(too_long(&path, &text, tokens.clone(), &mut exceptions));
            if let Ok(module) = file.strip_prefix(&sources) {
                let beside_library = sources.join("lib.rs").is_file();
                modules.insert(module_path(module, beside_library), imports::read(tokens));
            }
        }
        findings.extend(circles(package, modules, &mut exceptions));
    }
    findings.extend(missing_tests(workspace, &functions)?);
    findings.extend(exceptions.unused());
    report(files, &findings)
}

fn report(files: usize, findings: &[String]) -> Result<()> {
    if findings.is_empty() {
        println!("{files} files follow the rules; exceptions: {}", EXCEPTIONS.len());
        return Ok(());
    }
    for finding in findings {
        println!("{finding}");
    }
    Err(failure(
        format!("findings against the workspace's own rules: {}", findings.len()),
        "the rules and their reasons are in xtask/src/tidy",
    ))
}

/// Finds what is too long in a file.
fn too_long(
    path: &str,
    text: &str,
    tokens: TokenStream,
    exceptions: &mut Exceptions,
) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_FILE_LINES && !exceptions.allow(path) {
        findings.push(format!(
            "{path}:{lines}: {lines} lines; above {MAX_FILE_LINES}, look for the second noun in the file"
        ));
    }
    for length::Function { name, line, length } in length::functions(tokens) {
        if length > MAX_FUNCTION_LINES && !exceptions.allow(&format!("{path} fn {name}")) {
            findings.push(format!(
                "{path}:{line}: the function {name} has {length} lines; above {MAX_FUNCTION_LINES}, split it"
            ));
        }
    }
    findings
}

/// Finds the import circles of a crate.
fn circles(package: &Package, mut modules: Modules, exceptions: &mut Exceptions) -> Vec<String> {
    remove_tests(&mut modules);
    let mut imports = Imports::of(&modules);
    let allowed = exceptions.imports(&package.name);
    let lines: Vec<_> = allowed.iter().map(|(from, to)| imports.line(from, to)).collect();
    for (from, to) in &allowed {
        imports.remove(from, to);
    }
    for ((from, to), line) in allowed.iter().zip(lines) {
        // Without the import there is a way back, so that with it there is a circle.
        if line.is_some() && imports.way(to, from).is_some() {
            exceptions.allow(&exceptions::import(&package.name, from, to));
        }
    }
    let circles = imports.circles().into_iter();
    circles
        .map(|circle| {
            let names: Vec<_> = circle.iter().map(|module| exceptions::name(module)).collect();
            let lines: Vec<_> = circle
                .windows(2)
                .filter_map(|pair| Some(imports.line(&pair[0], &pair[1])?.to_string()))
                .collect();
            format!(
                "{}: import circle {} (lines {}); move what both need to a module of its own",
                package.name,
                names.join(" > "),
                lines.join(", ")
            )
        })
        .collect()
}

/// Leaves out the modules that are compiled for tests only.
fn remove_tests(modules: &mut Modules) {
    let tests: Vec<_> = modules
        .iter()
        .flat_map(|(module, content)| {
            content.test_modules.iter().map(|test| [&module[..], slice::from_ref(test)].concat())
        })
        .collect();
    modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
}

/// The module that a file below `src` is. A `main.rs` that is in a package with a library counts as a
/// module of that.
fn module_path(file: &Path, beside_library: bool) -> imports::Path {
    let mut words: Vec<String> =
        file.with_extension("").iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let last = words.last().map(String::as_str);
    if last == Some("mod") || words == ["lib"] || words == ["main"] && !beside_library {
        words.pop();
    }
    words
}

/// Finds the tests that documents name and no file has.
fn missing_tests(workspace: &Workspace, functions: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in documents::WITH_TESTS {
        let text = read(&workspace.root().join(path))?;
        findings.extend(documents::missing(&text, functions).into_iter().map(|(line, test)| {
            format!("{path}:{line}: there is no test `{test}`; name the one that shows it")
        }));
    }
    Ok(findings)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

/// The Rust files below `directory`, in order; not those that cargo or a person put into `target`
/// and hidden directories.
fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("could not read {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not read {}", directory.display()))?;
            let name = entry.file_name();
            let path = entry.path();
            if path.is_dir() {
                if name != "target" && !name.to_string_lossy().starts_with('.') {
                    directories.push(path);
                }
            } else if path.extension() == Some(OsStr::new("rs")) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(text: &str) -> Vec<String> {
        too_long("a.rs", text, text.parse().unwrap(), &mut Exceptions::new(&[]))
    }

    #[test]
    fn long_files_and_functions_are_found() {
        assert_eq!(long(&"\n".repeat(MAX_FILE_LINES)).len(), 0);
        assert_eq!(long(&"\n".repeat(MAX_FILE_LINES + 1)).len(), 1);
        let function = |lines| format!("fn f() {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(long(&function(MAX_FUNCTION_LINES)).len(), 0);
        assert_eq!(long(&function(MAX_FUNCTION_LINES + 1)).len(), 1);
    }

    #[test]
    fn file_gives_its_module() {
        let module = |file: &str| module_path(Path::new(file), false).join("::");
        assert_eq!(module("lib.rs"), "");
        assert_eq!(module("run/mod.rs"), "run");
        assert_eq!(module("run/step/stop.rs"), "run::step::stop");
        assert_eq!(module("run/main.rs"), "run::main");
        assert_eq!(module("main.rs"), "");
        assert_eq!(module_path(Path::new("main.rs"), true), ["main"]);
    }
}
