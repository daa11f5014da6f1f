//! `tidy`: the rules of this workspace that no lint can check.
//!
//! Rust is read as tokens, so that comments and strings cannot break a rule. The rules are
//! functions from text to findings. Documents that name tests name such as are there.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use anyhow::{Context as _, Result};
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

mod documents;

use crate::{failure::failure, workspace::Workspace};

const LINE_LIMIT: usize = 600;
/// The only place that may name the client library: the adapter, and the file that re-exports it.
const ADAPTER: [&str; 2] = ["docker-api-trait/src/bollard/", "docker-api-trait/src/lib.rs"];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// The line, counted from one; the file's last one when the whole file is meant.
    line: usize,
    fault: String,
}

/// Which rules hold for a file beside those that hold for all.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// In the adapter for the engine's client library.
    in_adapter: bool,
    /// The `lib.rs` or a `mod.rs` of a library crate, which only re-exports.
    only_re_exports: bool,
}

/// Checks every Rust file of the workspace.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut files = 0;
    let mut findings = Vec::new();
    let mut functions = BTreeSet::new();
    for package in workspace.members() {
        for file in rust_files(&package.directory)? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("could not read {}", file.display()))?;
            let path = file.strip_prefix(workspace.root()).unwrap_or(&file);
            let place = place(path, package.is_library);
            files += 1;
            // What is not Rust is a finding below.
            if let Ok(tokens) = TokenStream::from_str(&text) {
                documents::functions(tokens, &mut functions);
            }
            findings.extend(
                check(&text, place).into_iter().map(|finding| {
                    format!("{}:{}: {}", path.display(), finding.line, finding.fault)
                }),
            );
        }
    }
    for path in documents::WITH_TESTS {
        let text = fs::read_to_string(workspace.root().join(path))
            .with_context(|| format!("could not read {path}"))?;
        findings.extend(documents::missing(&text, &functions).into_iter().map(|(line, test)| {
            format!("{path}:{line}: there is no test `{test}`; name the one that shows it")
        }));
    }
    if findings.is_empty() {
        println!("{files} files keep the rules");
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    Err(failure(
        format!("findings against the workspace's own rules: {}", findings.len()),
        "the rules and their reasons are in xtask/src/tidy",
    ))
}

fn place(path: &Path, in_library: bool) -> Place {
    let re_exporter = [OsStr::new("lib.rs"), OsStr::new("mod.rs")];
    let in_sources = path.iter().nth(1) == Some(OsStr::new("src"));
    Place {
        in_adapter: ADAPTER.iter().any(|place| path.starts_with(place)),
        only_re_exports: in_library
            && in_sources
            && path.file_name().is_some_and(|name| re_exporter.contains(&name)),
    }
}

