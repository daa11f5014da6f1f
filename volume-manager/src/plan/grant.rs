//! What the policy lets a job mount.

use docker_api_trait::{Propagation, Relabel, VolumeName};

use super::error::PlanError;
use crate::{
    name,
    path::{ContainerPath, HostPath, PipePath},
    policy::{Policy, RealPath},
    spec::{SpecOrigin, VolumeSpec},
};

/// A policy, and whose volumes it is asked about.
#[derive(Clone, Copy)]
pub(super) struct Grants<'a> {
    pub(super) policy: &'a Policy,
    pub(super) origin: SpecOrigin,
}

impl Grants<'_> {
    /// Under its name alone, another project's or another trust's cache could be mounted. Engines on
    /// Windows ignore the case of a name.
    pub(super) fn check_name(&self, name: &VolumeName) -> Result<(), PlanError> {
        if name.as_str().to_ascii_lowercase().starts_with(name::PREFIX) {
            return Err(PlanError::ReservedName { name: name.clone() });
        }
        if !self.policy.allow_named_volumes {
            return Err(PlanError::NamedVolumeRefused { name: name.clone() });
        }
        Ok(())
    }

    pub(super) fn check_path(&self, path: &HostPath, spec: &VolumeSpec) -> Result<(), PlanError> {
        self.check_host(path.as_str(), self.policy.has_socket(path), &spec.destination)?;
        self.check_real(path, &spec.destination)?;
        self.check_options(spec)
    }

    pub(super) fn check_pipe(
        &self,
        pipe: &PipePath,
        destination: &ContainerPath,
    ) -> Result<(), PlanError> {
        self.check_host(pipe.as_str(), Policy::is_engine_pipe(pipe), destination)
    }

    fn check_host(
        &self,
        path: &str,
        is_socket: bool,
        destination: &ContainerPath,
    ) -> Result<(), PlanError> {
        let (path, destination) = (path.to_owned(), destination.clone());
        if !self.policy.allow_host_paths {
            return Err(PlanError::HostPathRefused { path, destination });
        }
        if is_socket && !self.policy.allow_engine_socket {
            let origin = self.origin;
            return Err(PlanError::EngineSocketRefused { path, destination, origin });
        }
        Ok(())
    }

    /// What a path of the host really is must not be an engine's socket either, or a folder around one.
    fn check_real(&self, path: &HostPath, destination: &ContainerPath) -> Result<(), PlanError> {
        if self.policy.allow_engine_socket {
            return Ok(());
        }
        let (text, destination) = (path.to_string(), destination.clone());
        match self.policy.real_paths.get(path) {
            None => Ok(()),
            // The operator chose the path. Often it is one that this user may not read.
            Some(RealPath::Unknown) if self.origin == SpecOrigin::Operator => Ok(()),
            Some(RealPath::Unknown) => Err(PlanError::HostPathUnknown { path: text, destination }),
            Some(RealPath::Reaches(paths)) => {
                match paths.iter().find(|real| self.policy.has_socket(real)) {
                    None => Ok(()),
                    Some(real) => {
                        let (real, origin) = (real.to_string(), self.origin);
                        Err(PlanError::EngineSocketReached {
                            path: text,
                            real,
                            destination,
                            origin,
                        })
                    }
                }
            }
        }
    }

    /// Options that change the host itself, or let it and the container change one another.
    fn check_options(&self, spec: &VolumeSpec) -> Result<(), PlanError> {
        use Propagation::{RecursiveShared, RecursiveSlave, Shared, Slave};
        if self.policy.allow_host_options {
            return Ok(());
        }
        let spreads = spec
            .propagation
            .filter(|how| matches!(how, RecursiveShared | RecursiveSlave | Shared | Slave))
            .map(Propagation::as_str);
        match spreads.or(spec.label.map(Relabel::as_str)) {
            None => Ok(()),
            Some(option) => {
                let destination = spec.destination.clone();
                Err(PlanError::HostOptionRefused { option, destination })
            }
        }
    }
}
