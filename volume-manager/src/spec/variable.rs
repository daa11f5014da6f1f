//! Variables in a spec.
//!
//! `$NAME` and `${NAME}` stand for a variable's value, `$$` for a dollar; a dollar before anything
//! else is one. GitLab Runner puts nothing in for a variable that is not defined, which makes
//! `/cache/$TYPO` another cache than was meant; here, that is an error.

use std::collections::BTreeMap;

/// A variable that is not defined.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undefined<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// How many characters stand before its dollar.
    pub(super) offset: usize,
}

/// `text` with the variables' values put in; values are not looked through for more variables.
pub(super) fn expand<'a>(
    text: &'a str,
    variables: &BTreeMap<String, String>,
) -> Result<String, Undefined<'a>> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let Some((name, length)) = reference(after) else {
            expanded.push('$');
            rest = after;
            continue;
        };
        let Some(value) = variables.get(name) else {
            let before = text.len() - rest.len() + dollar;
            return Err(Undefined { name, offset: text[..before].chars().count() });
        };
        expanded.push_str(value);
        rest = &after[length..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The name at the beginning of what follows a dollar, and how many bytes name and braces take.
fn reference(after: &str) -> Option<(&str, usize)> {
    let bare = after.strip_prefix('{').unwrap_or(after);
    let length = bare
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
        .unwrap_or(bare.len());
    let name = &bare[..length];
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if bare.len() == after.len() {
        return Some((name, length));
    }
    bare[length..].starts_with('}').then_some((name, length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Undefined<'_>> {
        let variables = [("A", "one"), ("B_2", "two"), ("DEEP", "$A"), ("EMPTY", "")];
        let variables =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
        expand(text, &variables.collect())
    }

    #[test]
    fn a_variable_stands_for_its_value() {
        for (text, expected) in [
            ("", ""),
            ("/a", "/a"),
            ("/$A", "/one"),
            ("$A/x", "one/x"),
            ("/${A}x$B_2", "/onextwo"),
            ("/$A$A", "/oneone"),
            ("/$EMPTY/", "//"),
            ("/$DEEP", "/$A"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_dollar_that_begins_no_variable_is_a_dollar() {
        for (text, expected) in [
            ("$", "$"),
            ("a$", "a$"),
            ("$$A", "$A"),
            ("$$$A", "$one"),
            ("/$1", "/$1"),
            ("/$-t", "/$-t"),
            ("/${r/$$-t/d", "/${r/$-t/d"),
            ("/${}", "/${}"),
            ("/${A", "/${A"),
            ("/$é", "/$é"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_defined_is_an_error_with_its_place() {
        assert_eq!(expanded("/ä/$C/d"), Err(Undefined { name: "C", offset: 3 }));
        assert_eq!(expanded("$A/${a}"), Err(Undefined { name: "a", offset: 3 }));
        assert_eq!(expanded("$Ab"), Err(Undefined { name: "Ab", offset: 0 }));
    }
}