/// The Rust files below `folder`, in order; not those that cargo or a person put into `target`
/// and hidden folders.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("could not read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not read {}", folder.display()))?;
            let name = entry.file_name();
            let path = entry.path();
            if path.is_dir() {
                if name != "target" && !name.to_string_lossy().starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension() == Some(OsStr::new("rs")) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn check(text: &str, place: Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINE_LIMIT {
        let fault =
            format!("{lines} lines; past {LINE_LIMIT}, look for the second noun in the file");
        findings.push(Finding { line: lines, fault });
    }
    match TokenStream::from_str(text) {
        Ok(tokens) => check_tokens(tokens, place, &mut findings),
        Err(error) => {
            let line = error.span().start().line;
            findings.push(Finding { line, fault: format!("not Rust: {error}") });
        }
    }
    findings
}

fn check_tokens(tokens: TokenStream, place: Place, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index + 1..];
        let fault = match token {
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "bollard" if !place.in_adapter && begins_path(rest) => Some(
                    "the client library is named outside its adapter; use docker-api-trait's types",
                ),
                "todo" | "unimplemented" if is_punct(rest.first(), '!') => {
                    Some("a stub; write it, or leave it out")
                }
                "fn" if place.only_re_exports
                    && matches!(rest.first(), Some(TokenTree::Ident(_))) =>
                {
                    Some("this file only re-exports; move the function to a file of its own")
                }
                _ => None,
            },
            TokenTree::Punct(_) if is_punct(Some(token), '#') => match rest.first() {
                Some(TokenTree::Group(attribute)) if ignores_without_reason(attribute) => {
                    Some("an ignored test says why: #[ignore = \"…\"]")
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(fault) = fault {
            findings.push(Finding { line: token.span().start().line, fault: fault.to_owned() });
        }
        if let TokenTree::Group(group) = token {
            check_tokens(group.stream(), place, findings);
        }
    }
}

/// Whether what follows a word is `::`.
fn begins_path(rest: &[TokenTree]) -> bool {
    matches!(rest.first(), Some(TokenTree::Punct(colon))
        if colon.as_char() == ':' && colon.spacing() == Spacing::Joint)
        && is_punct(rest.get(1), ':')
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether the attribute is a bare `ignore`, be it under a condition.
fn ignores_without_reason(attribute: &Group) -> bool {
    if attribute.delimiter() != Delimiter::Bracket {
        return false;
    }
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.first() {
        Some(TokenTree::Ident(word)) if word == "ignore" => !is_punct(tokens.get(1), '='),
        Some(TokenTree::Ident(word)) if word == "cfg_attr" => {
            let Some(TokenTree::Group(arguments)) = tokens.get(1) else { return false };
            let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
            arguments.iter().enumerate().any(|(index, token)| {
                matches!(token, TokenTree::Ident(word) if word == "ignore")
                    && !is_punct(arguments.get(index + 1), '=')
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYWHERE: Place = Place { in_adapter: false, only_re_exports: false };
    const RE_EXPORTS: Place = Place { in_adapter: false, only_re_exports: true };

    fn lines(text: &str, place: Place) -> Vec<usize> {
        check(text, place).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_client_library_is_named_in_its_adapter_only() {
        let text = "use std::fmt;\nuse bollard::Docker;\nfn f() { let x = ::bollard::API; }\n";
        assert_eq!(lines(text, ANYWHERE), [2, 3]);
        assert_eq!(check(text, Place { in_adapter: true, ..ANYWHERE }), []);
    }

    #[test]
    fn comments_strings_and_longer_words_break_no_rule() {
        let text = "//! bollard::Docker, todo!(), fn f\n/// `bollard::x` and #[ignore]\nconst A: &str = \
                    \"bollard::x todo!() #[ignore] fn f\";\nuse my_bollard::x;\n";
        assert_eq!(check(text, RE_EXPORTS), []);
    }

    #[test]
    fn stubs_are_found_where_they_hide() {
        let text = "fn f() {\n    if x {\n        todo!();\n    }\n    std::unimplemented!()\n}\n";
        assert_eq!(lines(text, ANYWHERE), [3, 5]);
    }

    #[test]
    fn a_file_that_only_re_exports_defines_no_function() {
        let text = "mod a;\npub use a::A;\ntype F = fn(u8) -> u8;\npub fn f() {}\n";
        assert_eq!(lines(text, RE_EXPORTS), [4]);
        assert_eq!(check(text, ANYWHERE), []);
    }

    #[test]
    fn an_ignored_test_says_why() {
        let text = "#[test]\n#[ignore]\nfn f() {}\n#[ignore = \"needs Docker\"]\nfn g() {}\n\
                    #[cfg_attr(windows, ignore)]\nfn h() {}\n#[cfg_attr(windows, ignore = \"why\")]\nfn i() {}\n";
        assert_eq!(lines(text, ANYWHERE), [2, 6]);
    }

    #[test]
    fn a_file_past_the_limit_is_too_long() {
        assert_eq!(check(&"\n".repeat(LINE_LIMIT), ANYWHERE), []);
        assert_eq!(lines(&"\n".repeat(LINE_LIMIT + 1), ANYWHERE), [LINE_LIMIT + 1]);
    }

    #[test]
    fn what_does_not_parse_is_a_finding() {
        assert_eq!(check("fn f() {", ANYWHERE).len(), 1);
    }

    #[test]
    fn the_place_follows_from_the_path() {
        assert!(place(Path::new("docker-api-trait/src/bollard/client.rs"), true).in_adapter);
        assert!(place(Path::new("docker-api-trait/src/lib.rs"), true).in_adapter);
        assert!(!place(Path::new("docker-api-trait/src/mock.rs"), true).in_adapter);
        assert!(place(Path::new("executor/src/log/mod.rs"), true).only_re_exports);
        assert!(!place(Path::new("executor/tests/common/mod.rs"), true).only_re_exports);
        assert!(!place(Path::new("xtask/src/engine/mod.rs"), false).only_re_exports);
    }
}
