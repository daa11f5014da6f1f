//! The names of volumes: a public format.
//!
//! `berth-c1-<project hint>-<destination hint>-<32 hexadecimal digits>` for caches, `berth-t1-…`
//! for temporaries. The hints are for human eyes. Identity is in the digits: the first 16 bytes of
//! SHA-256 over the fields, each preceded by its length, so that no two lists of fields share a
//! text. `1` is the version of the format: a change of any part of it is a new number.
//!
//! The fields, in order: the format (`c1`, `t1`), owner, project, trust, key and destination; for a
//! temporary volume its run; for a volume of another driver than plain `local` the digest of its
//! configuration. A hash cannot be reversed: [`explain`] starts from the identity, and the labels
//! of a volume have the same fields in clear text.

use docker_api_trait::VolumeName;
use serde::Serialize;

pub use crate::fingerprint::fingerprint;
use crate::identity::{CacheIdentity, VolumeDriver};

/// What the names of all our volumes begin with. A name alone is never a reason to touch a volume.
pub const PREFIX: &str = "berth-";

/// The kind and version of a cache's name.
const CACHE: &str = "c1";
/// The kind and version of a temporary volume's name.
const TEMPORARY: &str = "t1";

/// At most so many characters of a project or destination are shown in a name.
const HINT: usize = 24;

/// The name of a cache: the same for every run. Legal in Docker for every identity.
pub fn cache(identity: &CacheIdentity) -> VolumeName {
    compose(&fields(CACHE, identity, None))
}

/// The name of a run's temporary volume: another for every run, as a run's id is drawn at random.
pub fn temporary(identity: &CacheIdentity, run: &str) -> VolumeName {
    compose(&fields(TEMPORARY, identity, Some(run)))
}

/// The fields behind a cache's name, and the name.
///
/// ```
/// use volume_manager::{CacheIdentity, Scope, name};
///
/// let identity = CacheIdentity::new(Scope::trusted("ci", "group/app"), "/cache".parse()?);
/// let explained = name::explain(&identity);
/// assert_eq!(explained.name, name::cache(&identity));
/// assert_eq!(explained.value("project"), Some("group/app"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn explain(identity: &CacheIdentity) -> Explanation {
    Explanation { name: cache(identity), fields: fields(CACHE, identity, None) }
}

/// Why a cache has its name: see [`explain`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The name.
    pub name: VolumeName,
    /// All that it depends on, in the order of the format.
    pub fields: Vec<Field>,
}

impl Explanation {
    /// The value of the field `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }
}

/// One field of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Field {
    /// Its name: `format`, `owner`, `project`, `trust`, `key`, `destination`, `run` or `driver`.
    pub name: &'static str,
    /// Its value, as it is hashed.
    pub value: String,
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

fn fields(format: &str, identity: &CacheIdentity, run: Option<&str>) -> Vec<Field> {
    let scope = &identity.scope;
    let field = |name, value: &str| Field { name, value: value.to_owned() };
    let mut fields = vec![
        field("format", format),
        field("owner", &scope.owner),
        field("project", &scope.project),
        field("trust", scope.trust.as_str()),
        field("key", &scope.key),
        field("destination", &identity.destination.identity()),
    ];
    fields.extend(run.map(|run| field("run", run)));
    if identity.driver != VolumeDriver::default() {
        fields.push(field("driver", &identity.driver.digest()));
    }
    fields
}

