//! The names of volumes: a public format.
//!
//! `berth-c1-<project hint>-<destination hint>-<32 hexadecimal digits>` for caches, `berth-t1-…`
//! for temporaries. The hints are for human eyes. Identity is in the digits: the first 16 bytes of
//! SHA-256 over the fields, each preceded by its length, so that no two lists of fields share a
//! text. `1` is the version of the format: a change of any part of it is a new number.

use std::fmt::Write as _;

use docker_api_trait::VolumeName;
use sha2::{Digest as _, Sha256};

use crate::{ContainerPath, Scope};

/// What the names of all our volumes begin with. A name alone is never a reason to touch a volume.
pub const PREFIX: &str = "berth-";

/// At most so many characters of a project or destination are shown in a name.
const HINT: usize = 24;

/// The name of the cache of `scope` at `destination`: the same for every run.
pub fn cache(scope: &Scope, destination: &ContainerPath) -> VolumeName {
    compose("c1", scope, destination, &[])
}

/// The name of a run's temporary volume at `destination`: another for every run.
pub fn temporary(scope: &Scope, destination: &ContainerPath, run: &str) -> VolumeName {
    compose("t1", scope, destination, &[run])
}

/// The first 32 hexadecimal digits of SHA-256 over length-prefixed fields.
pub fn fingerprint<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The end of `text` in lower-case letters, digits and single dashes: the end tells more than the
/// beginning, in paths and in projects with groups.
pub fn hint(text: &str) -> String {
    let mut words = String::new();
    for character in text.chars().map(|character| character.to_ascii_lowercase()) {
        if character.is_ascii_alphanumeric() {
            words.push(character);
        } else if !words.ends_with('-') {
            words.push('-');
        }
    }
    let words = words.trim_matches('-');
    let tail = words[words.len().saturating_sub(HINT)..].trim_matches('-');
    if tail.is_empty() { "x".to_owned() } else { tail.to_owned() }
}

fn compose(format: &str, scope: &Scope, destination: &ContainerPath, more: &[&str]) -> VolumeName {
    let fields = [
        format,
        &scope.owner,
        &scope.project,
        scope.trust.as_str(),
        &scope.key,
        destination.as_str(),
    ];
    let digits = fingerprint(fields.into_iter().chain(more.iter().copied()));
    let name = format!(
        "{PREFIX}{format}-{}-{}-{digits}",
        hint(&scope.project),
        hint(destination.as_str())
    );
    VolumeName::new(name).expect("hints and digits are legal in a volume's name")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Trust;

    fn path(text: &str) -> ContainerPath {
        ContainerPath::new(text).unwrap()
    }

    /// The format is public: a changed vector needs a new version, a CHANGELOG entry and a
    /// migration. Their digits were computed by another program, from the format's description.
    #[test]
    fn names_follow_the_golden_vectors() {
        let name = |scope: &Scope, destination| cache(scope, &path(destination)).to_string();
        assert_eq!(
            name(&Scope::trusted("ci", "group/app"), "/cache"),
            "berth-c1-group-app-cache-94a6dda53b3b7518af7497b763b84a35"
        );
        assert_eq!(
            name(&Scope::untrusted("ci", "group/app"), "/cache"),
            "berth-c1-group-app-cache-58bdf109571ade153de76862b7ab2ef8"
        );
        assert_eq!(
            name(&Scope::trusted("", "日本"), "/root/.cargo/registry/index/very-long"),
            "berth-c1-x-registry-index-very-long-535c7381bd335fb54e4e9278cb131ac9"
        );
        assert_eq!(
            temporary(&Scope::trusted("ci", "group/app"), &path("/cache"), "run-1").to_string(),
            "berth-t1-group-app-cache-f3f442f25792303dba313fa34af9afd3"
        );
    }

    #[test]
    fn trust_cannot_be_imitated_by_a_key() {
        let trusted = Scope::trusted("ci", "app");
        for key in ["trusted", "x-trusted", "-trusted.", "TRUSTED", "trusted%20", "ｔrusted"] {
            let untrusted = Scope { key: key.to_owned(), ..Scope::untrusted("ci", "app") };
            for other in ["", key] {
                let trusted = Scope { key: other.to_owned(), ..trusted.clone() };
                assert_ne!(cache(&trusted, &path("/c")), cache(&untrusted, &path("/c")));
            }
        }
    }

    #[test]
    fn fields_that_only_join_alike_have_different_names() {
        let one = cache(&Scope::trusted("a", "bc"), &path("/c"));
        let other = cache(&Scope::trusted("ab", "c"), &path("/c"));
        assert_ne!(one, other);
    }

    #[test]
    fn hints_are_the_legal_end_of_the_text() {
        assert_eq!(hint("/cache"), "cache");
        assert_eq!(hint("Group/Sub Group//App"), "group-sub-group-app");
        assert_eq!(hint("日本"), "x");
        assert_eq!(hint(""), "x");
        assert_eq!(hint(&"ab".repeat(100)).len(), HINT);
    }

    proptest! {
        #[test]
        fn any_scope_gives_a_legal_name_of_at_most_128_characters(
            owner in ".*", project in ".*", key in ".*", trusted: bool,
            destination in "/[^/\\p{C}.]{1,300}",
        ) {
            let trust = if trusted { Trust::Trusted } else { Trust::Untrusted };
            let scope = Scope { owner, project, trust, key };
            prop_assert!(cache(&scope, &path(&destination)).as_str().len() <= 128);
        }
    }
}
