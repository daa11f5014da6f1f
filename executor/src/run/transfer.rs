//! A project's files on their way into a job's build folder, and artifacts on their way out.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use docker_api_trait::{ApiError, ContainerId, DockerApi, LogSource};
use futures_util::{StreamExt as _, TryStreamExt as _, future::pending};

use crate::{
    ArtifactReport, Artifacts, Cancel, Changes, ExecutorError, JobEvent, JobPlan, MANIFEST_NAME,
    Masker, MemorySink, Observer, Owner, PackReport, Process, SCRIPT_NAME, STALE_STATUS, Workspace,
    WorkspaceError,
    log::{LogLimit, Pump},
    read_manifest,
    run::interrupt::Interrupt,
    run::state::RunState,
    run::step,
    shell::{Ended, Feed, Mark, internal, quote},
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

/// What was brought into a build folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadReport {
    /// Files that were sent.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there as they are here, and were not sent.
    pub kept: usize,
    /// Files and folders that are gone from the project and were removed.
    pub removed: usize,
    /// Files that were listed and could not be sent, and why.
    pub skipped: Vec<String>,
}

/// What both directions need.
pub(crate) struct Carrier<'a> {
    pub(crate) docker: &'a dyn DockerApi,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) plan: &'a JobPlan,
}

impl Carrier<'_> {
    /// Brings a project's files into the build folder; only what is not there yet is sent.
    pub(crate) async fn upload(
        &self,
        state: &mut RunState,
        workspace: &Workspace,
    ) -> Result<UploadReport, ExecutorError> {
        let folder = self.folder()?;
        let (index, container) = self.shell(state)?;
        let scan = workspace.scan(SystemTime::now()).await?;
        let owner = self.owner(state, index).await?;
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
                Err(ExecutorError::Engine(ApiError::Engine { .. })) => {
                    let repair = scan.repair_archive().into();
                    self.docker.upload_archive(&container, folder, repair).await?;
                }
                Err(error) => return Err(error),
            }
            let (code, words) = self.put_in_order(state, index, folder).await?;
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
                return Err(ExecutorError::BuildFolder { code, words });
            }
            changes = scan.full(manifest.as_ref());
        }
        let words = "a job's files are in the way again and again".to_owned();
        Err(ExecutorError::BuildFolder { code: i64::from(STALE_STATUS), words })
    }

    /// Takes artifacts out of the build folder.
    pub(crate) async fn collect(
        &self,
        container: &ContainerId,
        artifacts: &Artifacts,
        output: &Path,
    ) -> Result<ArtifactReport, ExecutorError> {
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

    fn folder(&self) -> Result<&str, ExecutorError> {
        self.plan.build_folder.as_deref().ok_or(ExecutorError::NoBuildFolder)
    }

    /// A running shell, of the build container if it has one.
    fn shell(&self, state: &RunState) -> Result<(usize, ContainerId), ExecutorError> {
        let mut shells = state.containers.iter().zip(&self.plan.containers).enumerate();
        let found = shells.find_map(|(index, (slot, plan))| {
            let is_shell = matches!(plan.process, Process::Shell(_)) && slot.session.is_some();
            is_shell.then(|| slot.trace.known().cloned()).flatten().map(|id| (index, id))
        });
        found.ok_or(ExecutorError::WorkspaceWithoutShell)
    }

    /// Whoever runs the steps is to own the files.
    async fn owner(&self, state: &mut RunState, index: usize) -> Result<Owner, ExecutorError> {
        let (code, words) = run(self.docker, state, index, "id -u; id -g").await?;
        let mut numbers = words.split_whitespace().map(str::parse);
        match (code, numbers.next(), numbers.next()) {
            (0, Some(Ok(user)), Some(Ok(group))) => Ok(Owner { user, group }),
            // An image without `id` is small enough to be root's.
            _ => Ok(Owner::default()),
        }
    }

    async fn manifest(
        &self,
        container: &ContainerId,
        folder: &str,
    ) -> Result<Option<crate::Manifest>, ExecutorError> {
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
    ) -> Result<PackReport, ExecutorError> {
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
        &self,
        state: &mut RunState,
        index: usize,
        folder: &str,
    ) -> Result<(i64, String), ExecutorError> {
        let script = format!("cd {} && sh ./{SCRIPT_NAME}", quote(folder));
        run(self.docker, state, index, &script).await
    }
}

/// Runs a short script of our own in a container's shell; its exit code and output.
async fn run(
    docker: &dyn DockerApi,
    state: &mut RunState,
    index: usize,
    script: &str,
) -> Result<(i64, String), ExecutorError> {
    let Some(session) = &mut state.containers[index].session else {
        return Err(ExecutorError::WorkspaceWithoutShell);
    };
    let mut sink = MemorySink::new();
    let words = sink.clone();
    let mut limit = LogLimit::new(Some(64 * 1024));
    let nothing = Masker::new(Vec::<Vec<u8>>::new())?;
    // Whoever stops this drops it.
    let nobody = Cancel::new();
    let interrupt = Interrupt::new(&nobody, []);
    let mut pump = Pump::new(&mut sink, &mut limit, &nothing, &interrupt);
    let mut feed = Feed::text(&internal(script), &Mark::draw());
    let id = session.id().clone();
    let ended = loop {
        let knows_end = session.knows_end();
        let news = async {
            if knows_end {
                pending::<()>().await;
            }
            step::pulse(docker, &id).await
        };
        match session.run(&mut feed, &mut pump, news).await {
            Ok(ended) => break ended,
            Err(end) => session.learn(end),
        }
    };
    let text = || words.text(LogSource::Stdout) + &words.text(LogSource::Stderr);
    match ended {
        Ended::Code(code) => Ok((code, text())),
        Ended::Container(status) => {
            Err(ExecutorError::BuildFolder { code: status.code, words: feed.first_words() })
        }
        Ended::NotBegun => Err(ExecutorError::WorkspaceWithoutShell),
        Ended::Lost(error) | Ended::Mute(error) => Err(error.into()),
    }
}
