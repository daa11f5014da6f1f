//! Lists of what a job may ask for: images, services and users, as globs with exclusions.
//!
//! The patterns are those of GitLab Runner's lists: `*` and `?` stay within a part between slashes,
//! `**` as a whole part is any number of parts, `[..]` is a choice of characters, `{a,b}` one of
//! words, `\` takes the next character as it is. `!pattern` excludes, wherever it stands in the list.
//! GitLab documents that (`["**", "!*/kali*"]`), but its code allows what any pattern matches.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::reference::{DOCKER_HUB, RegistryImage};

/// Which list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllowKind {
    /// The images that jobs may use.
    Images,
    /// The images that services may use.
    Services,
    /// The images that may be privileged.
    PrivilegedImages,
    /// The services that may be privileged.
    PrivilegedServices,
    /// The users that jobs may run as.
    Users,
}

impl AllowKind {
    /// The configuration's key for it, as in GitLab Runner.
    pub fn key(self) -> &'static str {
        match self {
            Self::Images => "allowed_images",
            Self::Services => "allowed_services",
            Self::PrivilegedImages => "allowed_privileged_images",
            Self::PrivilegedServices => "allowed_privileged_services",
            Self::Users => "allowed_users",
        }
    }
}

impl fmt::Display for AllowKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

/// What is wrong with a list, or with what a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowError {
    /// A pattern of the configuration cannot be read.
    #[error("the pattern {pattern:?} in {kind} cannot be read: {problem}")]
    Pattern {
        /// The list.
        kind: AllowKind,
        /// The pattern, with its `!` if it has one.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No pattern allows what the job asks for.
    #[error("{value:?} is not in {kind} ({})", .patterns.join(", "))]
    NotAllowed {
        /// The list.
        kind: AllowKind,
        /// The image or user that was asked for.
        value: String,
        /// The list's patterns.
        patterns: Vec<String>,
    },
    /// A pattern excludes what the job asks for.
    #[error("{value:?} is excluded by {pattern:?} in {kind}")]
    Excluded {
        /// The list.
        kind: AllowKind,
        /// The image or user that was asked for.
        value: String,
        /// The pattern, with its `!`.
        pattern: String,
    },
}

impl AllowError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Pattern { .. } => {
                "close every bracket and brace, and write \\ before a character that is meant as it \
                 is"
                .to_owned()
            }
            Self::NotAllowed { kind, patterns, .. }
                if patterns.iter().all(|pattern| pattern.starts_with('!')) =>
            {
                format!("{kind} only excludes: put \"**\" before, to allow the rest")
            }
            Self::NotAllowed { kind: AllowKind::Users, .. } => {
                "leave the user out, or ask for one that allowed_users has".to_owned()
            }
            Self::NotAllowed { kind, .. } => format!(
                "ask for one that {kind} has, spelled as it is there; `*` does not go over a slash, \
                 `**` does"
            ),
            Self::Excluded { kind, .. } => {
                format!("ask for another, or have the pattern taken out of {kind}")
            }
        }
    }
}

/// A list of what a job may ask for.
///
/// What is allowed is compared as the job spells it. An exclusion also meets the image's other
/// spellings: with and without `docker.io/library/`, the port 443, its tag or digest; and it takes
/// no notice of case. It is about names alone: an image that the engine has can go by its id or by another tag.
#[derive(Debug, Clone)]
pub(crate) struct AllowList {
    kind: AllowKind,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    text: String,
    excludes: bool,
    /// More than one for what ends in `/**`, which is also the part before.
    globs: Vec<GlobMatcher>,
}

