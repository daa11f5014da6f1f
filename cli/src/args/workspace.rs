//! The arguments for files that come and go with a job.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use executor::{
    ExecutorConfig, JobSpec,
    job::BuildSpec,
    run::Transfers,
    workspace::{Artifacts, Workspace},
};
use volume_manager::{
    BuildStrategy, ContainerPath, OperatingSystem, Provenance, Scope, SpecReader, VolumeDemand,
    plan,
};

use crate::failure::Failure;

/// Where a project's files are in the container when nothing else is said, as in GitLab Runner.
const BUILDS: &str = "/builds";

#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct WorkspaceArguments {
    /// Copy the project in this folder into the job's build folder; again, only what changed
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Mount the folder instead of copying it; the engine must run on this machine
    #[arg(long, requires = "workspace")]
    bind: bool,
    /// A file or folder of the build folder to bring back, such as 'target/*.deb'; !PATTERN excludes
    #[arg(long = "artifact", value_name = "GLOB", requires = "output")]
    artifacts: Vec<String>,
    /// The folder that artifacts are written to
    #[arg(long, value_name = "DIR", requires = "artifacts")]
    output: Option<PathBuf>,
}

impl WorkspaceArguments {
    /// Gives the job its build folder; what is to be brought and taken comes back.
    pub(crate) fn transfers(
        &self,
        job: &mut JobSpec,
        config: &mut ExecutorConfig,
        builds: Option<&ContainerPath>,
    ) -> Result<Transfers, Failure> {
        let mut transfers = Transfers::none();
        if self.workspace.is_none() && self.artifacts.is_empty() {
            return Ok(transfers);
        }
        let folder = job.build.as_ref().map(|build| build.folder.clone());
        let folder = folder.or_else(|| job.working_directory.clone()).unwrap_or_else(|| {
            let builds = builds.map_or(BUILDS, ContainerPath::as_str);
            format!("{builds}/{}", volume_manager::name::hint(&job.project))
        });
        if job.working_directory.is_none() {
            job.working_directory = Some(folder.clone());
        }
        if job.build.is_none() {
            job.build = Some(BuildSpec::new(folder.clone(), BuildStrategy::Fetch));
        }
        if let Some(project) = &self.workspace {
            if self.bind {
                let path = absolute(project)?;
                refuse_socket(job, config, &path, &folder)?;
                // Whoever gives the option may read and write the folder anyway.
                config.volumes.push(format!("{path}:{folder}"));
            } else {
                if !project.is_dir() {
                    return Err(no_folder("--workspace", project, "a folder that exists"));
                }
                transfers = transfers.with_workspace(Workspace::new(project));
            }
        }
        if let Some(output) = &self.output {
            // A job may take an hour; that its artifacts have no place is better known before.
            if fs::symlink_metadata(output).is_ok() && !output.is_dir() {
                return Err(no_folder("--output", output, "a folder, or a path that is free"));
            }
            let artifacts =
                Artifacts::new(&self.artifacts).map_err(|error| Failure::explain(&error))?;
            transfers = transfers.with_artifacts(artifacts, output);
        }
        Ok(transfers)
    }
}

/// A folder with an engine's socket in it is root on the host; that needs leave of its own, as for any
/// other volume.
fn refuse_socket(
    job: &JobSpec,
    config: &ExecutorConfig,
    path: &str,
    folder: &str,
) -> Result<(), Failure> {
    let spec = SpecReader::new(OperatingSystem::Linux).read(&format!("{path}:{folder}"));
    let demand = VolumeDemand::new([spec.map_err(|error| Failure::explain(&error))?]);
    let scope = Scope::new(&*config.owner, &*job.project, job.trust);
    let policy = config.policy.clone().with_host_paths(true);
    let origin = Provenance::new("", std::time::SystemTime::UNIX_EPOCH);
    plan(&demand, &scope, &origin, &policy).map(drop).map_err(|error| Failure::explain(&error))
}

fn no_folder(option: &str, path: &Path, instead: &str) -> Failure {
    let message = format!("{} is no folder", path.display());
    Failure::new(message, format!("give {option} {instead}"))
}

fn absolute(folder: &std::path::Path) -> Result<String, Failure> {
    let shown = folder.display();
    let hint = "give --workspace a folder that exists, without a colon or dollar in its path";
    let path = folder.canonicalize().map_err(|error| {
        Failure::new(format!("the folder {shown} cannot be used: {error}"), hint)
    })?;
    match path.to_str() {
        Some(path) if path.starts_with('/') && !path.contains([':', '$']) => Ok(path.to_owned()),
        _ => Err(Failure::new(format!("the folder {shown} cannot be mounted"), hint)),
    }
}
