//! Sends a project's files to a job's build directory, and fetches artifacts from it.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use docker_api_trait::{ApiError, ContainerId};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{
    error::TransferError,
    event::JobEvent,
    plan::Process,
    run::{Run, script::OwnScript},
    shell::quote,
    workspace::{
        ArtifactReport, Artifacts, Changes, MANIFEST_NAME, Owner, PackReport, SCRIPT_NAME,
        STALE_STATUS, UploadReport, Workspace, WorkspaceError, read_manifest,
    },
};

/// How often an upload begins anew because a job had changed what was there: once for what is in the
/// way, once for what is stale, once for good.
const UPLOADS: usize = 3;

/// What goes into a job's build folder before its steps, and what comes out after them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Transfers {
    /// The project whose files the steps find in the build folder.
    pub workspace: Option<Workspace>,
    /// What is taken from the build folder when the steps have ended, whatever their outcome, and the
    /// folder of this machine that it goes to.
    pub artifacts: Option<(Artifacts, PathBuf)>,
}

impl Transfers {
    /// Nothing in, nothing out.
    pub fn none() -> Self {
        Self::default()
    }

    /// With the files of a project.
    pub fn with_workspace(mut self, workspace: Workspace) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// With artifacts that go to `folder`.
    pub fn with_artifacts(mut self, artifacts: Artifacts, folder: impl Into<PathBuf>) -> Self {
        self.artifacts = Some((artifacts, folder.into()));
        self
    }
}

