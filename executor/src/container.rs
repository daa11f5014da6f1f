//! A job's container, planned; and the request that creates it.

use std::collections::BTreeMap;

use docker_api_trait::{ContainerName, ContainerRequest, ImageReference, LogDriver, Mount};
use volume_manager::ContainerPath;

use crate::Variable;

/// The container of a job, without its mounts: those depend on the prepared volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerPlan {
    /// Its name, unique to the run.
    pub name: ContainerName,
    /// Its image.
    pub image: ImageReference,
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// Its environment variables, each name once.
    pub variables: Vec<Variable>,
    /// The folder that it starts in.
    pub working_directory: Option<ContainerPath>,
    /// Who runs it.
    pub user: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl ContainerPlan {
    /// The request that creates it. Two settings are not the engine's defaults:
    /// - no log driver: the output is read from the attach; the engine's default would write it to
    ///   its disk a second time, and a third more of it;
    /// - an init process: as process 1, a shell would ignore the signal that asks it to stop.
    pub(crate) fn request(&self, mounts: Vec<Mount>) -> ContainerRequest {
        let mut request = ContainerRequest::new(self.name.clone(), self.image.clone());
        let (program, arguments) = self.command.split_at(self.command.len().min(1));
        request.entrypoint = program.to_vec();
        request.arguments = arguments.to_vec();
        request.environment = self
            .variables
            .iter()
            .map(|variable| format!("{}={}", variable.name(), variable.value()))
            .collect();
        request.working_directory = self.working_directory.as_ref().map(ToString::to_string);
        request.user.clone_from(&self.user);
        request.labels = self.labels.clone();
        request.mounts = mounts;
        request.log_driver = Some(LogDriver::None);
        request.init = true;
        request
    }
}
