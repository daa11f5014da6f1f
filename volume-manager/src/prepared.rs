//! The volumes of a job, from the plan to their end.

use docker_api_trait::{Mount, VolumeName};
use serde::{Deserialize, Serialize};

use crate::{
    kind::VolumeKind,
    plan::{ManagedVolume, PlannedVolume, ResolvedSource, VolumePlan, mount, resolve},
};

/// Where the content of a volume comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VolumeState {
    /// This run created it: it is empty, or filled from the image.
    Created,
    /// An earlier run created it.
    Reused,
    /// It was found by `prepare`, and was another one when a container was created that mounts it: the
    /// one that was found is gone, and this one is empty unless another run has filled it.
    Recreated,
}

impl VolumeState {
    /// Returns one word for people and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reused => "reused",
            Self::Recreated => "recreated",
        }
    }
}

/// A volume of a job: what was planned, and the volume on the engine that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedVolume {
    /// What was planned.
    pub planned: PlannedVolume,
    /// What that is on the engine.
    pub source: ResolvedSource,
    /// Where its content comes from; `None` of what Berth does not create, and before it is known.
    pub state: Option<VolumeState>,
    /// The run that created it, by its labels; `None` wherever there is no state.
    pub made_by: Option<String>,
    /// Whether a container of the run was seen to hold it. It cannot vanish from then on.
    pub is_held: bool,
}

impl PreparedVolume {
    /// A planned volume that is `source` on the engine, of which nothing more is known.
    pub fn new(planned: PlannedVolume, source: ResolvedSource) -> Self {
        Self { planned, source, state: None, made_by: None, is_held: false }
    }

    /// Sets the state.
    pub fn with_state(mut self, state: VolumeState) -> Self {
        self.state = Some(state);
        self
    }

    /// Sets the run that created it.
    pub fn with_maker(mut self, run: impl Into<String>) -> Self {
        self.made_by = Some(run.into());
        self
    }

    /// Records that a container of the run holds it.
    pub fn held(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Returns what is mounted, in one word.
    pub fn kind(&self) -> VolumeKind {
        self.planned.source.kind()
    }

    /// Returns the volume, when it is one that Berth creates.
    pub fn managed(&self) -> Option<&ManagedVolume> {
        self.source.managed()
    }

    /// Returns the volume's name, or the host's path.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Returns what is asked of the engine when a container is created with it.
    pub fn mount(&self) -> Mount {
        mount(&self.planned, &self.source)
    }
}

/// The volumes of a job, ready to be mounted. [`VolumeManager::prepare`](crate::VolumeManager::prepare)
/// returns them, and [`VolumeManager::finish`](crate::VolumeManager::finish) takes them back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedVolumes {
    /// In the order of the plan.
    pub volumes: Vec<PreparedVolume>,
}

impl PreparedVolumes {
    /// The volumes of a plan without a successful `prepare`: it was not called, it failed, or it was
    /// dropped. Any of them may exist. Given to `finish`, it removes the temporary ones that do.
    pub fn unprepared(plan: &VolumePlan) -> Self {
        let resolve = |planned: &PlannedVolume| {
            PreparedVolume::new(planned.clone(), resolve(&planned.source, &plan.provenance))
        };
        plan.volumes.iter().map(resolve).collect()
    }

    /// The volumes of a plan in given states, for tests: the states are those of its caches and
    /// temporary volumes, in their order. One without a state is [`VolumeState::Created`].
    pub fn with_states(plan: &VolumePlan, states: impl IntoIterator<Item = VolumeState>) -> Self {
        let mut states = states.into_iter();
        let mut prepared = Self::unprepared(plan);
        for volume in prepared.volumes.iter_mut().filter(|volume| volume.managed().is_some()) {
            volume.state = Some(states.next().unwrap_or(VolumeState::Created));
            volume.made_by = Some(match volume.state {
                Some(VolumeState::Created) => plan.provenance.run.clone(),
                _ => format!("another-than-{}", plan.provenance.run),
            });
        }
        prepared
    }

    /// Returns what to mount into the job's containers.
    pub fn mounts(&self) -> Vec<Mount> {
        self.volumes.iter().map(PreparedVolume::mount).collect()
    }

    /// Returns the state of each, in order.
    pub fn states(&self) -> Vec<Option<VolumeState>> {
        self.volumes.iter().map(|volume| volume.state).collect()
    }

    /// Returns the names of the volumes that are removed after the run.
    pub fn temporaries(&self) -> impl Iterator<Item = &VolumeName> {
        self.of_kind(VolumeKind::Temporary).map(|(_, volume)| &volume.name)
    }

    /// Returns the volumes of a kind that Berth creates.
    pub(crate) fn of_kind(
        &self,
        kind: VolumeKind,
    ) -> impl Iterator<Item = (&PreparedVolume, &ManagedVolume)> {
        let volumes = self.volumes.iter().filter(move |volume| volume.kind() == kind);
        volumes.filter_map(|volume| Some((volume, volume.managed()?)))
    }
}

/// For implementations of [`VolumeManager`](crate::VolumeManager).
impl FromIterator<PreparedVolume> for PreparedVolumes {
    fn from_iter<I: IntoIterator<Item = PreparedVolume>>(volumes: I) -> Self {
        Self { volumes: volumes.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        identity::{Provenance, Scope},
        plan::{VolumeDemand, plan},
        policy::Policy,
    };

    #[test]
    fn states_are_given_to_volumes_that_have_one() {
        let specs = ["/a", "data:/b", "/c", "/d"].map(|spec| spec.parse().unwrap());
        let origin = Provenance::new("1", SystemTime::UNIX_EPOCH);
        let scope = Scope::trusted("ci", "app");
        let plan = plan(&VolumeDemand::new(specs), &scope, &origin, &Policy::default()).unwrap();
        let prepared =
            PreparedVolumes::with_states(&plan, [VolumeState::Reused, VolumeState::Recreated]);
        let states = [VolumeState::Reused, VolumeState::Recreated, VolumeState::Created].map(Some);
        assert_eq!(prepared.states(), [states[0], None, states[1], states[2]]);
        let makers = prepared.volumes.iter().map(|volume| volume.made_by.as_deref());
        assert_eq!(makers.filter(|maker| *maker == Some("1")).count(), 1);
        assert_eq!(prepared.volumes[1].name(), "data");
        assert_eq!(PreparedVolumes::unprepared(&plan).states(), [None; 4]);
    }
}