impl Run<'_> {
    /// Sends a project's files to the build directory, and reports what was sent.
    pub(crate) async fn upload(
        &mut self,
        workspace: &Workspace,
    ) -> Result<UploadReport, TransferError> {
        let sent = self.send_changes(workspace).await;
        let report =
            self.redactor().upload(&sent.map_err(|error| self.redactor().transfer(error))?);
        self.observer.event(&JobEvent::Uploaded(&report));
        Ok(self.state.upload.insert(report).clone())
    }

    /// Fetches artifacts from the build directory into a directory of this machine.
    pub(crate) async fn collect(
        &mut self,
        artifacts: &Artifacts,
        folder: &Path,
    ) -> Result<ArtifactReport, TransferError> {
        let container = self.state.container().cloned().ok_or(TransferError::NoBuildFolder)?;
        let fetched = self.fetch(&container, artifacts, folder).await;
        // A job may have written a secret into the name of a file.
        let redactor = self.redactor();
        let report = redactor.artifacts(&fetched.map_err(|error| redactor.transfer(error))?);
        self.observer.event(&JobEvent::Collected(&report));
        Ok(self.state.artifacts.insert(report).clone())
    }

    /// Sends what the build directory does not have yet.
    async fn send_changes(&mut self, workspace: &Workspace) -> Result<UploadReport, TransferError> {
        let folder = self.folder()?;
        let (index, container) = self.shell()?;
        let scan = workspace.scan(SystemTime::now()).await?;
        let owner = self.owner(index).await?;
        let manifest = self.manifest(&container, folder).await?;
        let mut changes = scan.changes(manifest.as_ref());
        let kept = changes.kept();
        let removed = changes.removals().count();
        let mut sent = PackReport::default();
        for _ in 0..UPLOADS {
            match self.send(&container, folder, &changes, owner).await {
                Ok(report) => {
                    sent.files += report.files;
                    sent.bytes += report.bytes;
                    sent.skipped = report.skipped;
                }
                // Something of a job's is in the way.
                Err(TransferError::Engine(ApiError::Engine { .. })) => {
                    let repair = scan.repair_archive().into();
                    self.docker.upload_archive(&container, folder, repair).await?;
                }
                Err(error) => return Err(error),
            }
            let OwnScript { exit_code: code, output: words } =
                self.put_in_order(index, folder).await?;
            if code == 0 {
                let skipped = sent.skipped.iter().chain(scan.skipped());
                return Ok(UploadReport {
                    files: sent.files,
                    bytes: sent.bytes,
                    kept,
                    removed,
                    skipped: skipped
                        .map(|skipped| format!("{}: {}", skipped.path, skipped.reason))
                        .collect(),
                });
            }
            if code != i64::from(STALE_STATUS) {
                return Err(TransferError::BuildFolder { code, words });
            }
            changes = scan.full(manifest.as_ref());
        }
        let words = "a job's files are in the way again and again".to_owned();
        Err(TransferError::BuildFolder { code: i64::from(STALE_STATUS), words })
    }

    async fn fetch(
        &self,
        container: &ContainerId,
        artifacts: &Artifacts,
        output: &Path,
    ) -> Result<ArtifactReport, TransferError> {
        let folder = self.folder()?;
        let archive = self.docker.download_archive(container, folder).await?;
        let mut report = artifacts.unpack(archive, output).await?;
        if !report.linked.is_empty() {
            // Hard links to files that were not selected themselves.
            let archive = self.docker.download_archive(container, folder).await?;
            let linked = artifacts.unpack_linked(&report.linked, archive, output).await?;
            report.files += linked.files;
            report.bytes += linked.bytes;
            report.skipped.extend(linked.skipped);
            report.linked.clear();
        }
        Ok(report)
    }

    fn folder<'a>(&self) -> Result<&'a str, TransferError>
    where
        Self: 'a,
    {
        self.plan.build_folder.as_deref().ok_or(TransferError::NoBuildFolder)
    }

    /// A running shell, of the build container if it has one.
    fn shell(&self) -> Result<(usize, ContainerId), TransferError> {
        let mut shells = self.state.containers.iter().zip(&self.plan.containers).enumerate();
        let found = shells.find_map(|(index, (slot, plan))| {
            let is_shell = matches!(plan.process, Process::Shell(_)) && slot.is_attached();
            is_shell.then(|| slot.trace.known().cloned()).flatten().map(|id| (index, id))
        });
        found.ok_or(TransferError::WithoutShell)
    }

    /// Returns the user and group of the steps: they will own the files.
    async fn owner(&mut self, index: usize) -> Result<Owner, TransferError> {
        let ids = self.run_own_script(index, "id -u; id -g").await?;
        let mut numbers = ids.output.split_whitespace().map(str::parse);
        match (ids.exit_code, numbers.next(), numbers.next()) {
            (0, Some(Ok(user)), Some(Ok(group))) => Ok(Owner { user, group }),
            // An image without `id` is small enough to be root's.
            _ => Ok(Owner::default()),
        }
    }

    async fn manifest(
        &self,
        container: &ContainerId,
        folder: &str,
    ) -> Result<Option<crate::workspace::Manifest>, TransferError> {
        let path = format!("{folder}/{MANIFEST_NAME}");
        match self.docker.download_archive(container, &path).await {
            Ok(archive) => Ok(read_manifest(archive).await?),
            Err(ApiError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(
        &self,
        container: &ContainerId,
        folder: &str,
        changes: &Changes,
        owner: Owner,
    ) -> Result<PackReport, TransferError> {
        let (archive, packing) = changes.pack(owner);
        self.observer.event(&JobEvent::Uploading(&packing.progress()));
        let archive = archive
            .map_err(|source| ApiError::Lost {
                operation: docker_api_trait::Operation::UploadArchive,
                source: source.into(),
            })
            .boxed();
        let uploaded = self.docker.upload_archive_stream(container, folder, archive).await;
        let packed = packing.finish().await;
        match (uploaded, packed) {
            (Ok(()), packed) => Ok(packed?),
            // What went wrong on our side made the engine complain.
            (Err(_), Err(error)) if !matches!(error, WorkspaceError::Abandoned) => {
                Err(error.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Runs the script that came with the archive: it removes what is gone, and looks at what was not
    /// sent.
    async fn put_in_order(
        &mut self,
        index: usize,
        folder: &str,
    ) -> Result<OwnScript, TransferError> {
        let script = format!("cd {} && sh ./{SCRIPT_NAME}", quote(folder));
        self.run_own_script(index, &script).await
    }
}
