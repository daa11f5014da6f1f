//! The hints of this crate's errors, by the trait of all crates.

use std::borrow::Cow;

use docker_api_trait::Hint;

use crate::{PlanError, RemovalError, SpecError, VolumeError};

impl Hint for SpecError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(Self::hint(self).into())
    }

    fn is_retryable(&self) -> bool {
        false
    }
}

impl Hint for PlanError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(Self::hint(self).into())
    }

    fn is_retryable(&self) -> bool {
        false
    }
}

impl Hint for VolumeError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Owned)
    }

    fn is_retryable(&self) -> bool {
        match self {
            Self::Engine { source, .. }
            | Self::NotRemoved { source, .. }
            | Self::Closed { source } => source.is_transient(),
            Self::InUse { .. } => true,
            Self::Cancelled
            | Self::Mismatch { .. }
            | Self::Foreign { .. }
            | Self::Vanished { .. }
            | Self::Unadoptable { .. } => false,
        }
    }
}

impl Hint for RemovalError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Owned)
    }

    fn is_retryable(&self) -> bool {
        match self {
            Self::Engine { source, .. } => source.is_transient(),
            Self::InUse { .. } => true,
            Self::NotFound { .. } | Self::Stranger { .. } | Self::OtherOwner { .. } => false,
        }
    }
}