impl AllowList {
    /// Reads a list. An empty one allows everything, but see [`AllowList::check_user`].
    ///
    /// # Errors
    /// [`AllowError::Pattern`]: a pattern that cannot be read must not pass for one that matches
    /// nothing, as it may be an exclusion.
    pub(crate) fn new(
        kind: AllowKind,
        patterns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, AllowError> {
        let rules = patterns.into_iter().map(|text| Rule::new(kind, text.into()));
        Ok(Self { kind, rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether an image may be used. The configuration's own images, given as `configured`, may
    /// always.
    ///
    /// # Errors
    /// [`AllowError::NotAllowed`], [`AllowError::Excluded`].
    pub(crate) fn check_image(&self, image: &str, configured: &[&str]) -> Result<(), AllowError> {
        if self.rules.is_empty() || configured.contains(&image) {
            return Ok(());
        }
        self.check(image, &image_spellings(image))
    }

    /// Whether a job may run as a user. Nobody in particular, `""`, is the image's own user and
    /// always allowed, as is the configuration's user. With an empty list that one is the only one,
    /// or, if there is none, anyone is allowed.
    ///
    /// An exclusion of `root` or `0` also meets the other and any group. Names are only known in the
    /// image, so that no list can say which other name has which number.
    ///
    /// # Errors
    /// [`AllowError::NotAllowed`], [`AllowError::Excluded`].
    pub(crate) fn check_user(
        &self,
        user: &str,
        configured: Option<&str>,
    ) -> Result<(), AllowError> {
        let configured = configured.filter(|name| !name.is_empty());
        if user.is_empty() || configured == Some(user) {
            return Ok(());
        }
        if self.rules.is_empty() {
            return match configured {
                None => Ok(()),
                Some(only) => Err(AllowError::NotAllowed {
                    kind: self.kind,
                    value: user.to_owned(),
                    patterns: vec![only.to_owned()],
                }),
            };
        }
        self.check(user, &user_spellings(user))
    }

    fn check(&self, value: &str, spellings: &[String]) -> Result<(), AllowError> {
        let excluding = self.rules.iter().filter(|rule| rule.excludes).find(|rule| {
            rule.matches(value) || spellings.iter().any(|spelling| rule.matches(spelling))
        });
        if let Some(rule) = excluding {
            return Err(AllowError::Excluded {
                kind: self.kind,
                value: value.to_owned(),
                pattern: rule.text.clone(),
            });
        }
        if self.rules.iter().any(|rule| !rule.excludes && rule.matches(value)) {
            return Ok(());
        }
        Err(AllowError::NotAllowed {
            kind: self.kind,
            value: value.to_owned(),
            patterns: self.rules.iter().map(|rule| rule.text.clone()).collect(),
        })
    }
}

impl Rule {
    fn new(kind: AllowKind, text: String) -> Result<Self, AllowError> {
        let (excludes, pattern) = match text.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, text.as_str()),
        };
        let read = |pattern: &str| {
            GlobBuilder::new(pattern)
                .literal_separator(true)
                .backslash_escape(true)
                .empty_alternates(true)
                .case_insensitive(excludes)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|error| AllowError::Pattern {
                    kind,
                    pattern: text.clone(),
                    problem: error.kind().to_string(),
                })
        };
        let mut globs = vec![read(pattern)?];
        if let Some(stem) = pattern.strip_suffix("/**").filter(|stem| !stem.ends_with('\\')) {
            globs.push(read(stem)?);
        }
        Ok(Self { text, excludes, globs })
    }

    fn pattern(&self) -> &str {
        if self.excludes { &self.text[1..] } else { &self.text }
    }

    fn matches(&self, value: &str) -> bool {
        // A user of Windows has a `\` in it, which a glob takes for its own.
        let exact = self.pattern() == value;
        exact || self.globs.iter().any(|glob| glob.is_match(value))
    }
}

/// The ways to write an image that an exclusion has to meet.
fn image_spellings(image: &str) -> Vec<String> {
    let Ok(read) = RegistryImage::parse(image) else {
        return Vec::new();
    };
    // Docker Hub answers to other names as well.
    let on_hub = matches!(
        read.registry.trim_end_matches(":443"),
        DOCKER_HUB | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com"
    );
    let names = if on_hub {
        let short = read.path.strip_prefix("library/").unwrap_or(&read.path);
        vec![short.to_owned(), format!("{DOCKER_HUB}/{}", read.path)]
    } else {
        let portless = read.registry.strip_suffix(":443").unwrap_or(&read.registry);
        vec![read.repository(), format!("{portless}/{}", read.path)]
    };
    let mut endings = vec![String::new()];
    match (&read.tag, &read.digest) {
        (None, None) => endings.push(":latest".to_owned()),
        (tag, digest) => {
            let tag = tag.iter().map(|tag| format!(":{tag}"));
            let digest = digest.iter().map(|digest| format!("@{digest}"));
            endings.extend(tag.chain(digest));
        }
    }
    names.iter().flat_map(|name| endings.iter().map(move |end| format!("{name}{end}"))).collect()
}

/// The ways to write a user that an exclusion has to meet.
fn user_spellings(user: &str) -> Vec<String> {
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    let mut spellings = vec![name.to_owned()];
    if let Ok(number) = name.parse::<i64>() {
        spellings.push(number.to_string());
    }
    // A group alone, `:0`, runs as the engine's default, which is root.
    if name.is_empty() || name == "root" || name.parse() == Ok(0_i64) {
        spellings.extend(["root".to_owned(), "0".to_owned()]);
    }
    spellings
}

#[cfg(test)]
mod tests;
