//! The volumes that are there: whose they are, what they are for, and removing them by hand.

use std::sync::Arc;

use docker_api_trait::{ApiError, ContainerSummary, DockerApi, LabelFilter, Volume, VolumeName};

use crate::{label, record::VolumeRecord};

/// Why a volume was not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemovalError {
    /// There is none of that name.
    #[error("there is no volume {volume}")]
    NotFound {
        /// The name.
        volume: VolumeName,
    },
    /// It was not made by Berth.
    #[error("the volume {volume} was not made by berth")]
    Stranger {
        /// The name.
        volume: VolumeName,
    },
    /// It belongs to another installation.
    #[error("the volume {volume} belongs to the owner {owner:?}")]
    OtherOwner {
        /// The name.
        volume: VolumeName,
        /// Whose it is.
        owner: String,
    },
    /// Containers refer to it, running or not.
    #[error("the volume {volume} is in use by {}", names(.containers))]
    InUse {
        /// The name.
        volume: VolumeName,
        /// The containers.
        containers: Vec<ContainerSummary>,
    },
    /// The engine did not do what it was asked for.
    #[error("the volume {volume} could not be removed")]
    Engine {
        /// The name.
        volume: VolumeName,
        /// The cause.
        source: ApiError,
    },
}

impl RemovalError {
    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some("`berth volumes ls` shows those that are there".into()),
            Self::Stranger { volume } => {
                Some(format!("if nobody needs it, `docker volume rm {volume}`"))
            }
            // Not the owner's name itself: anybody may have written it, and a hint gets pasted.
            Self::OtherOwner { .. } => Some("if it is yours, give its `owner`".into()),
            Self::InUse { .. } => {
                Some("wait until the job has ended, or remove the containers first".into())
            }
            Self::Engine { source, .. } => source.hint().map(str::to_owned),
        }
    }
}

fn names(containers: &[ContainerSummary]) -> String {
    if containers.is_empty() {
        return "a container that is going".to_owned();
    }
    let name = |container: &ContainerSummary| {
        let id = container.id.as_str();
        format!("{} ({})", container.name, id.get(..12).unwrap_or(id))
    };
    let kind = if containers.len() == 1 { "the container " } else { "the containers " };
    kind.to_owned() + &containers.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The volumes on an engine, for people. Jobs have no use for it: they know their volumes by name.
#[derive(Debug, Clone)]
pub struct Inventory {
    engine: Arc<dyn DockerApi>,
}

impl Inventory {
    /// The volumes on `engine`.
    pub fn new(engine: Arc<dyn DockerApi>) -> Self {
        Self { engine }
    }

    /// Our volumes of an owner and a project, or of all; in the order of their names. One request.
    ///
    /// # Errors
    /// [`ApiError`] of the engine.
    pub async fn list(
        &self,
        owner: Option<&str>,
        project: Option<&str>,
    ) -> Result<Vec<VolumeRecord>, ApiError> {
        let mut filters = vec![LabelFilter::equals(label::SCHEMA, label::SCHEMA_VERSION)];
        filters.extend(owner.map(|owner| LabelFilter::equals(label::OWNER, owner)));
        filters.extend(project.map(|project| LabelFilter::equals(label::PROJECT, project)));
        let volumes = self.engine.list_volumes(&filters).await?;
        Ok(volumes.iter().filter_map(VolumeRecord::read).collect())
    }

    /// The containers, running or not, that refer to a volume.
    ///
    /// # Errors
    /// [`ApiError`] of the engine.
    pub async fn users(&self, volume: &VolumeName) -> Result<Vec<ContainerSummary>, ApiError> {
        self.engine.list_containers_using(volume).await
    }

    /// The volume of that name, ours or not; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError`] of the engine.
    pub async fn find(&self, volume: &VolumeName) -> Result<Option<Volume>, ApiError> {
        match self.engine.inspect_volume(volume).await {
            Ok(volume) => Ok(Some(volume)),
            Err(ApiError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a volume of `owner`'s that nothing uses, and what is in it.
    ///
    /// # Errors
    /// [`RemovalError`]; the volume is still there then, unless the engine's reply was lost.
    pub async fn remove(&self, volume: &VolumeName, owner: &str) -> Result<(), RemovalError> {
        let failed = |source| RemovalError::Engine { volume: volume.clone(), source };
        let Some(found) = self.find(volume).await.map_err(failed)? else {
            return Err(RemovalError::NotFound { volume: volume.clone() });
        };
        let Some(record) = VolumeRecord::read(&found) else {
            return Err(RemovalError::Stranger { volume: volume.clone() });
        };
        if record.owner != owner {
            return Err(RemovalError::OtherOwner { volume: volume.clone(), owner: record.owner });
        }
        match self.engine.remove_volume(volume).await {
            Ok(()) => Ok(()),
            Err(ApiError::NotFound { .. }) => {
                Err(RemovalError::NotFound { volume: volume.clone() })
            }
            Err(ApiError::Conflict { .. }) => {
                let containers = self.users(volume).await.map_err(failed)?;
                Err(RemovalError::InUse { volume: volume.clone(), containers })
            }
            Err(source) => Err(failed(source)),
        }
    }
}
