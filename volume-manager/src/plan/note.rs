//! What a person should know of a plan that works.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::path::ContainerPath;

/// Something about a plan that is allowed, and may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
#[non_exhaustive]
pub enum PlanNote {
    /// The image declares a volume where the job mounts one: the job's is mounted.
    ReplacesImageVolume {
        /// Where.
        destination: ContainerPath,
    },
    /// The image declares a volume inside of one of the job's: what is written there goes with the
    /// container, and is no part of the job's volume.
    ImageVolumeInside {
        /// The job's volume.
        destination: ContainerPath,
        /// The image's.
        image_volume: ContainerPath,
    },
    /// A file system in memory is inside of one of the job's volumes: what is written there goes
    /// with the container.
    TmpfsInside {
        /// The job's volume.
        destination: ContainerPath,
        /// The file system in memory.
        tmpfs: ContainerPath,
    },
}

impl fmt::Display for PlanNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplacesImageVolume { destination } => {
                write!(
                    formatter,
                    "{destination} is mounted instead of the image's own volume there"
                )
            }
            Self::ImageVolumeInside { destination, image_volume } => write!(
                formatter,
                "the image has a volume of its own at {image_volume}: what is written there is \
                 not kept in {destination}"
            ),
            Self::TmpfsInside { destination, tmpfs } => write!(
                formatter,
                "{tmpfs} is in memory: what is written there is not kept in {destination}"
            ),
        }
    }
}
