//! Errors without secrets.

use std::sync::Arc;

use docker_api_trait::ApiError;

use super::Redactor;
use crate::{
    error::{
        CleanupError, ImageError, PrepareError, ResumeError, RunError, StepError, TransferError,
    },
    image::BrokenCredentials,
    workspace::WorkspaceError,
};

impl Redactor {
    /// Returns the error of a run without secrets.
    pub(crate) fn run_error(&self, error: RunError) -> RunError {
        use RunError as E;
        match error {
            E::Image(error) => E::Image(self.image(error)),
            E::Prepare(error) => E::Prepare(self.prepare(error)),
            E::Step(error) => E::Step(self.step_error(error)),
            E::Transfer(error) => E::Transfer(self.transfer(error)),
            E::Panicked { message } => E::Panicked { message: self.text(message) },
            E::Earlier { message } => E::Earlier { message: self.text(message) },
        }
    }

    fn engine(&self, error: ApiError) -> ApiError {
        error.redacted(self.secrets.iter().map(String::as_str))
    }

    fn image(&self, error: ImageError) -> ImageError {
        use ImageError as E;
        match error {
            // Jobs share a pull, and each has secrets of its own.
            E::Pull { image, fault, source, broken_credentials } => E::Pull {
                image,
                fault,
                source: Arc::new(source.to_redacted(self.secrets.iter().map(String::as_str))),
                broken_credentials: broken_credentials
                    .into_iter()
                    .map(|BrokenCredentials { why, hint }| BrokenCredentials {
                        why: self.text(why),
                        hint,
                    })
                    .collect(),
            },
            E::Stalled { image, after } => E::Stalled { image, after },
            E::Missing { image } => E::Missing { image },
            E::Platform { image, wanted, found } => E::Platform {
                image,
                wanted: self.text(wanted),
                found: found.map(|found| self.text(found)),
            },
        }
    }

    fn prepare(&self, error: PrepareError) -> PrepareError {
        use PrepareError as E;
        match error {
            E::Engine(error) => E::Engine(self.engine(error)),
            E::DiskFull { source } => E::DiskFull { source: self.engine(source) },
            E::NameTaken { name, source } => E::NameTaken { name, source: self.engine(source) },
            E::Network { source } => E::Network { source: self.engine(source) },
            E::Volumes(error) => {
                E::Volumes(error.redacted(self.secrets.iter().map(String::as_str)))
            }
            E::UnsupportedSystem { os } => E::UnsupportedSystem { os: self.text(os) },
            E::Start { source } => E::Start { source: self.engine(source) },
            // Berth's words for a kind of refusal.
            E::Refused { cause, source } => E::Refused { cause, source: self.engine(source) },
            E::ContainerVanished { container } => E::ContainerVanished { container },
            E::NetworkVanished { network } => E::NetworkVanished { network },
            E::VolumeLost { volume, kind, source } => {
                E::VolumeLost { volume, kind, source: self.engine(source) }
            }
            // It has numbers alone.
            E::Mask(error) => E::Mask(error),
        }
    }

    fn step_error(&self, error: StepError) -> StepError {
        use StepError as E;
        match error {
            E::Interrupted { container } => E::Interrupted { container },
            E::EngineLost { source } => E::EngineLost { source: self.engine(source) },
            E::NoShell { image, detail } => E::NoShell { image, detail: self.text(detail) },
            E::ContainerVanished { container } => E::ContainerVanished { container },
            E::ContainerLost { detail } => E::ContainerLost { detail: self.text(detail) },
        }
    }

    /// Returns the error of a transfer without secrets.
    pub(crate) fn transfer(&self, error: TransferError) -> TransferError {
        use TransferError as E;
        match error {
            E::Engine(error) => E::Engine(self.engine(error)),
            E::DiskFull { source } => E::DiskFull { source: self.engine(source) },
            E::Workspace(error) => E::Workspace(self.workspace(error)),
            E::NoBuildFolder => E::NoBuildFolder,
            E::WithoutShell => E::WithoutShell,
            E::BuildFolder { code, words } => E::BuildFolder { code, words: self.text(words) },
        }
    }

    /// Returns the error of a resumption without secrets.
    pub(crate) fn resume(&self, error: ResumeError) -> ResumeError {
        use ResumeError as E;
        match error {
            E::Engine(error) => E::Engine(self.engine(error)),
            E::Volumes(error) => {
                E::Volumes(error.redacted(self.secrets.iter().map(String::as_str)))
            }
            E::Attach(error) => E::Attach(self.prepare(error)),
            E::NotPrepared { run, container } => E::NotPrepared { run, container },
            E::OtherRun { progress, plan } => E::OtherRun { progress, plan },
            E::Mask(error) => E::Mask(error),
        }
    }

    pub(super) fn cleanup_error(&self, error: CleanupError) -> CleanupError {
        use CleanupError as E;
        match error {
            E::Engine(error) => E::Engine(self.engine(error)),
            E::Volumes(error) => {
                E::Volumes(error.redacted(self.secrets.iter().map(String::as_str)))
            }
        }
    }

    fn workspace(&self, error: WorkspaceError) -> WorkspaceError {
        use WorkspaceError as E;
        match error {
            E::Folder { path, source } => {
                E::Folder { path: self.path(path), source: self.system(source) }
            }
            E::Git { path, detail } => E::Git { path: self.path(path), detail: self.text(detail) },
            E::Read { path, source } => {
                E::Read { path: self.relative(path), source: self.system(source) }
            }
            E::Shrunk { path } => E::Shrunk { path: self.relative(path) },
            E::Pattern { pattern, problem } => {
                E::Pattern { pattern: self.text(pattern), problem: self.text(problem) }
            }
            // Numbers and texts of this program.
            E::Archive(fault) => E::Archive(fault),
            E::Limit(limit) => E::Limit(limit),
            E::Transfer { source } => E::Transfer { source: self.cause(source) },
            // What it names came out of a container.
            E::Write { path, source } => {
                E::Write { path: self.text(path), source: self.system(source) }
            }
            E::Abandoned => E::Abandoned,
        }
    }
}
