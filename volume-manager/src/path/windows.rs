//! The canonical form of a Windows path: `c:\cache`, `\\?\c:\cache`, `\\.\pipe\name`.

use super::{
    PathProblem,
    linux::{check, resolve},
};

/// Switches off what Windows does to a path before it is opened.
pub(super) const VERBATIM: &str = r"\\?\";
const PIPE: &str = r"\\.\pipe\";

/// A path with back-slashes, without repeated and trailing ones, with `.` and `..` resolved, and
/// without the dots and spaces at a component's end, which Windows ignores. A drive's root keeps
/// its back-slash. `forbidden` are the characters that no component may have.
pub(super) fn normalize(text: &str, forbidden: &[char]) -> Result<String, PathProblem> {
    check(text)?;
    let text = text.replace('/', r"\");
    let (prefix, rest) = match text.strip_prefix(VERBATIM) {
        Some(rest) => (VERBATIM, rest),
        None => ("", text.as_str()),
    };
    let mut characters = rest.chars();
    let (Some(letter), Some(':')) = (characters.next(), characters.next()) else {
        return Err(PathProblem::NotAbsolute);
    };
    let path = characters.as_str();
    // `c:name` is relative to a folder that every process has of its own.
    if !letter.is_ascii_alphabetic() || !(path.is_empty() || path.starts_with('\\')) {
        return Err(PathProblem::NotAbsolute);
    }
    if path.contains(forbidden) {
        return Err(PathProblem::Forbidden);
    }
    let mut canonical = format!("{prefix}{letter}:");
    for component in resolve(path.split('\\'))? {
        let component = component.trim_end_matches(['.', ' ']);
        if component.is_empty() {
            return Err(PathProblem::OnlyDots);
        }
        canonical.push('\\');
        canonical.push_str(component);
    }
    if canonical.ends_with(':') {
        canonical.push('\\');
    }
    Ok(canonical)
}

/// The canonical form of a named pipe, with slashes of either kind; `None` when `text` is none.
pub(super) fn pipe(text: &str) -> Result<Option<String>, PathProblem> {
    let text = text.replace('/', r"\");
    let is_pipe = text.get(..PIPE.len()).is_some_and(|head| head.eq_ignore_ascii_case(PIPE));
    if !is_pipe {
        return Ok(None);
    }
    check(&text)?;
    let name = &text[PIPE.len()..];
    if name.trim_matches('\\').is_empty() {
        return Err(PathProblem::Root);
    }
    if name.contains([':', '*', '?', '"', '<', '>', '|']) {
        return Err(PathProblem::Forbidden);
    }
    if name.split('\\').any(|component| matches!(component, "" | "." | "..")) {
        return Err(PathProblem::Climbs);
    }
    // As of a file's name, Windows drops what is at the end.
    match name.trim_end_matches(['.', ' ']) {
        "" => Err(PathProblem::OnlyDots),
        name => Ok(Some(format!("{PIPE}{name}"))),
    }
}