/// The name of what `fields` describe. The first six are always there, in one order.
fn compose(fields: &[Field]) -> VolumeName {
    let value = |index: usize| fields[index].value.as_str();
    let name = format!(
        "{PREFIX}{}-{}-{}-{}",
        value(0),
        hint(value(2)),
        hint(value(5)),
        fingerprint(fields.iter().map(|field| field.value.as_str())),
    );
    VolumeName::new(name).expect("hints and digits are legal in a volume's name")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ContainerPath, OperatingSystem, Scope, Trust};

    fn at(scope: &Scope, destination: &str) -> CacheIdentity {
        CacheIdentity::new(scope.clone(), destination.parse().unwrap())
    }

    /// The format is public: a changed vector needs a new version, a CHANGELOG entry and a
    /// migration. Their digits were computed by another program, from the format's description.
    #[test]
    fn names_follow_the_golden_vectors() {
        let name = |scope: &Scope, destination| cache(&at(scope, destination)).to_string();
        let app = Scope::trusted("ci", "group/app");
        assert_eq!(
            name(&app, "/cache"),
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
            temporary(&at(&app, "/cache"), "run-1").to_string(),
            "berth-t1-group-app-cache-f3f442f25792303dba313fa34af9afd3"
        );
        let driver =
            VolumeDriver::new("local").with_option("type", "tmpfs").with_option("o", "size=1m");
        let driver = at(&app, "/cache").with_driver(driver);
        assert_eq!(
            cache(&driver).to_string(),
            "berth-c1-group-app-cache-c173117a084a85e098ea3c6014cabc8f"
        );
        assert_eq!(
            temporary(&driver, "run-1").to_string(),
            "berth-t1-group-app-cache-caea2d981d7fcc549b8dbd4cabd3671e"
        );
        let windows = ContainerPath::new(OperatingSystem::Windows, r"C:\Cache").unwrap();
        assert_eq!(
            cache(&CacheIdentity::new(app, windows)).to_string(),
            "berth-c1-group-app-c-cache-3a7ba2d686120faa7092cdd8d7ea633e"
        );
    }

    #[test]
    fn trust_cannot_be_imitated_by_a_key() {
        let bases = ["trusted", "x-protected", "protected", ""];
        let forms = |base: &str| {
            let wide = base.chars().map(|letter| {
                char::from_u32(u32::from(letter) + 0xfee0).filter(|_| letter.is_ascii_graphic())
            });
            [
                base.to_owned(),
                format!("{base}."),
                format!("{base}..."),
                format!("-{base}"),
                base.to_uppercase(),
                base.replace('-', "%2D"),
                base.replace('t', "%74"),
                wide.flatten().collect(),
                format!("{base}\0trusted"),
                format!("{base} "),
            ]
        };
        let keys: Vec<String> = bases.iter().flat_map(|base| forms(base)).collect();
        let names = |trust| {
            let identity = |key: &String| {
                at(&Scope { key: key.clone(), trust, ..Scope::trusted("ci", "app") }, "/c")
            };
            keys.iter().map(|key| cache(&identity(key))).collect::<std::collections::BTreeSet<_>>()
        };
        let (trusted, untrusted) = (names(Trust::Trusted), names(Trust::Untrusted));
        assert!(trusted.len() > 30, "the forms differ: {}", trusted.len());
        assert!(trusted.is_disjoint(&untrusted));
    }

    #[test]
    fn fields_that_only_join_alike_have_different_names() {
        let one = cache(&at(&Scope::trusted("a", "bc"), "/c"));
        assert_ne!(one, cache(&at(&Scope::trusted("ab", "c"), "/c")));
        assert_ne!(one, cache(&at(&Scope::trusted("", "abc"), "/c")));
        let scope = Scope { key: "/c".to_owned(), ..Scope::trusted("a", "bc") };
        assert_ne!(cache(&at(&scope, "/d")), cache(&at(&Scope::trusted("a", "bc"), "/c/d")));
    }

    #[test]
    fn another_configuration_is_another_cache() {
        let base = at(&Scope::trusted("ci", "app"), "/c");
        let with = |driver| cache(&base.clone().with_driver(driver));
        let names = [
            cache(&base),
            with(VolumeDriver::new("nfs")),
            with(VolumeDriver::new("local").with_option("a", "b")),
            with(VolumeDriver::new("local").with_option("a", "c")),
            with(VolumeDriver::new("local").with_option("ab", "")),
        ];
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(with(VolumeDriver::default()), cache(&base));
    }

    #[test]
    fn on_windows_case_does_not_make_another_cache() {
        let name = |text| {
            let path = ContainerPath::new(OperatingSystem::Windows, text).unwrap();
            cache(&CacheIdentity::new(Scope::trusted("ci", "app"), path))
        };
        assert_eq!(name(r"C:\Cache"), name("c:/cache/"));
    }

    #[test]
    fn an_explanation_has_every_field() {
        let scope = Scope { key: "k".to_owned(), ..Scope::untrusted("o", "p") };
        let identity = at(&scope, "/d").with_driver(VolumeDriver::new("nfs"));
        let explained = explain(&identity);
        let digest = identity.driver.digest();
        let expected = [
            ("format", "c1"),
            ("owner", "o"),
            ("project", "p"),
            ("trust", "untrusted"),
            ("key", "k"),
            ("destination", "/d"),
            ("driver", &digest),
        ];
        let fields = explained.fields.iter().map(|field| (field.name, field.value.as_str()));
        assert_eq!(fields.collect::<Vec<_>>(), expected);
        assert_eq!(explained.name, cache(&identity));
        assert_eq!((explained.value("owner"), explained.value("run")), (Some("o"), None));
    }

    #[test]
    fn hints_are_the_legal_end_of_the_text() {
        assert_eq!(hint("/cache"), "cache");
        assert_eq!(hint("Group/Sub Group//App"), "group-sub-group-app");
        assert_eq!(hint("日本"), "x");
        assert_eq!(hint(""), "x");
        assert_eq!(hint(&"ab".repeat(100)).len(), HINT);
    }

    /// A million identities, of fields whose texts join alike all the time: no two have one name.
    #[test]
    fn no_two_of_a_million_identities_have_one_name() {
        let texts = ["", "a", "b", "aa", "ab", "ba", "\0", "/", "é", "x-protected"];
        let long = "x".repeat(500);
        let projects: Vec<String> =
            texts.iter().flat_map(|text| [(*text).to_owned(), format!("{text}{long}")]).collect();
        let keys: Vec<String> = texts
            .iter()
            .flat_map(|one| texts.iter().map(move |other| format!("{one}\u{1}{other}")))
            .collect();
        let letters = ["a", "b", "ab", "é", "x"];
        let destinations: Vec<ContainerPath> = letters
            .iter()
            .flat_map(|one| letters.iter().map(move |other| format!("/{one}/{other}")))
            .map(|text| text.parse().unwrap())
            .collect();
        let drivers = [
            VolumeDriver::default(),
            VolumeDriver::new("a"),
            VolumeDriver::new("local").with_option("a", "b"),
            VolumeDriver::new("local").with_option("ab", ""),
        ];
        let mut names = std::collections::HashSet::with_capacity(1_000_000);
        for owner in texts {
            for project in &projects {
                for (key, trust) in
                    keys.iter().flat_map(|key| [(key, Trust::Trusted), (key, Trust::Untrusted)])
                {
                    let scope = Scope { key: key.clone(), trust, ..Scope::trusted(owner, project) };
                    let mut identity = CacheIdentity::new(scope, destinations[0].clone());
                    identity.driver = drivers[names.len() / 25 % 4].clone();
                    for destination in &destinations {
                        identity.destination.clone_from(destination);
                        let name = cache(&identity).to_string();
                        let digits = u128::from_str_radix(&name[name.len() - 32..], 16).unwrap();
                        assert!(names.insert(digits), "{identity:?}");
                    }
                }
            }
        }
        assert_eq!(names.len(), 1_000_000);
    }

    proptest! {
        #[test]
        fn any_identity_gives_a_legal_name_of_at_most_128_characters(
            owner in ".*", project in ".*", key in ".*", trusted: bool,
            destination in "/[a-zA-Z0-9_ é日-]{1,80}(/[a-z.]{0,20}x){0,9}",
        ) {
            let trust = if trusted { Trust::Trusted } else { Trust::Untrusted };
            let identity = at(&Scope { owner, project, trust, key }, &destination);
            prop_assert!(cache(&identity).as_str().len() <= 128);
            prop_assert!(temporary(&identity, "r").as_str().len() <= 128);
        }

        #[test]
        fn identities_with_equal_names_are_equal(
            one in "[ab]{0,2}", two in "[ab]{0,2}", three in "[ab]{0,2}",
            four in "[ab]{0,2}", five in "[ab]{0,2}", six in "[ab]{0,2}",
        ) {
            let identity = |owner: &str, project: &str, key: &str| {
                at(&Scope { key: key.to_owned(), ..Scope::trusted(owner, project) }, "/c")
            };
            let (left, right) = (identity(&one, &two, &three), identity(&four, &five, &six));
            prop_assert_eq!(left == right, cache(&left) == cache(&right));
        }
    }
}
