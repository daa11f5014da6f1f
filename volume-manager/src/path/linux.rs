//! The canonical form of a Linux path.

use super::PathProblem;

/// The longest path that Linux opens, its end mark included, is 4,096 bytes.
pub(super) const LONGEST: usize = 4095;
/// The longest name of a file or folder, on every file system that an engine stores volumes on.
pub(super) const LONGEST_COMPONENT: usize = 255;

/// Drops repeated and trailing slashes and `.`, and resolves `..` as the engine itself does: in
/// the text, whatever links there may be. The root is the empty text.
pub(super) fn normalize(text: &str) -> Result<String, PathProblem> {
    check(text)?;
    let Some(rest) = text.strip_prefix('/') else { return Err(PathProblem::NotAbsolute) };
    let components = resolve(rest.split('/'))?;
    Ok(components.iter().fold(String::with_capacity(text.len()), |mut path, component| {
        path.push('/');
        path.push_str(component);
        path
    }))
}

/// What is wrong with a path of any system.
pub(super) fn check(text: &str) -> Result<(), PathProblem> {
    if text.is_empty() {
        return Err(PathProblem::Empty);
    }
    if text.len() > LONGEST {
        return Err(PathProblem::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(PathProblem::ControlCharacter);
    }
    Ok(())
}

/// The components that are left without the empty ones, `.` and `..`.
pub(super) fn resolve<'a>(
    components: impl Iterator<Item = &'a str>,
) -> Result<Vec<&'a str>, PathProblem> {
    let mut resolved = Vec::new();
    for component in components {
        match component {
            "" | "." => {}
            ".." => {
                resolved.pop().ok_or(PathProblem::Climbs)?;
            }
            long if long.len() > LONGEST_COMPONENT => return Err(PathProblem::ComponentTooLong),
            component => resolved.push(component),
        }
    }
    Ok(resolved)
}
