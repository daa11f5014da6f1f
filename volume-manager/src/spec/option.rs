//! A spec's options.

use docker_api_trait::{Consistency, Propagation, Relabel};

use super::{
    error::SpecProblem,
    volume::{Mode, VolumeSource, VolumeSpec},
};
use crate::path::OperatingSystem;

/// One option, by what it is about. Of each sort, a spec may have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpecOption {
    Mode(Mode),
    Label(Relabel),
    Propagation(Propagation),
    NoCopy,
    Consistency(Consistency),
}

impl SpecOption {
    /// Reads a word; in any case, but for `z` and `Z`, which differ by nothing else.
    pub(super) fn read(system: OperatingSystem, word: &str) -> Option<Self> {
        let option = match word.to_ascii_lowercase().as_str() {
            "ro" => Self::Mode(Mode::ReadOnly),
            "rw" => Self::Mode(Mode::ReadWrite),
            "o" => Self::Mode(Mode::Overlay),
            "z" if word == "z" => Self::Label(Relabel::Shared),
            "z" => Self::Label(Relabel::Private),
            "private" => Self::Propagation(Propagation::Private),
            "rprivate" => Self::Propagation(Propagation::RecursivePrivate),
            "shared" => Self::Propagation(Propagation::Shared),
            "rshared" => Self::Propagation(Propagation::RecursiveShared),
            "slave" => Self::Propagation(Propagation::Slave),
            "rslave" => Self::Propagation(Propagation::RecursiveSlave),
            "nocopy" => Self::NoCopy,
            "consistent" => Self::Consistency(Consistency::Consistent),
            "cached" => Self::Consistency(Consistency::Cached),
            "delegated" => Self::Consistency(Consistency::Delegated),
            _ => return None,
        };
        let of_windows =
            matches!(option, Self::Mode(Mode::ReadOnly | Mode::ReadWrite) | Self::NoCopy);
        (system == OperatingSystem::Linux || of_windows).then_some(option)
    }

    /// Puts the option into a spec.
    pub(super) fn apply(self, spec: &mut VolumeSpec) -> Result<(), SpecProblem> {
        let earlier = match self {
            Self::Mode(mode) => spec.mode.replace(mode).map(Mode::as_str),
            Self::Label(label) => spec.label.replace(label).map(Relabel::as_str),
            Self::Propagation(propagation) => {
                spec.propagation.replace(propagation).map(Propagation::as_str)
            }
            Self::NoCopy
                if matches!(spec.source, VolumeSource::Host(_) | VolumeSource::Pipe(_)) =>
            {
                return Err(SpecProblem::Meaningless);
            }
            Self::NoCopy => std::mem::replace(&mut spec.no_copy, true).then_some("nocopy"),
            Self::Consistency(consistency) => {
                spec.consistency.replace(consistency).map(Consistency::as_str)
            }
        };
        earlier.map_or(Ok(()), |earlier| Err(SpecProblem::Conflict(earlier)))
    }
}
