//! The rules for the tokens of one file. Pure.

use std::{ffi::OsStr, path::Path};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::tokens::{is_path_separator, is_punct};

/// The only place that may name the client library: the adapter, and the file that re-exports it.
const ADAPTER: [&str; 2] = ["docker-api-trait/src/bollard/", "docker-api-trait/src/lib.rs"];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The line, counted from one.
    pub(super) line: usize,
    pub(super) fault: &'static str,
}

/// Which rules hold for a file in addition to those for all files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// In the adapter for the engine's client library.
    in_adapter: bool,
    /// The `lib.rs` or a `mod.rs` of a library crate, which only re-exports.
    only_re_exports: bool,
}

pub(super) fn place(path: &Path, in_library: bool) -> Place {
    let re_exporter = [OsStr::new("lib.rs"), OsStr::new("mod.rs")];
    let in_sources = path.iter().nth(1) == Some(OsStr::new("src"));
    Place {
        in_adapter: ADAPTER.iter().any(|place| path.starts_with(place)),
        only_re_exports: in_library
            && in_sources
            && path.file_name().is_some_and(|name| re_exporter.contains(&name)),
    }
}

/// Checks a file.
pub(super) fn check(tokens: TokenStream, place: Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_tokens(tokens, place, &mut findings);
    findings
}

fn check_tokens(tokens: TokenStream, place: Place, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index + 1..];
        let fault = match token {
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "bollard" if !place.in_adapter && is_path_separator(rest) => Some(
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
            findings.push(Finding { line: token.span().start().line, fault });
        }
        if let TokenTree::Group(group) = token {
            check_tokens(group.stream(), place, findings);
        }
    }
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

    fn check(text: &str, place: Place) -> Vec<Finding> {
        super::check(text.parse().unwrap(), place)
    }

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
    fn the_place_follows_from_the_path() {
        assert!(place(Path::new("docker-api-trait/src/bollard/client.rs"), true).in_adapter);
        assert!(place(Path::new("docker-api-trait/src/lib.rs"), true).in_adapter);
        assert!(!place(Path::new("docker-api-trait/src/mock.rs"), true).in_adapter);
        assert!(place(Path::new("executor/src/log/mod.rs"), true).only_re_exports);
        assert!(!place(Path::new("executor/tests/common/mod.rs"), true).only_re_exports);
        assert!(!place(Path::new("xtask/src/engine/mod.rs"), false).only_re_exports);
    }
}
