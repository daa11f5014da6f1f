//! Tests that documents name: each has to be there. Pure.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

/// The documents that promise something and name the test that shows it.
pub(crate) const WITH_TESTS: [&str; 2] = ["docs/faults.md", "docs/security.md"];

/// A word of so many parts is a sentence, and stands for a test.
const SENTENCE: usize = 4;

/// The functions that a Rust file defines, wherever they stand in it.
pub(crate) fn functions(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match (token, tokens.get(index + 1)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "fn" => {
                found.insert(name.to_string());
            }
            (TokenTree::Group(group), _) => functions(group.stream(), found),
            _ => {}
        }
    }
}

/// The tests that a document names and no file has, each with its line, counted from one.
pub(crate) fn missing(document: &str, functions: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut missing = Vec::new();
    for (index, line) in document.lines().enumerate() {
        // Every second piece stands between two backticks.
        for span in line.split('`').skip(1).step_by(2) {
            if named(span).is_some_and(|test| !test.is_in(functions)) {
                missing.push((index + 1, span.to_owned()));
            }
        }
    }
    missing
}

/// A test as a document names it.
enum Named<'a> {
    Whole(&'a str),
    /// Its name goes on after this.
    Beginning(&'a str),
    /// Its name comes to this end.
    End(&'a str),
    /// Its name has this in it.
    Middle(&'a str),
}

impl Named<'_> {
    fn is_in(&self, functions: &BTreeSet<String>) -> bool {
        match self {
            Self::Whole(name) => functions.contains(*name),
            Self::Beginning(name) => functions.iter().any(|one| one.starts_with(name)),
            Self::End(name) => functions.iter().any(|one| one.ends_with(name)),
            Self::Middle(name) => functions.iter().any(|one| one.contains(name)),
        }
    }
}

/// The test that a span of code stands for, if it does.
fn named(span: &str) -> Option<Named<'_>> {
    let (path, name) = span.rsplit_once("::").unwrap_or(("", span));
    let is_word = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    let is_path = path.split("::").all(is_word);
    let (is_beginning, is_end) = (name.ends_with('…'), name.starts_with('…'));
    let word = name.trim_matches('…');
    let is_sentence = word.split('_').filter(|part| !part.is_empty()).count() >= SENTENCE;
    let is_shortened = is_beginning || is_end;
    if !is_path || !is_word(word) || !(is_sentence || is_shortened && !word.is_empty()) {
        return None;
    }
    Some(match (is_beginning, is_end) {
        (true, true) => Named::Middle(word),
        (true, false) => Named::Beginning(word),
        (false, true) => Named::End(word),
        (false, false) => Named::Whole(word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        functions(text.parse().unwrap(), &mut found);
        found
    }

    #[test]
    fn functions_are_found_wherever_they_stand() {
        let text = "fn a() {} mod m { pub async fn b() { fn c() {} } } trait T { fn d(); } \
                    // fn e\n const F: fn(u8) = g;";
        assert_eq!(found(text).into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_test_that_is_not_there_is_named_with_its_line() {
        let functions = found("fn a_test_that_is_there() {} fn another_one_of_these() {}");
        let document = "`m::a_test_that_is_there`, `a_test_that…`, `…one_of_these`, `…one_of…`\n\
                        `m::a_test_that_was_there`, `a_test_of…`, `…one_of_those`, `…two_of…`";
        let missing = missing(document, &functions);
        let spans: Vec<_> = missing.iter().map(|(line, span)| (*line, span.as_str())).collect();
        let gone = ["m::a_test_that_was_there", "a_test_of…", "…one_of_those", "…two_of…"];
        assert_eq!(spans, gone.map(|span| (2, span)));
    }

    #[test]
    fn what_is_no_sentence_is_no_test() {
        let document = "`docker volume rm`, `wait_for_services`, `Executor::prepare`, `matrix::*`, \
                        `VolumeLost`, `--a_b_c_d_e`, `…`, `a_b_c_d.rs`";
        assert_eq!(missing(document, &BTreeSet::new()), []);
    }
}
