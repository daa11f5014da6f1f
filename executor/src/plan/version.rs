//! The version of a plan that was written.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The version of the form in which a [`JobPlan`](crate::plan::JobPlan) is written. It has one value: a plan of
/// another version is refused when it is read, because its fields could mean something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PlanVersion;

impl PlanVersion {
    /// The version that this program writes and reads.
    pub const CURRENT: u32 = 2;
}

impl Serialize for PlanVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::CURRENT.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PlanVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            Self::CURRENT => Ok(Self),
            other => Err(D::Error::custom(format_args!(
                "the plan has version {other}, and this program reads version {}: prepare the job \
                 and carry it on with the same version of the program",
                Self::CURRENT
            ))),
        }
    }
}
