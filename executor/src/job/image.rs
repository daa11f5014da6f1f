//! The image of a job's container, or of a service.

use std::{fmt, str::FromStr};

use docker_api_trait::{ImageReference, InvalidId};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::image::PullPolicy;

/// An image, and how it is used. In a job file a name alone stands for an image with nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageSpec {
    /// Its name.
    pub name: ImageReference,
    /// The program that is run before the shell, in place of the image's own; empty is the shell
    /// itself. The image's entrypoint is not used: it is often a program that would take a script
    /// for its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Who runs it: a name or number, with a group after a colon if any; `None` is the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The platform, `linux/arm64`; `None` is the engine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// When it is pulled: the policies are tried in order. Empty is the configuration's.
    #[serde(rename = "pull_policy", skip_serializing_if = "Vec::is_empty")]
    pub pull_policies: Vec<PullPolicy>,
}

impl ImageSpec {
    /// An image with nothing else said of it.
    pub fn new(name: ImageReference) -> Self {
        Self { name, entrypoint: Vec::new(), user: None, platform: None, pull_policies: Vec::new() }
    }
}

impl From<ImageReference> for ImageSpec {
    fn from(name: ImageReference) -> Self {
        Self::new(name)
    }
}

/// The name of an image.
impl FromStr for ImageSpec {
    type Err = InvalidId;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        ImageReference::new(name).map(Self::new)
    }
}

/// The name of an image.
impl TryFrom<&str> for ImageSpec {
    type Error = InvalidId;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        name.parse()
    }
}

/// An image that is written as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenImage {
    name: ImageReference,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    pull_policy: PullPolicies,
}

/// One policy or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected always, if-not-present, never, or a list of them")]
enum PullPolicies {
    One(PullPolicy),
    Several(Vec<PullPolicy>),
}

impl Default for PullPolicies {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// By hand, so that an error tells the key that is wrong instead of "neither form".
impl<'de> Deserialize<'de> for ImageSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = ImageSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an image: its name, or a table with `name`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ImageSpec, E> {
                ImageReference::new(name).map(ImageSpec::new).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<ImageSpec, A::Error> {
                let written = WrittenImage::deserialize(MapAccessDeserializer::new(table))?;
                Ok(ImageSpec {
                    name: written.name,
                    entrypoint: written.entrypoint,
                    user: written.user,
                    platform: written.platform,
                    pull_policies: match written.pull_policy {
                        PullPolicies::One(policy) => vec![policy],
                        PullPolicies::Several(policies) => policies,
                    },
                })
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_name_or_a_table() {
        let read = |text: &str| serde_json::from_str::<ImageSpec>(text);
        assert_eq!(read(r#""busybox""#).unwrap(), ImageSpec::new("busybox".parse().unwrap()));
        assert_eq!("busybox".parse::<ImageSpec>().unwrap(), read(r#""busybox""#).unwrap());
        assert!(ImageSpec::try_from("../x").is_err());
        let image = read(r#"{"name": "a:1", "user": "1000", "pull_policy": "never"}"#).unwrap();
        assert_eq!(image.user.as_deref(), Some("1000"));
        assert_eq!(image.pull_policies, [PullPolicy::Never]);
        let error = read(r#"{"name": "a:1", "usr": "1000"}"#).unwrap_err().to_string();
        assert!(error.contains("usr"), "{error}");
        for wrong in [r#""../x""#, "3", "{}", r#"{"name": "a", "pull_policy": "sometimes"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
